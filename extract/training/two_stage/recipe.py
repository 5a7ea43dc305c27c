"""Recipes: TOML files that define what is trained, on what and how."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from pid_lvlm.data.bounds import (
    CHECKPOINTS,
    FIT_SEED,
    RANK,
    RECORDS,
    STAGES,
    STEP,
    TRAIN_BATCH,
    TRAIN_STEPS,
    TRAIN_TOKENS,
)
from pid_lvlm.data.command.shown import cut, shown_path
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.inputs.paths import is_there
from pid_lvlm.data.inputs.schema import STRICT, Word
from pid_lvlm.data.inputs.text import TextError, parse_toml, read_text
from pid_lvlm.extract.fields import FileName, ModelName, OnBad, PathText, checked_file
from pid_lvlm.extract.models.checkpoint.locate import HUB_ID
from pid_lvlm.extract.training.two_stage.errors import RecipeError

SHIPPED: Final = Path(__file__).with_name("recipes")
VISION, PROJECTOR, LANGUAGE = "vision", "projector", "language"
Part = Literal["vision", "projector", "language"]
_OF_STAGE: Final = re.compile(r"`stages\[(\d+)\]\.([^`]+)`")
"""A stage's key as named by the check, counted from 0."""
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class ModelChoice:
    """Table `[model]`: a vision-language model, or the two parts from which one is assembled.

    Attributes:
        checkpoint: hub id or folder of a whole model.
        language: hub id or folder of a language model, to be connected by a new projector.
        vision: hub id or folder of a CLIP vision tower.
        vision_layer: layer of the tower whose patches are projected.
        random_weights: whether weights are random instead of loaded, to measure speed or to train from scratch.
    """

    __pydantic_config__ = STRICT

    checkpoint: PathText | None = None
    language: PathText | None = None
    vision: PathText | None = None
    vision_layer: Annotated[int, Field(ge=-1000, le=1000)] = -2
    random_weights: bool = False


@dataclass(frozen=True)
class Lora:
    """Table `[stages.lora]`: low-rank changes of the language model's matrices in place of all their weights."""

    __pydantic_config__ = STRICT

    rank: Annotated[int, Field(ge=1, le=RANK.most)]
    alpha: Annotated[float, Field(gt=0, le=1e6)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True)
