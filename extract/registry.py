"""Which adapter reads which `model_type`. Adapters are imported only when asked for, since they import torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from extract.errors import ModelError, suggestion

if TYPE_CHECKING:
    from extract.adapters.base import Adapter


@dataclass(frozen=True)
class Entry:
    """An adapter as `module:Class`, and checkpoints it reads."""

    target: str
    examples: tuple[str, ...]


ADAPTERS: Final[dict[str, Entry]] = {
    "llava": Entry(
        "extract.adapters.llava:LlavaAdapter",
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-13b-hf"),
    ),
    "cambrian_llama": Entry(
        "extract.adapters.cambrian:CambrianAdapter",
        ("nyu-visionx/cambrian-8b", "nyu-visionx/cambrian-13b", "nyu-visionx/cambrian-34b"),
    ),
    "fuyu": Entry("extract.adapters.fuyu:FuyuAdapter", ("adept/fuyu-8b",)),
    "instructblip": Entry(
        "extract.adapters.instructblip:InstructBlipAdapter",
        (
            "Salesforce/instructblip-vicuna-7b",
            "Salesforce/instructblip-vicuna-13b",
            "Salesforce/instructblip-flan-t5-xl",
            "Salesforce/instructblip-flan-t5-xxl",
        ),
    ),
    "mllama": Entry(
        "extract.adapters.mllama:MllamaAdapter",
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", "meta-llama/Llama-3.2-90B-Vision-Instruct"),
    ),
    "qwen2_vl": Entry(
        "extract.adapters.qwen:Qwen2VLAdapter", ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-7B-Instruct")
    ),
    "qwen2_5_vl": Entry(
        "extract.adapters.qwen:Qwen25VLAdapter", ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct")
    ),
    "qwen3_vl": Entry(
        "extract.adapters.qwen:Qwen3VLAdapter", ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-8B-Instruct")
    ),
    "qwen3_vl_moe": Entry("extract.adapters.qwen:Qwen3VLAdapter", ("Qwen/Qwen3-VL-30B-A3B-Instruct",)),
}


def adapter_class(model_type: str, model: str) -> "type[Adapter]":
    """The adapter of a `model_type`; `model` is named in the message if there is none.

    Raises:
        ModelError: no adapter reads this type.
    """
    if model_type not in ADAPTERS:
        message = (
            f"`{model}` has model type `{model_type}`, which no adapter reads; "
            f"{suggestion(model_type, ADAPTERS)}. docs/adding-a-model.md says how to add one, "
            "and data.write_run takes scores you computed yourself"
        )
        raise ModelError(message)
    module, _, name = ADAPTERS[model_type].target.partition(":")
    found: type[Adapter] = getattr(import_module(module), name)
    return found
