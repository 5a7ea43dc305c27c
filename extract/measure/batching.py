"""How many items go through a model at once: as the options say, and fewer once memory has run out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from pid_lvlm.extract.measure.ahead import Outcome, prepared_ahead
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches

Items = Sequence[PlannedItem]
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")

OTHER_NAMES: Final = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
"""How CUDA, its libraries and allocators other than torch's report a lack of memory."""


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A batch that was measured.

    Attributes:
        group: index of the group of its items.
        indices: indices of its items in that group.
        result: what `work` returned for them.
    """

    group: int
    indices: tuple[int, ...]
    result: Result


class Batching:
    """Forms the batches of a model's runs, has them prepared, and halves them when a device runs out of memory.

    The smaller size then stays in effect, so one object should handle all runs of a model.

    Args:
        rows: maximum number of items per batch.
        tokens: maximum number of positions per batch, padding included; a longer item forms a batch by itself. None for
            no limit.
        workers: number of processes that prepare batches while others are computed.
        by_picture: whether items about one picture are measured together.
        note: called once when memory runs out, with the new batch size.
    """

    def __init__(
        self,
        rows: int,
        tokens: int | None = None,
        workers: int = 0,
        by_picture: bool = False,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.rows = rows
        self.tokens = tokens
        self.workers = workers
        self.by_picture = by_picture
        self._note = note
        self._failed: tuple[int, int] | None = None

    def each(
        self,
        groups: Sequence[Sequence[PlannedItem]],
        prepare: Callable[[Items], Prepared],
        work: Callable[[Items, Prepared], Result],
    ) -> Iterator[Done[Result]]:
        """Pass every item to `work` once, in batches within a group, one group after the other.

        Args:
            groups: items, such as those of each shard.
            prepare: work on a batch that can be done ahead, without the device.
            work: called with a batch and what was prepared for it; called again with some of its items if memory ran
                out.

        Yields:
            What `work` returned for each batch.

        Raises:
            torch.OutOfMemoryError: a single item is too large; or a library's own error for that.
        """
        left = [list(range(len(group))) for group in groups]
        while any(left):
            formed = [
                (number, batch) for number, group in enumerate(groups) for batch in self._formed(group, left[number])
            ]
            parts = [[groups[number][index] for index in batch] for number, batch in formed]
            with closing(prepared_ahead(parts, prepare, self.workers)) as stream:
                for (number, batch), part in zip(formed, parts, strict=True):
                    done = self._attempt(part, stream, work)
                    if done is None:
                        break
                    self._say_what_fits()
                    left[number] = sorted({*left[number]} - {*batch})
                    yield Done(number, batch, done[0])
            if any(left):
                clear_device_cache(garbage_collection=True)

    def _formed(self, group: Sequence[PlannedItem], left: Sequence[int]) -> list[tuple[int, ...]]:
        rest = [group[index] for index in left]
        formed = batches(rest, self.rows, self.tokens, by_picture=self.by_picture)
        return [tuple(left[place] for place in batch) for batch in formed]

    def _attempt(
        self, batch: Items, stream: Iterator[Outcome[Prepared]], work: Callable[[Items, Prepared], Result]
    ) -> tuple[Result] | None:
        """The result, or None if memory ran out. The error ends here: its traceback holds every tensor of the pass."""
        try:
            return (work(batch, next(stream).get()),)
        except Exception as error:
            if len(batch) == 1 or not out_of_memory(error):
                raise
        self._halve(batch)
        return None

    def _halve(self, batch: Items) -> None:
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
            f"out of memory at batches of {rows} samples of up to {longest} tokens; continuing with at most {fits} per "
            f"batch ({option} starts there)"
        )


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, says that a device or the host is out of memory."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        if isinstance(error, RuntimeError) and should_reduce_batch_size(RuntimeError(_as_known(str(error)))):
            return True
        error = error.__cause__
    return False


def _as_known(text: str) -> str:
    """The text of an error, with accelerate's marker if part of torch reports a lack of memory in other words."""
    return f"{text} out of memory." if any(name in text for name in OTHER_NAMES) else text
