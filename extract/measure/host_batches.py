"""What the processor made of batches, kept for the next checkpoint of a series, which has the same processor."""

from collections.abc import Sequence
from typing import Final

from accelerate.utils import recursively_apply

from pid_lvlm.extract.measure.encode import HostBatch
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

ROOM: Final = 2**30
"""Bytes of the host's memory that are used: 790 pictures of LLaVA-1.5, all of a small model's."""


class HostBatches:
    """Prepared batches, the first that fit, by their planned items. Their tensors must not be changed.

    Args:
        room: bytes of the host's memory.

    Attributes:
        open: whether further batches are kept.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._left = room
        self.open = False
        self._kept: dict[tuple[int, ...], tuple[Sequence[PlannedItem], HostBatch]] = {}

    def clear(self) -> None:
        """Keep nothing of what was made so far: the next model has another processor."""
        self._left = self._room
        self._kept.clear()

    def has(self, items: Sequence[PlannedItem]) -> bool:
        """Whether a batch of these very items is kept."""
        return _key(items) in self._kept

    def get(self, items: Sequence[PlannedItem]) -> HostBatch:
        """The batch of these items, which is kept."""
        return self._kept[_key(items)][1]

    def keep(self, items: Sequence[PlannedItem], host: HostBatch) -> None:
        """Keep a batch, if it fits."""
        size = _nbytes(host)
        if self.open and size <= self._left and not self.has(items):
            self._left -= size
            self._kept[_key(items)] = (tuple(items), host)  # the items too: their numbers are theirs while they live


def _key(items: Sequence[PlannedItem]) -> tuple[int, ...]:
    return tuple(map(id, items))


def _nbytes(host: HostBatch) -> int:
    sizes: list[int] = []
    recursively_apply(lambda tensor: sizes.append(tensor.nbytes), host.inputs)
    return sum(sizes)
