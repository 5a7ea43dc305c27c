"""The prompts that Cambrian-1 was trained with, selected by the special tokens of its language models."""

from dataclasses import dataclass
from typing import Any, Final

IMAGE_TOKEN: Final = "<image>"


@dataclass(frozen=True)
class Template:
    """The text around the user's turn.

    Attributes:
        marker: special token that only tokenizers of this kind have; empty for the fallback.
        before: text up to the user's turn.
        after: text from its end to the start of the answer.
    """

    marker: str
    before: str
    after: str


ABILITIES: Final = (
    "As a multimodal AI, you have the ability to process and analyze images. Whenever an image is present in the "
    "conversation, very carefully examine it and consider its content when formulating your response."
)
LENGTH: Final = (
    "You should give concise responses to very simple questions, but provide thorough responses to more complex and "
    "open-ended questions."
)
NAME: Final = "You are Cambrian, a highly intelligent multimodal AI trained by NYU Vision X."

TEMPLATES: Final = (
    Template(  # Llama-3, `llama_v3`: 8b
        marker="<|start_header_id|>",
        before=(
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>"
            f"{NAME} \n    {ABILITIES}\n    {LENGTH} <|eot_id|><|start_header_id|>user<|end_header_id|>"
        ),
        after="<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
    ),
    Template(  # Hermes-2-Yi, `chatml_direct`: 34b
        marker="<|im_start|>",
        before=f"<|im_start|>system\n{NAME} {ABILITIES} {LENGTH}<|im_end|><|im_start|>user\n",
        after="<|im_end|><|im_start|>assistant\n",
    ),
    Template(  # Vicuna, `vicuna_v1`: 13b
        marker="",
        before=(
            "A chat between a curious user and an artificial intelligence assistant. "
            "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
        ),
        after=" ASSISTANT:",
    ),
)


def template_of(tokenizer: Any) -> Template:
    """The template for a checkpoint with this tokenizer."""
    known = tokenizer.get_vocab()
    return next(template for template in TEMPLATES if not template.marker or template.marker in known)
