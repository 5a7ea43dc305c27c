"""All records of a stage: checked before training starts, then served in the order of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pid_lvlm.data.command.shown import count, shown_path
from pid_lvlm.extract.training.two_stage.errors import DataError, RecordError
from pid_lvlm.extract.training.two_stage.records.dropped import DROP_PICTURE, DROP_TEXT, NOT_DROPPED, dropped_spans
from pid_lvlm.extract.training.two_stage.records.encoding import Encoder, Example
from pid_lvlm.extract.training.two_stage.records.order import Indices
from pid_lvlm.extract.training.two_stage.records.record_file import RecordFile
from pid_lvlm.extract.training.two_stage.records.tokens import IGNORED

LISTED: Final = 8
"""Maximum number of bad records described in a message."""
KEPT_BYTES: Final = 2**29
"""Memory, per process, for prepared examples that another pass will need again."""
SPANS: Final = ("spans", "dropped", "places", "sources")
"""Entries of a batch for modality dropout, not for the model."""


@dataclass(frozen=True)
class StageData:
    """The usable records of a stage.

    Attributes:
        file: the file.
        encoder: makes model inputs from a record.
        rows: indices of the usable records in the file, shape (records,); the arrays below have the same shape.
        lengths: number of tokens, including the picture's.
        pictured: whether the record has a picture.
        answers: number of tokens that count for the loss.
        source: index of the record's source in `sources`.
        sources: names of the sources distinguished by the recipe's `noise_by`; one if it is not set.
        bad: number of records left out.
    """

    file: RecordFile
    encoder: Encoder
    rows: Indices
    lengths: Indices
    pictured: NDArray[np.bool_]
    answers: Indices
    source: Indices
    sources: tuple[str, ...] = ("",)
    bad: int = 0

    def split(self, held_out: int, seed: int) -> tuple[StageData, StageData | None]:
        """The records to train on and those to hold out, drawn with the seed.

        Raises:
            DataError: nothing would be left to train on.
        """
        if not held_out:
            return self, None
        if held_out >= len(self.rows):
            message = f"`{shown_path(self.file.path)}` has {count(len(self.rows), 'usable record')}"
            raise DataError(f"{message}; `held_out` of {held_out:,} leaves none to train on")
        drawn = np.zeros(len(self.rows), bool)
        drawn[np.random.default_rng([seed, len(self.rows)]).permutation(len(self.rows))[:held_out]] = True
        return self._only(~drawn), self._only(drawn)

    def _only(self, chosen: NDArray[np.bool_]) -> StageData:
        arrays = ("rows", "lengths", "pictured", "answers", "source")
        return replace(self, **{name: getattr(self, name)[chosen] for name in arrays})


def check_data(encoder: Encoder, progress: Callable[[int, int], None] = lambda done, total: None) -> StageData:
    """Check every record of a stage.

    Args:
        encoder: the stage's encoder.
        progress: called with the numbers of checked and of all records.

    Raises:
        DataError: a record is bad and the recipe does not say to skip it, or none is usable.
    """
    file = RecordFile(Path(encoder.stage.data))
    found: list[tuple[int, int, bool, int, int]] = []
    sources: dict[str, int] = {}
    faults: list[str] = []
    for index in range(len(file)):
        try:
            raw = file[index]
            checked = encoder.check(raw)
            found.append((index, *checked, sources.setdefault(encoder.source(raw), len(sources))))
        except RecordError as error:
            faults.append(f"record {index}: {error}" if len(faults) < LISTED else "")
        if index % 100 == 0:
            progress(index, len(file))
    progress(len(file), len(file))
    if faults and (encoder.stage.on_bad == "error" or not found):
        raise DataError(_sentence(file.path, faults, len(file)))
    rows, lengths, pictured, answers, source = np.array(found, np.int64).reshape(-1, 5).T
    return StageData(file, encoder, rows, lengths, pictured > 0, answers, source, tuple(sources), len(faults))


def _sentence(path: Path, faults: Sequence[str], total: int) -> str:
    if len(faults) == 1:
        return f"`{shown_path(path)}`, {faults[0]}"
    head = f"`{shown_path(path)}`: {len(faults):,} of {count(total, 'record')} cannot be used"
    more = [f"… and {len(faults) - LISTED:,} more"] if len(faults) > LISTED else []
    end = ['repair the file, or set `on_bad = "skip"` in the recipe to leave them out']
    return "\n  - ".join([head, *faults[:LISTED], *more, *end])


class InOrder(Dataset[dict[str, Any]]):
    """All positions of a training in order: one pass over this dataset is the whole stage.

    Args:
        data: the records.
        order: the record at each position.
        dropout: share of the records with a picture in which one span is replaced by noise.
        seed: seed of that choice, and of the noise.
        systematic: whether the spans are spread evenly over neighbours in the file.
        again: whether this dataset is read more than once.
    """

    def __init__(
        self,
        data: StageData,
        order: Indices,
        dropout: float = 0.0,
        seed: int = 0,
        *,
        systematic: bool = False,
        again: bool = False,
    ) -> None:
        self.data, self.order, self.dropout, self.seed = data, order, dropout, seed
        self._systematic = dropped_spans(order, data.pictured, dropout, seed) if systematic and dropout else None
        self._kept: dict[int, Example] = {}
        self._room = KEPT_BYTES if again or len(order) > len(data.rows) else 0

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Prepare the examples of a device's share of a step together."""
        records = [int(self.order[place]) for place in places]
        examples = self._examples([int(self.data.rows[record]) for record in records])
        return [
            {"example": one, "place": place, "dropped": self._dropped(place, one), "source": int(self.data.source[at])}
            for place, at, one in zip(places, records, examples, strict=True)
        ]

    def _examples(self, rows: Sequence[int]) -> list[Example]:
        """Examples for records; a stage whose examples fit into `KEPT_BYTES` is prepared once for all passes."""
        new = [row for row in dict.fromkeys(rows) if row not in self._kept]
        found = dict(zip(new, self._encoded(new), strict=True))
        for row, example in found.items():
            if self._room >= example.nbytes:
                self._room -= example.nbytes
                self._kept[row] = example
        return [found[row] if row in found else self._kept[row] for row in rows]

    def _encoded(self, rows: Sequence[int]) -> list[Example]:
        encode, file = self.data.encoder.encode, self.data.file
        try:
            return encode([file[row] for row in rows])
        except RecordError:  # a picture damaged after its header, or a file that has changed
            for row in rows:
                try:
                    encode([file[row]])
                except RecordError as error:
                    raise DataError(f"`{shown_path(file.path)}`, record {row}: {error}") from None
            raise

    def _dropped(self, place: int, example: Example) -> int:
        if self._systematic is not None:
            return int(self._systematic[place])
        if not self.dropout or not example.picture:
            return NOT_DROPPED
        drawn, which = np.random.default_rng([self.seed, place]).random(2)
        return NOT_DROPPED if drawn >= self.dropout else DROP_PICTURE if which < 0.5 else DROP_TEXT


