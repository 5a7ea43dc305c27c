"""A vision-language model to train: loaded whole, or assembled from a language model and a vision tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.checkpoint.locate import check_model
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.models.registry import adapter_class
from pid_lvlm.extract.training.two_stage.errors import RecipeError
from pid_lvlm.extract.training.two_stage.recipe import ModelChoice

IMAGE_TOKEN, PAD_TOKEN = "<image>", "<pad>"
MULTIPLE: Final = 64
"""The number of embedding rows is a multiple of this, which is fast on GPUs."""
VICUNA_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}"
    "{% elif message['role'] == 'user' %}{{ 'USER: ' }}{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% else %}{{ ' ' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""LLaVA-1.5's turns, as the checkpoints on the hub have them."""


def load_model(choice: ModelChoice, seed: int, *, weights: bool = True) -> Adapter:
    """The model of a recipe, in float32 on the CPU.

    Args:
        choice: the recipe's table.
        seed: seed for weights that are not loaded.
        weights: False builds it without weights (on the meta device), for planning only.

    Raises:
        RecipeError: its parts do not form a model.
        ModelError: a checkpoint is missing, incomplete or of an unknown kind.
    """
    torch.manual_seed(seed)
    if choice.checkpoint is not None:
        return _whole(choice.checkpoint, weights=weights, random=choice.random_weights)
    if weights:
        return _assembled(choice)
    with torch.device("meta"):
        return _assembled(choice, empty=True)


def load_checkpoint(folder: Path) -> Adapter:
    """A checkpoint of an earlier stage, in float32 on the CPU."""
    return load_adapter(ModelSpec(str(folder), dtype="float32", device="cpu"))


def _whole(model: str, *, weights: bool, random: bool) -> Adapter:
    spec = ModelSpec(model, dtype="float32", device="cpu")
    if not random:
        return load_adapter(spec, weights=weights)
    planned = load_adapter(spec, weights=False)
    if not weights:
        return planned
    model = type(planned.model)(planned.model.config).float().eval()
    return type(planned).build(model, planned.processor)


def _assembled(choice: ModelChoice, *, empty: bool = False) -> Adapter:
    assert choice.language is not None and choice.vision is not None  # noqa: PT018  the recipe was checked
    language, vision = choice.language, choice.vision
    tokenizer = _read(language, AutoTokenizer)
    text = _read(language, AutoConfig)
    _check_kinds(text, language, vision)
    tower: Any = _read(vision, CLIPVisionConfig)
    tokenizer.add_tokens([transformers.AddedToken(IMAGE_TOKEN, special=True, normalized=False)], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    known = text.vocab_size
    text.vocab_size = -(-max(len(tokenizer), known) // MULTIPLE) * MULTIPLE if len(tokenizer) > known else known
    text.pad_token_id = tokenizer.pad_token_id
    config = LlavaConfig(
        vision_config=tower,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        vision_feature_layer=choice.vision_layer,
        vision_feature_select_strategy="default",
        image_seq_length=(tower.image_size // tower.patch_size) ** 2,
        tie_word_embeddings=bool(getattr(text, "tie_word_embeddings", False)),
    )
    model = LlavaForConditionalGeneration(config).float().eval()
    if not empty and not choice.random_weights:
        _fill(model, language, vision)
    processor = _processor(vision, tokenizer, tower)
    return adapter_class("llava", language).build(model, processor)


def _check_kinds(text: Any, language: str, vision: str) -> None:
    """Check that both parts are of the expected kind: a configuration loads as any kind without complaint."""
    if hasattr(text, "vision_config") or not hasattr(text, "vocab_size"):
        message = f"`language` names `{language}`, which has model type {text.model_type} and is not a language model"
        raise RecipeError(f"{message}; a whole vision-language model is given as `checkpoint`")
    kind = _read(vision, AutoConfig).model_type
    if kind not in ("clip", "clip_vision_model"):
        raise RecipeError(f"`vision` names `{vision}`, which has model type {kind}; a LLaVA is assembled with CLIP")


def _fill(model: Any, language: str, vision: str) -> None:
    """Copy the weights of both parts; new embedding rows get the mean of the others."""
    causal = _read(language, AutoModelForCausalLM, dtype=torch.float32)
    with torch.no_grad():
        for ours, theirs in (
            (model.get_input_embeddings(), causal.get_input_embeddings()),
            (model.get_output_embeddings(), causal.get_output_embeddings()),
        ):
            rows = len(theirs.weight)
            ours.weight[:rows] = theirs.weight
            ours.weight[rows:] = theirs.weight.mean(0)
            theirs.weight = ours.weight
        lacking = model.model.language_model.load_state_dict(causal.base_model.state_dict(), strict=False)
    del causal
    tower = _read(vision, CLIPVisionModel, dtype=torch.float32)
    lacking_vision = model.model.vision_tower.load_state_dict(tower.state_dict(), strict=False)
    for name, found in ((language, lacking), (vision, lacking_vision)):
        if keys := [*found.missing_keys, *found.unexpected_keys]:
            raise RecipeError(
                f"the weights of `{name}` do not fit the model that its configuration describes ({keys[0]})"
            )


def _processor(vision: str, tokenizer: Any, tower: Any) -> LlavaProcessor:
    settings = _read(vision, CLIPImageProcessorPil).to_dict()
    names = ("size", "crop_size", "image_mean", "image_std", "resample", "do_rescale", "rescale_factor", "do_normalize")
    images = LlavaImageProcessorPil(**{name: settings[name] for name in names if settings.get(name) is not None})
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=tower.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA_TEMPLATE.replace("</s>", tokenizer.eos_token),
    )


def _read(model: str, kind: Any, **options: Any) -> Any:
    check_model(ModelSpec(model))
    try:
        return kind.from_pretrained(model, trust_remote_code=False, **options)
    except Exception as error:  # anything the library raises for missing or damaged files
        message = f"cannot read `{model}` as {kind.__name__} ({first_line(error)}); check the recipe's [model]"
        raise RecipeError(message) from error


def set_pictures(adapter: Adapter, how: str) -> None:
    """Make the processor pad pictures to squares or crop them, or leave it unchanged.

    Args:
        adapter: the model, whose processor is changed, so that its checkpoints prepare pictures the same way.
        how: `pad`, `crop` or `as-is`.

    Raises:
        RecipeError: the processor cannot pad.
    """
    images = adapter.processor.image_processor
    if how == "as-is":
        return
    if type(images).__name__.startswith("CLIPImageProcessor"):
        settings = {name: value for name, value in images.to_dict().items() if not name.endswith(("_type", "_class"))}
        images = LlavaImageProcessorPil(**settings)
        adapter.processor.image_processor = images
    if not hasattr(images, "pad_to_square"):
        message = f'the processor of {adapter.family} models cannot pad or crop pictures; set `pictures = "as-is"`'
        raise RecipeError(message)
    images.do_pad = how == "pad"
