"""Processor outputs of batches, kept for the next checkpoint of a series, which has the same processor."""

from collections.abc import Sequence
from typing import Final

from accelerate.utils import recursively_apply

from pid_lvlm.extract.measure.encode import HostBatch
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

ROOM: Final = 2**30
"""Bytes of host memory to use: 790 pictures of LLaVA-1.5, all pictures of a small model."""


class HostBatches:
    """Prepared batches by their planned items, keeping the first that fit. Their tensors must not be modified.

    Args:
        room: bytes of host memory.

    Attributes:
        open: whether more batches are kept.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._left = room
        self.open = False
        self._kept: dict[tuple[int, ...], tuple[Sequence[PlannedItem], HostBatch]] = {}

    def clear(self) -> None:
        """Discard everything: the next model has another processor."""
        self._left = self._room
        self._kept.clear()

    def has(self, items: Sequence[PlannedItem]) -> bool:
        """Whether a batch of exactly these items is kept."""
        return _key(items) in self._kept

    def get(self, items: Sequence[PlannedItem]) -> HostBatch:
        """The kept batch of these items."""
        return self._kept[_key(items)][1]

    def keep(self, items: Sequence[PlannedItem], host: HostBatch) -> None:
        """Keep a batch, if it fits."""
        size = _nbytes(host)
        if self.open and size <= self._left and not self.has(items):
            self._left -= size
            self._kept[_key(items)] = (tuple(items), host)  # the items too: their ids stay unique while they live


def _key(items: Sequence[PlannedItem]) -> tuple[int, ...]:
    return tuple(map(id, items))


def _nbytes(host: HostBatch) -> int:
    sizes: list[int] = []
    recursively_apply(lambda tensor: sizes.append(tensor.nbytes), host.inputs)
    return sum(sizes)
