"""How many items go through a model at once: what the options ask for, and less once memory has run out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches

Result = TypeVar("Result")

OTHER_NAMES: Final = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
"""How CUDA, its libraries and allocators other than torch's say that memory ran out."""


class Batching:
    """Forms the batches of a model's runs, and halves them when a device runs out of memory.

    The smaller size holds from then on, so one object should see all runs of a model.

    Args:
        rows: items of a batch, at most.
        tokens: positions of a batch, padding included, at most; an item with more of them is a batch by itself. None
            for any number.
        note: told once that memory ran out and how large batches are now.
    """

    def __init__(self, rows: int, tokens: int | None = None, note: Callable[[str], None] = lambda _: None) -> None:
        self.rows = rows
        self.tokens = tokens
        self._note = note
        self._failed: tuple[int, int] | None = None

    def each(
        self, items: Sequence[PlannedItem], work: Callable[[Sequence[PlannedItem]], Result]
    ) -> Iterator[tuple[tuple[int, ...], Result]]:
        """Give every item to `work` once, in batches.

        Args:
            items: the items.
            work: what to do with a batch. It may be called again with some of its items if memory ran out.

        Yields:
            Indices of a batch's items, and what `work` made of them.

        Raises:
            torch.OutOfMemoryError: one item is too much; or the error by which a library says so.
        """
        waiting = self._formed(items, range(len(items)))
        while waiting:
            indices = waiting.popleft()
            done = self._attempt([items[index] for index in indices], work)
            if done is None:
                clear_device_cache(garbage_collection=True)
                waiting = self._formed(items, chain(indices, *waiting))
                continue
            self._say_what_fits()
            yield indices, done[0]

    def _formed(self, items: Sequence[PlannedItem], indices: Iterable[int]) -> deque[tuple[int, ...]]:
        left = list(indices)
        formed = batches([items[index] for index in left], self.rows, self.tokens)
        return deque(tuple(left[place] for place in batch) for batch in formed)

    def _attempt(
        self, batch: Sequence[PlannedItem], work: Callable[[Sequence[PlannedItem]], Result]
    ) -> tuple[Result] | None:
        """The result, or None if memory ran out. The error ends here: its traceback holds every tensor of the pass."""
        try:
            return (work(batch),)
        except Exception as error:
            if len(batch) == 1 or not out_of_memory(error):
                raise
        self._halve(batch)
        return None

    def _halve(self, batch: Sequence[PlannedItem]) -> None:
        longest = max(planned.length for planned in batch)
        self._failed = self._failed or (len(batch), longest)
        if self.tokens is None:
            self.rows = len(batch) // 2
        else:
            self.tokens = len(batch) * longest // 2

    def _say_what_fits(self) -> None:
        if self._failed is None:
            return
        rows, longest = self._failed
        self._failed = None
        if self.tokens is None:
            fits, option = f"{self.rows}", f"--batch-size {self.rows}"
        else:
            fits, option = f"{self.tokens} tokens", f"--batch-tokens {self.tokens}"
        self._note(
            f"out of memory at batches of {rows} samples of up to {longest} tokens; goes on with at most {fits} per "
            f"batch ({option} starts there)"
        )


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that a device or the host has no more memory."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        if isinstance(error, RuntimeError) and should_reduce_batch_size(RuntimeError(_as_known(str(error)))):
            return True
        error = error.__cause__
    return False


def _as_known(text: str) -> str:
    """The text of an error, with accelerate's mark if a part of torch calls a lack of memory by another name."""
    return f"{text} out of memory." if any(name in text for name in OTHER_NAMES) else text
