"""Rows of a batch that share a picture: prepared, encoded and started once for all of them.

In a family that shares prefixes, everything before the user's text is the same in every row of a picture. The first
such row is the leader: only leaders go through the processor and the vision part, and the other rows are assembled from
their leader's prefix and their own text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from pid_lvlm.extract.conditions.hooks import decoder_inputs
from pid_lvlm.extract.conditions.prefix import Begun, SharedPrefix
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

IDS: Final = "input_ids"
MASK: Final = "attention_mask"


@dataclass(frozen=True)
class Rows:
    """Rows of a batch by picture.

    Attributes:
        leaders: one row per picture.
        leader_of: for every row, the index of its picture's row in `leaders`.
        tails: for every row, its token ids from the user's text on.
    """

    leaders: tuple[int, ...]
    leader_of: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]


def rows_by_picture(adapter: Adapter, items: Sequence[PlannedItem]) -> Rows | None:
    """Which rows begin with the same picture; None if no two do, or if the family cannot use that."""
    if not adapter.can_share_prefix or len({planned.item.picture_key for planned in items}) == len(items):
        return None
    places: dict[Any, int] = {}
    leaders: list[int] = []
    leader_of: list[int] = []
    tails: list[tuple[int, ...]] = []
    for row, (planned, ids) in enumerate(zip(items, adapter.tokenize([p.prompt for p in items]), strict=True)):
        start = planned.span.bounds(len(ids))[0]
        beginning = (planned.item.picture_key, tuple(ids[:start]))
        if beginning not in places:
            places[beginning] = len(leaders)
            leaders.append(row)
        leader_of.append(places[beginning])
        tails.append(tuple(ids[start:]))
    if len(leaders) == len(items):
        return None
    return Rows(tuple(leaders), tuple(leader_of), tuple(tails))


def row_inputs(
    adapter: Adapter, rows: Rows, leaders: ModelInputs, starts: Sequence[int], visual: Tensor
) -> ModelInputs:
    """Model inputs of all rows, left-padded.

    Args:
        adapter: the model.
        rows: the rows.
        leaders: inputs of the leaders with their pictures encoded.
        starts: position of each leader's user text.
        visual: (leaders, tokens) positions of their pictures.

    Raises:
        ModelError: a leader does not end like its tokenised prompt, or its picture comes after its text.
    """
    ids, mask = leaders[IDS].tolist(), leaders[MASK].tolist()
    _check_leaders(rows, ids, starts, visual)
    length = max(
        starts[leader] - _padding(mask[leader]) + len(tail)
        for leader, tail in zip(rows.leader_of, rows.tails, strict=True)
    )
    names = [IDS, *(name for name in adapter.appended if name in leaders)]
    columns = {name: leaders[name].tolist() for name in names}
    made: dict[str, list[list[int]]] = {name: [] for name in names}
    for leader, tail in zip(rows.leader_of, rows.tails, strict=True):
        first, start = _padding(mask[leader]), starts[leader]
        for name in names:
            entries = list(tail) if name == IDS else [adapter.appended[name]] * len(tail)
            row = [*columns[name][leader][first:start], *entries]
            pad = adapter.tokenizer.pad_token_id if name == IDS else 0
            made[name].append([pad] * (length - len(row)) + row)
    tokens = {name: torch.tensor(made[name], dtype=leaders[name].dtype, device=leaders[name].device) for name in names}
    return {**adapter.repeat_pictures(leaders, visual.sum(dim=1).tolist(), rows.leader_of), **tokens}


def _check_leaders(rows: Rows, ids: Sequence[Sequence[int]], starts: Sequence[int], visual: Tensor) -> None:
    last = visual.int().cumsum(dim=1).argmax(dim=1).tolist()
    for row, sequence, start, picture in zip(rows.leaders, ids, starts, last, strict=True):
        if tuple(sequence[start:]) != rows.tails[row] or picture >= start:
            message = "rows of one picture do not begin alike; the model's adapter must not share prefixes"
            raise ModelError(message)


def _padding(mask: Sequence[int]) -> int:
    return mask.index(1)


@dataclass(frozen=True)
class Leaders:
    """The leaders of a batch, encoded.

    Attributes:
        inputs: their model inputs, pictures encoded.
        starts: position of each leader's user text.
        leader_of: for every row of the batch, the index of its leader.
    """

    inputs: ModelInputs
    starts: tuple[int, ...]
    leader_of: tuple[int, ...]


def begun_by_leaders(adapter: Adapter, leaders: Leaders, inputs: ModelInputs, common: int) -> Begun:
    """Keys and values of the positions before the text, shared by all rows and computed once per picture.

    Args:
        adapter: the model.
        leaders: one row per picture.
        inputs: model inputs of all rows.
        common: number of positions of the batch before any row's text.

    Raises:
        MisfitError: the forward does not reach the decoder.
    """
    with model_code(adapter):
        given = decoder_inputs(adapter.decoder, partial(adapter.forward, leaders.inputs, 1), adapter.hook_points)
        prefix = SharedPrefix(by_position=True)
        prefix.compute(adapter.decoder, given, max(leaders.starts))
    first = leaders.inputs[MASK].int().argmax(dim=1)
    own = inputs[MASK].int().argmax(dim=1)
    of = torch.tensor(leaders.leader_of, device=own.device)
    return Begun(prefix.rows(of, first[of] - own, common), common)