class StageRecipe:
    """One table of `[[stages]]`.

    Attributes:
        name: name of the stage, in folders and tables.
        train: parts to train; the others stay frozen.
        data: file of training records.
        images: folder of their pictures; by default the file's folder.
        conversation: format of conversations (`forms.FORMS`).
        pictures: `pad` to a square with the mean colour, `crop` its middle, or `as-is`: what the processor does.
        learning_rate: peak learning rate of AdamW.
        batch_size: records per step, over all devices together.
        epochs: passes over the data; alternative to `steps`.
        steps: number of steps; alternative to `epochs`.
        warmup: share of the steps during which the learning rate rises to its peak.
        schedule: how it decays after that.
        weight_decay: of AdamW.
        beta2: of AdamW.
        max_grad_norm: norm at which gradients are clipped; 0 for none.
        max_length: maximum tokens of a conversation, including its picture.
        too_long: whether a longer one is truncated or is a bad record.
        averaged_epochs: number of passes, at the end, over which the weights are averaged; 0 for none.
        grouped: whether batches hold records of one modality and similar length.
        systematic: whether neighbours in the file are spread evenly over the spans that modality dropout replaces, and
            over each pass if it is not `grouped`.
        modality_dropout: share of the records with a picture in which one span, chosen uniformly, is replaced by noise.
        noise_by: field of a record that names its source; the noise then has the statistics of each source.
        held_out: number of records excluded from training, for the held-out loss.
        checkpoints: number of checkpoints to keep, at equal fractions of the steps.
        on_bad: whether bad records stop the training before it starts, or are left out.
        lora: low-rank changes; needs `language` in `train`.
    """

    __pydantic_config__ = STRICT

    name: FileName
    train: Annotated[tuple[Part, ...], Field(min_length=1, max_length=3)]
    data: PathText
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    batch_size: Annotated[int, Field(ge=1, le=TRAIN_BATCH.most)]
    images: PathText | None = None
    conversation: Literal["chat", "vicuna", "plain"] = "chat"
    pictures: Literal["as-is", "pad", "crop"] = "as-is"
    epochs: Annotated[float, Field(gt=0, le=1e6)] | None = None
    steps: Annotated[int, Field(ge=1, le=TRAIN_STEPS.most)] | None = None
    warmup: Share = 0.03
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    max_grad_norm: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    max_length: Annotated[int, Field(ge=2, le=TRAIN_TOKENS.most)] = 2048
    too_long: Literal["truncate", "bad"] = "bad"
    averaged_epochs: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    grouped: bool = True
    systematic: bool = False
    modality_dropout: Share = 0.0
    noise_by: Word | None = None
    held_out: Annotated[int, Field(ge=0, le=RECORDS.most)] = 0
    checkpoints: Annotated[int, Field(ge=1, le=CHECKPOINTS.most)] = 4
    on_bad: OnBad = "error"
    lora: Lora | None = None

    def step_count(self, records: int) -> int:
        """Number of steps of the stage with this many records to train on."""
        if self.steps is not None:
            return self.steps
        return max(1, math.ceil((self.epochs or 1) * self._steps_per_pass(records)))

    def averaged_after(self, records: int) -> int | None:
        """The step after which weights are averaged; None if they are not.

        Example:
            >>> stage = StageRecipe("tune", ("language",), "chat.json", 1e-3, 8, steps=12, averaged_epochs=0.5)
            >>> stage.averaged_after(80)
            7
        """
        steps = self.step_count(records)
        wanted = round(self.averaged_epochs * self._steps_per_pass(records))
        return max(0, steps - max(1, wanted)) if self.averaged_epochs else None

    def _steps_per_pass(self, records: int) -> int:
        return math.ceil(records / self.batch_size)

    def checkpoint_steps(self, steps: int) -> tuple[int, ...]:
        """Steps after which a checkpoint is kept: equal fractions, the last one at the end.

        Example:
            >>> stage = StageRecipe("tune", ("language",), "chat.json", 1e-3, 8, checkpoints=4)
            >>> stage.checkpoint_steps(10)
            (2, 5, 8, 10)
        """
        return tuple(
            sorted({max(1, round(steps * part / self.checkpoints)) for part in range(1, self.checkpoints + 1)})
        )


@dataclass(frozen=True)
class Recipe:
    """A whole recipe.

    Attributes:
        name: name of the model in tables.
        model: the model to train.
        stages: the stages in order; each starts from the last checkpoint of the previous one.
        seed: seed for new weights, the order of records and noise.
        dtype: dtype of the computation. Trained weights are kept in float32.
        gradient_checkpointing: whether states are recomputed for the gradients, which saves memory.
        device_batch: maximum number of records that a device holds at once.
        log_every: steps between rows of the table of losses.
        resume_every: steps between resumable states; by default a twentieth of the steps.
        report_to: trackers for transformers' Trainer, such as tensorboard or wandb.
    """

    __pydantic_config__ = STRICT

    name: ModelName
    model: ModelChoice
    stages: Annotated[tuple[StageRecipe, ...], Field(min_length=1, max_length=STAGES.most)]
    seed: Annotated[int, Field(ge=0, le=FIT_SEED.most)] = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    device_batch: Annotated[int, Field(ge=1, le=TRAIN_BATCH.most)] = 16
    log_every: Annotated[int, Field(ge=1, le=STEP.most)] = 1
    resume_every: Annotated[int, Field(ge=1, le=STEP.most)] | None = None
    report_to: Annotated[tuple[Word, ...], Field(max_length=STAGES.most)] = ()


def find_recipe(given: str) -> Path:
    """The file of a recipe, from a path or the name of a shipped recipe.

    Raises:
        RecipeError: neither exists.
    """
    path = Path(given)
    if path.suffix == ".toml" or is_there(path):
        return path
    shipped = {file.stem: file for file in SHIPPED.glob("*.toml")}
    if given in shipped:
        return shipped[given]
    message = f"unknown recipe `{cut(given)}`; shipped recipes: {', '.join(sorted(shipped))}"
    raise RecipeError(f"{message}; the path of your own recipe ends in .toml")


