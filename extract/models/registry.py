"""Maps `model_type` to adapters. Adapters are imported only on demand, since they import torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pid_lvlm.data.command.suggest import near_names, suggestion
from pid_lvlm.data.errors import printable
from pid_lvlm.extract.errors import ModelError

if TYPE_CHECKING:
    from pid_lvlm.extract.models.adapters.base import Adapter


@dataclass(frozen=True)
class Entry:
    """An adapter as `module:Class` in `pid_lvlm.extract.models.adapters`, and example checkpoints."""

    target: str
    examples: tuple[str, ...]


ADAPTERS: Final[dict[str, Entry]] = {
    "aya_vision": Entry("standard:AyaVisionAdapter", ("CohereLabs/aya-vision-8b",)),
    "cambrian_llama": Entry(
        "cambrian:CambrianAdapter", ("nyu-visionx/cambrian-8b", "nyu-visionx/cambrian-13b", "nyu-visionx/cambrian-34b")
    ),
    "cohere2_vision": Entry("standard:Cohere2VisionAdapter", ("CohereLabs/command-a-vision-07-2025",)),
    "deepseek_vl": Entry("standard:DeepseekVLAdapter", ("deepseek-community/deepseek-vl-1.3b-chat",)),
    "fuyu": Entry("fuyu:FuyuAdapter", ("adept/fuyu-8b",)),
    "gemma3": Entry("gemma:Gemma3Adapter", ("google/gemma-3-4b-it", "google/gemma-3-12b-it")),
    "gemma3n": Entry("gemma:Gemma3nAdapter", ("google/gemma-3n-E2B-it", "google/gemma-3n-E4B-it")),
    "gemma4": Entry("gemma:Gemma4Adapter", ("google/gemma-4-E2B-it", "google/gemma-4-31B-it")),
    "gemma4_unified": Entry("gemma:Gemma4Adapter", ("google/gemma-4-12B-it",)),
    "glm4v": Entry("standard:Glm4vAdapter", ("zai-org/GLM-4.6V-Flash", "zai-org/GLM-4.1V-9B-Thinking")),
    "glm46v": Entry("standard:Glm4vAdapter", ()),  # no released checkpoint of this type is known
    "glm4v_moe": Entry("standard:Glm4vAdapter", ("zai-org/GLM-4.5V",)),
    "granite4_vision": Entry("granite:Granite4VisionAdapter", ("ibm-granite/granite-vision-4.1-4b",)),
    "idefics2": Entry("standard:Idefics3Adapter", ("HuggingFaceM4/idefics2-8b",)),
    "idefics3": Entry(
        "standard:Idefics3Adapter", ("HuggingFaceM4/Idefics3-8B-Llama3", "HuggingFaceTB/SmolVLM-Instruct")
    ),
    "instructblip": Entry(
        "instructblip:InstructBlipAdapter",
        ("Salesforce/instructblip-vicuna-7b", "Salesforce/instructblip-flan-t5-xl"),
    ),
    "internvl": Entry("standard:InternVLAdapter", ("OpenGVLab/InternVL3-8B-hf", "OpenGVLab/InternVL3_5-8B-HF")),
    "janus": Entry("standard:JanusAdapter", ("deepseek-community/Janus-Pro-1B",)),
    "lfm2_vl": Entry("standard:Lfm2VLAdapter", ("LiquidAI/LFM2-VL-1.6B",)),
    "llama4": Entry("standard:Llama4Adapter", ("meta-llama/Llama-4-Scout-17B-16E-Instruct",)),
    "llava": Entry("standard:LlavaAdapter", ("llava-hf/llava-1.5-7b-hf", "mistral-community/pixtral-12b")),
    "llava_next": Entry("standard:LlavaNextAdapter", ("llava-hf/llava-v1.6-mistral-7b-hf",)),
    "llava_next_video": Entry("standard:LlavaNextAdapter", ("llava-hf/LLaVA-NeXT-Video-7B-hf",)),
    "llava_onevision": Entry("standard:LlavaOnevisionAdapter", ("llava-hf/llava-onevision-qwen2-7b-ov-hf",)),
    "mistral3": Entry("standard:Mistral3Adapter", ("mistralai/Mistral-Small-3.1-24B-Instruct-2503",)),
    "mllama": Entry(
        "mllama:MllamaAdapter",
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", "meta-llama/Llama-3.2-90B-Vision-Instruct"),
    ),
    "molmo2": Entry("standard:Molmo2Adapter", ("allenai/Molmo2-4B", "allenai/Molmo2-8B")),
    "ovis2": Entry("standard:Ovis2Adapter", ("thisisiron/Ovis2-1B-hf",)),
    "paligemma": Entry("gemma:PaliGemmaAdapter", ("google/paligemma2-3b-mix-224",)),
    "phi4_multimodal": Entry("phi4:Phi4MultimodalAdapter", ("microsoft/Phi-4-multimodal-instruct",)),
    "qwen2_vl": Entry("qwen:Qwen2VLAdapter", ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-7B-Instruct")),
    "qwen2_5_vl": Entry("qwen:Qwen25VLAdapter", ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct")),
    "qwen3_vl": Entry("qwen:Qwen3VLAdapter", ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-8B-Instruct")),
    "qwen3_vl_moe": Entry("qwen:Qwen3VLAdapter", ("Qwen/Qwen3-VL-30B-A3B-Instruct",)),
    "qwen3_5": Entry("qwen:Qwen35Adapter", ("Qwen/Qwen3.5-27B",)),
    "qwen3_5_moe": Entry("qwen:Qwen35Adapter", ("Qwen/Qwen3.5-35B-A3B",)),
    "smolvlm": Entry("standard:SmolVLMAdapter", ("HuggingFaceTB/SmolVLM2-2.2B-Instruct",)),
}
"""Model type, as in `config.json` -> adapter."""


GENERIC: Final = "generic:GenericAdapter"
"""Handles types without an adapter as far as possible; runs begin with a leak test."""


_registered: "dict[str, type[Adapter]]" = {}


def register(model_type: str, adapter: "type[Adapter]") -> None:
    """Register an adapter from outside this package for a `model_type`, for the lifetime of this process."""
    _registered[model_type] = adapter


def adapter_class(model_type: str, model: str) -> "type[Adapter]":
    """The adapter for a `model_type`; errors name `model`.

    Raises:
        ModelError: no adapter supports this type, and transformers has no vision-language model of it.
    """
    if model_type in _registered:
        return _registered[model_type]
    target = ADAPTERS[model_type].target if model_type in ADAPTERS else GENERIC
    if target == GENERIC and not _sees_pictures(model_type):
        message = (
            f"`{model}` has model type `{printable(model_type[:80])}`, which no adapter reads; "
            f"{suggestion(model_type[:80], ADAPTERS)} (docs/adding-a-model.md says how to add one, "
            "and data.write_run takes scores you computed yourself)"
        )
        raise ModelError(message)
    module, _, name = target.partition(":")
    found: type[Adapter] = getattr(import_module(f"pid_lvlm.extract.models.adapters.{module}"), name)
    return found


def refused(model_type: str, why: str) -> ModelError:
    """The error about a model that an untested adapter must not run; `why` completes "the general one …"."""
    if model_type in _registered:
        return ModelError(f"model type `{model_type}` is loaded by {_registered[model_type].__name__}, which {why}")
    near = [f"`{name}`" for name in near_names(model_type, ADAPTERS)]
    alike = f"similarly named types with one: {', '.join(near)}; " if near else ""
    return ModelError(
        f"model type `{model_type}` has no adapter, and the general one {why}; "
        f"{alike}docs/adding-a-model.md says how to write one"
    )


def _sees_pictures(model_type: str) -> bool:
    """Whether transformers itself has a model of this type that takes pictures and text and writes text."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
