"""Processes a placeholder and its picture without generating the same text again and again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.training.two_stage.errors import RecipeError

KEPT_SIZES: Final = 4096
"""Number of picture sizes whose text is cached."""
GREY: Final = Image.new("RGB", (64, 64), (128, 128, 128))
"""A blank picture."""


class PictureInputs:
    """Makes model inputs from pictures.

    The tokens that a processor writes for a picture depend on its size. The first picture whose size was seen before
    is processed both ways; if both give the same inputs, later ones only go through the image processor, batched by
    size, which is a small part of the work.

    Args:
        processor: the model's processor.
        nested: whether it expects a list of pictures per text.
        unused: outputs that the model does not take.
        by_token: outputs that belong to the text, with one entry per token.
    """

    def __init__(
        self, processor: Any, *, nested: bool = False, unused: Collection[str] = (), by_token: Collection[str] = ()
    ) -> None:
        self.processor, self.nested, self.unused = processor, nested, unused
        self.by_token = {"input_ids", "attention_mask", *by_token}
        self._texts: dict[tuple[int, int], dict[str, Tensor]] = {}
        self._size_decides: bool | None = None

    def __call__(self, pictures: Sequence[Image.Image]) -> list[dict[str, Tensor]]:
        """All inputs for every picture, including those for its placeholder's tokens."""
        found: dict[int, dict[str, Tensor]] = {}
        alike: dict[tuple[int, int], list[int]] = {}
        for place, picture in enumerate(pictures):
            if self._size_decides and picture.size in self._texts:
                alike.setdefault(picture.size, []).append(place)
            else:
                found[place] = self._learned(picture)
        for size, places in alike.items():
            parts = self._pixels([pictures[place] for place in places])
            found |= {place: self._texts[size] | part for place, part in zip(places, parts, strict=True)}
        return [found[place] for place in range(len(pictures))]

    def _learned(self, picture: Image.Image) -> dict[str, Tensor]:
        """Inputs from the whole processor, and what they tell about later pictures."""
        whole = self._whole(picture)
        text = self._texts.get(picture.size)
        if text is not None and self._size_decides is None:
            self._size_decides = self._agrees(whole, text, picture)
        elif len(self._texts) < KEPT_SIZES:
            self._texts[picture.size] = {name: value for name, value in whole.items() if name in self.by_token}
        return whole

    def _whole(self, picture: Image.Image) -> dict[str, Tensor]:
        text, images = [self.processor.image_token], self._given([picture])
        return self._used(self.processor(text=text, images=images, return_tensors="pt", add_special_tokens=False))

    def _pixels(self, pictures: Sequence[Image.Image]) -> list[dict[str, Tensor]]:
        """The image processor's outputs for pictures of one size, for each of them."""
        made = self._used(self.processor.image_processor(images=self._given(pictures), return_tensors="pt"))
        split = {name: value.reshape(len(pictures), -1, *value.shape[1:]) for name, value in made.items()}
        return [{name: value[place] for name, value in split.items()} for place in range(len(pictures))]

    def _given(self, pictures: Sequence[Image.Image]) -> list[Any]:
        return [[picture] for picture in pictures] if self.nested else list(pictures)

    def _used(self, made: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in made.items() if name not in self.unused}

    def _agrees(self, whole: dict[str, Tensor], text: dict[str, Tensor], picture: Image.Image) -> bool:
        try:
            found = [text | part for part in self._pixels([picture, picture])]
        except Exception:  # a processor whose parts do not work separately
            return False
        return all(
            parts.keys() == whole.keys() and all(_equal(parts[name], value) for name, value in whole.items())
            for parts in found
        )


def check_processor(adapter: Adapter) -> None:
    """Check that a model's processor can write the tokens of a picture separately from any text.

    Raises:
        RecipeError: it cannot, as in families whose vision part reads the question.
    """
    mark = getattr(adapter.processor, "image_token", None)
    why = "it names no placeholder"
    if isinstance(mark, str):
        try:
            PictureInputs(adapter.processor, nested=adapter.nested)([GREY])
        except Exception as error:  # anything a processor raises for an unknown form
            why = first_line(error)
        else:
            return
    message = (
        f"models of the family {adapter.family} cannot be trained here: their processor does not write the tokens of "
        f"a picture for its placeholder alone ({why}); docs/training.md names the families that can be"
    )
    raise RecipeError(message)


def _equal(one: Any, other: Any) -> bool:
    return (
        isinstance(one, Tensor) and isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    )