def read_recipe(path: Path, data_folder: Path | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the file.
        data_folder: base folder for relative paths of data, images and models; by default the file's folder.

    Raises:
        RecipeError: the file is missing, is not TOML, or has an unknown, missing or invalid key.
    """
    where = f"recipe `{shown_path(path)}`"
    try:
        raw = parse_toml(read_text(path))
    except FileNotFoundError:
        raise RecipeError(f"`{shown_path(path)}` does not exist; check the path of the recipe") from None
    except TextError as error:
        raise RecipeError(f"{where} {error}") from None
    _check_keys(raw, where)
    try:
        recipe = checked_file(Recipe, raw, RecipeError, f"{where}: ")
    except RecipeError as error:
        raise RecipeError(
            _OF_STAGE.sub(lambda found: f"`{found[2]}` of stage {int(found[1]) + 1}", str(error))
        ) from None
    _check_model(recipe.model, f"{where}, [model]: ")
    for number, stage in enumerate(recipe.stages, start=1):
        _check_stage(stage, f"{where}, stage {number}: ")
    names = [stage.name for stage in recipe.stages]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RecipeError(f"{where}: two stages are called `{cut(twice)}`; give each its own name")
    folder = path.resolve().parent if data_folder is None else data_folder
    model = recipe.model
    model = replace(
        model,
        checkpoint=_model_place(model.checkpoint, folder),
        language=_model_place(model.language, folder),
        vision=_model_place(model.vision, folder),
    )
    stages = tuple(_placed(stage, folder) for stage in recipe.stages)
    return replace(recipe, model=model, stages=stages)


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, to compare a training with the one in an output folder."""
    return asdict(recipe)


def _check_keys(raw: Mapping[str, Any], where: str) -> None:
    """Suggest the nearest key for an unknown one."""
    stages = raw.get("stages")
    numbered = enumerate(stages, start=1) if isinstance(stages, list) else ()
    tables: list[tuple[str, Any, Any]] = [("", Recipe, raw), (", [model]", ModelChoice, raw.get("model"))]
    for number, stage in numbered:
        tables.append((f", stage {number}", StageRecipe, stage))
        tables.append((f", stage {number}, [lora]", Lora, stage.get("lora") if isinstance(stage, dict) else None))
    for place, kind, table in tables:
        known = [item.name for item in fields(kind)]
        if isinstance(table, dict) and (unknown := next((key for key in table if key not in known), None)):
            raise RecipeError(f"{where}{place}: {unknown_name('unknown key', unknown, known)}")


def _placed(stage: StageRecipe, folder: Path) -> StageRecipe:
    data = folder / stage.data
    images = data.parent if stage.images is None else folder / stage.images
    return replace(stage, data=str(data), images=str(images))


def _check_stage(stage: StageRecipe, where: str) -> None:
    rules: list[tuple[bool, Callable[[], str]]] = [
        ((stage.epochs is None) == (stage.steps is None), lambda: "give either `epochs` or `steps`"),
        (len({*stage.train}) < len(stage.train), lambda: "`train` names a part twice"),
        (
            stage.lora is not None and LANGUAGE not in stage.train,
            lambda: '`lora` changes the language model; put "language" into `train`',
        ),
        (
            stage.lora is not None and VISION in stage.train,
            lambda: "`lora` cannot be combined with training the vision tower; leave one out",
        ),
    ]
    for wrong, say in rules:
        if wrong:
            raise RecipeError(where + say())


def _check_model(model: ModelChoice, where: str) -> None:
    parts = (model.language, model.vision)
    if (model.checkpoint is None) == (parts == (None, None)) or None in parts and model.checkpoint is None:
        raise RecipeError(f"{where}give either `checkpoint`, or `language` and `vision` to assemble a LLaVA")


def _model_place(model: str | None, folder: Path) -> str | None:
    """A path relative to the recipe's folder, whether or not it exists, or an unchanged hub id.

    Raises:
        RecipeError: it is a file.
    """
    if model is None or (not is_there(folder / model) and HUB_ID.fullmatch(model)):
        return model
    if (folder / model).is_file():
        raise RecipeError(
            f"`{shown_path(folder / model)}` is a file; [model] needs the folder of a checkpoint or a hub id"
        )
    return str(folder / model)
