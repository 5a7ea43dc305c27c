"""Batches encoded in the pass for the noise statistics, kept for the pass that measures them."""

from collections.abc import Sequence
from typing import Final

import torch

from pid_lvlm.extract.measure.encode import Batch
from pid_lvlm.extract.measure.host_batches import HostBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

ROOM: Final = 2**30
"""Bytes of host memory to use: 150 samples of LLaVA-1.5-7B in 16 bits, all samples of a small model."""


class KeptBatches:
    """Encoded batches by their sample ids, keeping the first that fit; each can be taken once.

    Nothing is kept for a model spread over several devices, whose parts expect inputs on their own device.

    Args:
        adapter: the model.
        room: bytes of host memory.
        series: processor outputs for the same items from an earlier checkpoint, kept for the next one.
    """

    def __init__(self, adapter: Adapter, room: int = ROOM, series: HostBatches | None = None) -> None:
        self.series = series
        places = getattr(adapter.model, "hf_device_map", None) or {}
        self._left = room if len({str(place) for place in places.values()}) < 2 else 0
        self._device = adapter.device
        self._batches: dict[tuple[str, ...], Batch] = {}

    def keep(self, batch: Batch) -> None:
        """Keep a batch on the host, if it fits."""
        size = batch.nbytes
        if size <= self._left:
            self._left -= size
            self._batches[batch.ids] = batch.to(torch.device("cpu"))

    def has(self, items: Sequence[PlannedItem]) -> bool:
        """Whether a batch of these items is kept."""
        return _ids(items) in self._batches

    def take(self, items: Sequence[PlannedItem]) -> Batch | None:
        """Take the batch of these items, moved to the model's device, if it is kept."""
        batch = self._batches.pop(_ids(items), None)
        if batch is None:
            return None
        self._left += batch.nbytes
        return batch.to(self._device)


def _ids(items: Sequence[PlannedItem]) -> tuple[str, ...]:
    return tuple(planned.item.id for planned in items)
