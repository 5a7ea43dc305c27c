"""The demo's recipe: two model sizes, and the stages that train them."""

from __future__ import annotations

from dataclasses import replace

from pid_lvlm.extract.training.config import LANGUAGE, PROJECTOR, VISION, ModelSize, Recipe, Stage

SIZES = {
    "tiny": ModelSize("tiny", hidden=96, layers=3, heads=4, intermediate=160, vision_hidden=48),
    "small": ModelSize("small", hidden=128, layers=4, heads=4, intermediate=192, vision_hidden=64),
}

RECIPE = Recipe(
    conversations=4096,
    vision_steps=200,
    text=Stage("text", (LANGUAGE,), steps=700, learning_rate=2e-3),
    stages=(
        Stage("align", (PROJECTOR,), steps=240, learning_rate=2e-3, checkpoints=(15, 40, 100, 240)),
        Stage(
            "tune",
            (VISION, PROJECTOR, LANGUAGE),
            steps=1000,
            learning_rate=1e-3,
            noise_share=0.55,
            no_image_share=0.08,
            checkpoints=(40, 120, 400, 1000),
        ),
    ),
    emphasis=(("blend", 3),),
)


def quick(recipe: Recipe) -> Recipe:
    """A recipe with the same steps in name and almost none in number, to try the whole path.

    Args:
        recipe: The recipe to shorten.

    Returns:
        The recipe with two steps per stage and two checkpoints.
    """

    def shorten(stage: Stage) -> Stage:
        return replace(stage, steps=2, batch_size=8, warmup=1, checkpoints=(1, 2) if stage.checkpoints else ())

    stages = tuple(shorten(stage) for stage in recipe.stages)
    return replace(recipe, conversations=32, vision_steps=2, text=shorten(recipe.text), stages=stages)
