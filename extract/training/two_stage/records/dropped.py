"""Which span of each record modality dropout replaces, every time that the record comes up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.extract.training.two_stage.records.order import Indices, spread

NOT_DROPPED, DROP_PICTURE, DROP_TEXT = 0, 1, 2
"""Spans that modality dropout replaces, as numbers."""


def dropped_spans(order: Indices, pictured: NDArray[np.bool_], share: float, seed: int) -> NDArray[np.int8]:
    """The span to replace at every position of a training.

    The choice is systematic (`order.spread`) instead of independent: of any run of neighbouring records in the file,
    half of `share` lose their picture, to within a few records, and as many their text, in the whole pass as in any
    run of its steps. If the file is sorted by kind of record, those seen with one source have its frequencies.

    Args:
        order: record at each position, shape (positions,).
        pictured: whether a record has a picture, shape (records,).
        share: share of the records with a picture in which a span is replaced.
        seed: seed of the choice.

    Returns:
        `NOT_DROPPED`, `DROP_PICTURE` or `DROP_TEXT`, shape (positions,).
    """
    turns = _turns(order)
    drawn = np.empty(len(order))
    for turn in range(turns.max(initial=-1) + 1):
        now = turns == turn
        drawn[now] = spread(len(pictured), seed, turn)[order[now], 1]
    spans = np.where(drawn < share / 2, DROP_PICTURE, np.where(drawn < share, DROP_TEXT, NOT_DROPPED))
    return np.where(pictured[order], spans, NOT_DROPPED).astype(np.int8)


def _turns(order: Indices) -> Indices:
    """How often the record of each position came up before."""
    by_record = np.argsort(order, kind="stable")
    ordered = order[by_record]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    turns = np.empty_like(order)
    turns[by_record] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return turns
