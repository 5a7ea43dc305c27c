"""Turns a record into model inputs: tokens with their masks, and the processed picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pid_lvlm.extract.datasets.errors import RowError
from pid_lvlm.extract.datasets.images import open_picture, picture_size
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.training.two_stage.errors import RecordError
from pid_lvlm.extract.training.two_stage.recipe import StageRecipe
from pid_lvlm.extract.training.two_stage.records.forms import FORMS
from pid_lvlm.extract.training.two_stage.records.picture_inputs import GREY, PictureInputs
from pid_lvlm.extract.training.two_stage.records.tokens import Tokens, tokenise, truncated, with_picture
from pid_lvlm.extract.training.two_stage.records.turns import Conversation, Turn, read_conversation

KEPT_TEXTS: Final = 4096
"""Number of tokenised conversations to cache: benchmark-style questions recur with other pictures."""


@dataclass(frozen=True)
class Example:
    """One conversation as model input.

    Attributes:
        tokens: its tokens, including the picture's positions.
        by_token: other inputs with one entry per token, each of shape (tokens,).
        picture: other inputs for the picture; their first axis counts pictures or patches.
    """

    tokens: Tokens
    by_token: dict[str, Tensor] = field(default_factory=dict)
    picture: dict[str, Tensor] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory used by its arrays."""
        arrays = (self.tokens.ids, self.tokens.answer, self.tokens.asked, self.tokens.picture)
        tensors = (*self.by_token.values(), *self.picture.values())
        return sum(array.nbytes for array in arrays) + sum(tensor.nbytes for tensor in tensors)


