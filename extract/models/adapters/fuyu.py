"""Fuyu: no vision tower; raw patches of the picture go through one linear layer into a Persimmon decoder."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from PIL import Image

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter, ModelInputs

ANSWER: Final = "<0x04>"
"""Token after which Fuyu answers; its processor writes it only if there is a picture."""


class FuyuAdapter(Adapter):
    """`FuyuForCausalLM`. A prompt is: rows of patches with row ends, BOS, the text, the answer token."""

    family: ClassVar[str] = "fuyu"
    shares_prefix: ClassVar[bool] = True
    norm: ClassVar[str] = "final_layernorm"

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        _check_tokens(model.config, processor)

    def render(self, text: str, *, picture: bool) -> str:
        """BOS, text and answer token; checkpoints have no chat template, and the picture comes first."""
        del picture
        return f"{self.tokenizer.bos_token}{text}\n{ANSWER}"

    def tokenize(self, prompts: Sequence[str]) -> list[list[int]]:
        """Tokenise BOS separately from the text, as the processor does, so that the text begins like any text."""
        bos = self.tokenizer.bos_token
        texts = [prompt.removeprefix(bos) for prompt in prompts]
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [[self.tokenizer.bos_token_id, *row] for row in ids]

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """The processor's layout of the pictures, followed by these prompts; left-padded.

        The processor gets no text, since it would rescale anything that looks like coordinates in a question.
        """
        rows = self.tokenize(prompts)
        if pictures is None:
            return dict(self.tokenizer.pad({"input_ids": rows}, return_tensors="pt"))
        batch = self.processor(
            text=[""] * len(prompts), images=list(pictures), return_legacy_image_output=False, return_tensors="pt"
        )
        self._check_inputs(dict(batch), {"input_ids", "attention_mask", *self.needed})
        layouts = (
            ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        )
        bos = self.tokenizer.bos_token_id
        rows = [layout[: layout.index(bos)] + row for layout, row in zip(layouts, rows, strict=True)]
        return {**self.tokenizer.pad({"input_ids": rows}, return_tensors="pt"), PIXELS: batch[PIXELS]}

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Project the patches once."""
        features = self.model.model.get_image_features(inputs[PIXELS].to(self.model.dtype), return_dict=True)
        rest = {name: value for name, value in inputs.items() if name != PIXELS}
        return {**rest, "mm_encoder_outputs": {"image": features}}


def _check_tokens(config: Any, processor: Any) -> None:
    tokenizer = processor.tokenizer
    if config.image_token_id != processor.image_token_id:
        message = (
            f"config.json gives the picture's token the id {config.image_token_id}, but the tokenizer has "
            f"{processor.image_token_id}; use tokenizer and weights of the same revision"
        )
        raise ModelError(message)
    answer = tokenizer.convert_tokens_to_ids(ANSWER)
    if tokenizer("x" + ANSWER, add_special_tokens=False)["input_ids"][-1] != answer:
        message = f"the tokenizer splits `{ANSWER}`, the token after which Fuyu answers; it must be a special token"
        raise ModelError(message)
