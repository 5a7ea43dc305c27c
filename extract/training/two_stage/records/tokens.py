"""Tokenises a formatted conversation, with masks that are exact to the token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.extract.training.two_stage.errors import RecipeError, RecordError
from pid_lvlm.extract.training.two_stage.records.forms import Writer, Written
from pid_lvlm.extract.training.two_stage.records.turns import Turn

IGNORED: Final = -100
"""Label of a token that is not predicted."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Tokens:
    """A tokenised conversation.

    Attributes:
        ids: token ids, shape (tokens,).
        answer: whether a token belongs to an answer and counts for the loss.
        asked: whether it belongs to the user's own text: the language span.
        picture: whether it is a position of the picture: the visual span.
    """

    ids: NDArray[np.int64]
    answer: Mask
    asked: Mask
    picture: Mask

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The id of each answer token, `IGNORED` elsewhere; models shift labels by one themselves."""
        return np.where(self.answer, self.ids, IGNORED)


def tokenise(turns: Sequence[Turn], write: Writer, processor: Any) -> Tokens:
    """Token ids of a conversation, with the picture still as one token.

    A token belongs to an answer if it contains characters of it: the space before an answer may be part of its first
    token, and is not predicted if it is a separate token.

    Raises:
        RecipeError: the tokenizer cannot say which characters a token stands for.
        RecordError: the text contains marks that the tokenizer reads as a picture.
    """
    written = write(turns, processor)
    tokenizer = processor.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise RecipeError("the model's tokenizer does not report token offsets; save it as tokenizer.json")
    bos = tokenizer.bos_token
    special = not (bos and written.text.startswith(bos))
    encoded = tokenizer(written.text, return_offsets_mapping=True, add_special_tokens=special)
    ids = np.array(encoded["input_ids"], np.int64)
    offsets = np.array(encoded["offset_mapping"], np.int64).reshape(-1, 2)
    picture = ids == tokenizer.convert_tokens_to_ids(processor.image_token)
    if picture.sum() != any(turn.picture for turn in turns):
        raise RecordError(f"its text contains {processor.image_token}, which stands for a picture")
    return Tokens(ids, *_masks(written, offsets), picture)


def _masks(written: Written, offsets: NDArray[np.int64]) -> tuple[Mask, Mask]:
    first, last = offsets[:, 0], offsets[:, 1]

    def inside(spans: tuple[tuple[int, int], ...]) -> Mask:
        mask = np.zeros(len(offsets), bool)
        for start, stop in spans:
            mask |= (first < stop) & (last > start) & (last > first)
        return mask

    return inside(written.answers), inside(written.asked)


def with_picture(tokens: Tokens, block: Sequence[int], places: Mask) -> Tokens:
    """The conversation with the tokens of its picture in place of the placeholder.

    Args:
        tokens: a conversation with one placeholder.
        block: ids that the processor writes for the picture.
        places: which of them are filled by the picture's features.
    """
    (at,) = np.flatnonzero(tokens.picture)

    def spliced(values: NDArray[Any], middle: Any) -> NDArray[Any]:
        return np.concatenate([values[:at], np.broadcast_to(middle, len(block)), values[at + 1 :]])

    return Tokens(
        spliced(tokens.ids, np.array(block, np.int64)),
        spliced(tokens.answer, False),
        spliced(tokens.asked, False),
        spliced(tokens.picture, places),
    )


def truncated(tokens: Tokens, most: int) -> Tokens:
    """The first tokens of a conversation.

    Raises:
        RecordError: they contain no part of an answer.
    """
    cut = Tokens(tokens.ids[:most], tokens.answer[:most], tokens.asked[:most], tokens.picture[:most])
    if not cut.answer.any():
        message = (
            f"its first {most:,} of {len(tokens):,} tokens do not reach an answer; shorten it or raise `max_length`"
        )
        raise RecordError(message)
    return cut