class Collator:
    """Collates the examples of a device's share of a step into tensors, padded on the right.

    Args:
        pad: id of the padding token.
        fillers: padding values of inputs with one entry per token.
        blank: example added to a text-only share, if given.
        spans: whether the spans are needed, for modality dropout.
    """

    def __init__(self, pad: int, fillers: dict[str, int], blank: Example | None = None, *, spans: bool = False) -> None:
        self.pad, self.fillers, self.blank, self.spans = pad, fillers, blank, spans

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Inputs for the model, and the entries of `SPANS` for modality dropout."""
        examples = [item["example"] for item in items]
        if self.blank is not None and not any(example.picture for example in examples):
            examples.append(self.blank)
        width = max(len(example.tokens) for example in examples)
        batch = {
            "input_ids": _padded([torch.from_numpy(example.tokens.ids) for example in examples], width, self.pad),
            "labels": _padded([torch.from_numpy(example.tokens.labels) for example in examples], width, IGNORED),
            "attention_mask": _padded(
                [torch.ones(len(example.tokens), dtype=torch.long) for example in examples], width, 0
            ),
        }
        for name in dict.fromkeys(name for example in examples for name in example.by_token):
            filler = self.fillers[name]
            rows = [
                example.by_token.get(name, torch.full((len(example.tokens),), filler)).long() for example in examples
            ]
            batch[name] = _padded(rows, width, filler)
        pictures = [example.picture for example in examples if example.picture]
        for name in pictures[0] if pictures else ():
            batch[name] = _joined(name, [picture[name] for picture in pictures])
        if self.spans:
            batch |= self._spans(items, examples, width)
        return batch

    def _spans(self, items: Sequence[dict[str, Any]], examples: Sequence[Example], width: int) -> dict[str, Tensor]:
        spans = [
            torch.from_numpy(DROP_PICTURE * example.tokens.picture + DROP_TEXT * example.tokens.asked).long()
            for example in examples
        ]
        more = len(examples) - len(items)
        return {
            "spans": _padded(spans, width, 0),
            "dropped": torch.tensor([item["dropped"] for item in items] + [0] * more),
            "places": torch.tensor([item["place"] for item in items] + [0] * more),
            "sources": torch.tensor([item["source"] for item in items] + [0] * more),
        }


def _padded(rows: Sequence[Tensor], width: int, filler: int) -> Tensor:
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row)), value=filler) for row in rows])


def _joined(name: str, values: Sequence[Tensor]) -> Tensor:
    if len({value.shape[1:] for value in values}) > 1:
        message = (
            f"the pictures of this step have `{name}` of different shapes, which this model's processor does not pad; "
            "set `device_batch = 1` in the recipe"
        )
        raise DataError(message)
    return torch.cat(list(values))