class Encoder:
    """Encodes the records of one stage with the processor of a model.

    Args:
        adapter: the model with its processor.
        stage: the stage, which defines format and lengths.
    """

    def __init__(self, adapter: Adapter, stage: StageRecipe) -> None:
        self.processor = adapter.processor
        self.fillers = {name: value for name, value in adapter.appended.items() if name != "attention_mask"}
        self.process = PictureInputs(
            adapter.processor, nested=adapter.nested, unused=adapter.unused, by_token=self.fillers
        )
        self.stage = stage
        self._adapter = adapter
        self._counts: dict[tuple[int, int], int | None] = {}
        self._forecast_holds: bool | None = None
        self._tokenised: dict[tuple[Turn, ...], Tokens] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without the model, which workers do not need."""
        return {**self.__dict__, "_adapter": None}

    def read(self, raw: Any) -> Conversation:
        """A record's conversation.

        Raises:
            RecordError: something is wrong with it.
        """
        return read_conversation(raw, Path(self.stage.images or "."))

    def check(self, raw: Any) -> tuple[int, bool, int]:
        """Check everything about a record except the pixels of its picture.

        Returns:
            Its number of tokens, whether it has a picture, and the number of tokens of its answers.

        Raises:
            RecordError: says what is wrong.
        """
        conversation = self.read(raw)
        tokens = self._tokens(conversation)
        if conversation.picture is not None:
            places = self._picture_tokens(conversation.picture)
            if len(tokens) - 1 + places <= self.stage.max_length:
                return len(tokens) - 1 + places, True, int(tokens.answer.sum())
            tokens = with_picture(tokens, [0] * places, np.ones(places, bool))
        tokens = self._fitting(tokens)
        return len(tokens), conversation.picture is not None, int(tokens.answer.sum())

    def encode(self, raws: Sequence[Any]) -> list[Example]:
        """Records as model inputs.

        Raises:
            RecordError: something is wrong with one of them.
        """
        conversations = [self.read(raw) for raw in raws]
        sources = [one.picture for one in conversations if one.picture is not None]
        made = iter(self.process([self._decode(source) for source in sources]))
        examples = []
        for conversation in conversations:
            tokens = self._tokens(conversation)
            if conversation.picture is None:
                examples.append(self._example(self._fitting(tokens), None))
            else:
                examples.append(self._example(tokens, next(made)))
        return examples

    def source(self, raw: Any) -> str:
        """Name of a record's source, which determines its noise statistics.

        Raises:
            RecordError: the record does not have the field that `noise_by` names.
        """
        name = self.stage.noise_by
        if name is None:
            return ""
        if not isinstance(raw.get(name), str):
            raise RecordError(
                f"should have the name of its source in `{name}`, which `noise_by` of the recipe asks for"
            )
        return str(raw[name])

    def _tokens(self, conversation: Conversation) -> Tokens:
        """Tokens of a conversation; repeated texts are tokenised once."""
        known = self._tokenised.get(conversation.turns)
        if known is not None:
            return known
        if len(self._tokenised) >= KEPT_TEXTS:
            self._tokenised.clear()
        made = tokenise(conversation.turns, FORMS[self.stage.conversation], self.processor)
        return self._tokenised.setdefault(conversation.turns, made)

    def blank(self) -> Example:
        """A conversation about a grey picture with nothing to predict.

        It is added if a device's share is text only, so that the weights that process pictures have a gradient of 0
        instead of none, whatever the number of devices.
        """
        mark = self.processor.tokenizer.convert_tokens_to_ids(self.processor.image_token)
        nothing, here = np.zeros(1, bool), np.ones(1, bool)
        alone = Tokens(np.array([mark], np.int64), nothing, nothing, here)
        return self._example(alone, self.process([GREY])[0])

    def _example(self, tokens: Tokens, made: dict[str, Tensor] | None) -> Example:
        if made is None:
            return Example(tokens)
        block = made["input_ids"][0].tolist()
        (at,) = np.flatnonzero(tokens.picture).tolist()
        mark = self.processor.tokenizer.convert_tokens_to_ids(self.processor.image_token)
        whole = with_picture(tokens, block, np.array(block) == mark)
        kept = self._fitting(whole, at + len(block))
        by_token: dict[str, Tensor] = {}
        for name in made.keys() & self.fillers.keys():
            row = torch.full((len(whole),), self.fillers[name], dtype=made[name].dtype)
            row[at : at + len(block)] = made[name][0]
            by_token[name] = row[: len(kept)]
        apart = self.process.by_token
        return Example(kept, by_token, {name: value for name, value in made.items() if name not in apart})

    def _fitting(self, tokens: Tokens, picture_end: int | None = None) -> Tokens:
        """The tokens, checked or truncated to the stage's length."""
        most = self.stage.max_length
        if len(tokens) <= most:
            return tokens
        if self.stage.too_long == "bad":
            message = (
                f"has {len(tokens):,} tokens; at most {most:,} are allowed: raise `max_length`, "
                'or set `too_long = "truncate"`'
            )
            raise RecordError(message)
        end = int(np.flatnonzero(tokens.picture).max(initial=-1)) + 1 if picture_end is None else picture_end
        if end > most:
            raise RecordError(f"its picture ends at token {end:,}, after the {most:,} of `max_length`; raise it")
        return truncated(tokens, most)

    def _picture_tokens(self, source: Path | bytes) -> int:
        """Number of tokens that a picture will fill, from the size in its header if that is enough."""
        size = picture_size(source)
        if size is None:
            self._decode(source)
            raise RecordError("its picture cannot be read")
        if size not in self._counts:
            forecasts = self._adapter.expected_picture_tokens([size])
            forecast = forecasts[0] if forecasts else None
            if forecast is not None and self._forecast_holds is None:
                self._forecast_holds = forecast == self._measured(source)
            self._counts[size] = forecast if self._forecast_holds else None
        known = self._counts[size]
        return known if known is not None else self._measured(source)

    def _measured(self, source: Path | bytes) -> int:
        return len(self.process([self._decode(source)])[0]["input_ids"][0])

    @staticmethod
    def _decode(source: Path | bytes) -> Image.Image:
        try:
            return open_picture(source)
        except RowError as error:
            raise RecordError(str(error)) from None
