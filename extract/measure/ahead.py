"""Batches prepared ahead of the device: pictures are decoded and processed by other processes while it computes."""

import os
import pickle
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.with_parent import end_with_parent

Given = TypeVar("Given")
Made = TypeVar("Made")

AHEAD: Final = 2
"""Batches that each process prepares ahead."""

USUAL: Final = 4
"""Processes where a device other than the CPU computes: one prepares 35 to 90 pictures a second."""

SHARED_MEMORY: Final = Path("/dev/shm")
"""Where prepared batches pass from one process to another. Containers often have very little of it."""

ROOM: Final = 2 * 2**30
"""Bytes of it that must be free before processes are used unasked."""

LOST: Final = "DataLoader worker"
"""How torch begins the text of an error about a process of its own that ended."""


def usual_workers(device: str, cores: int) -> int:
    """Processes that prepare batches if nothing else is asked for: none where the cores are the device."""
    if device == "cpu" or not can_fork() or not SHARED_MEMORY.is_dir():
        return 0
    return min(USUAL, cores - 1) if shutil.disk_usage(SHARED_MEMORY).free >= ROOM else 0


def can_fork() -> bool:
    """Whether a process can share the loaded model with others that it starts."""
    return sys.platform == "linux"


@dataclass(frozen=True)
class Outcome(Generic[Made]):
    """What became of a batch: what was made of it, or the error that came of it."""

    made: Made | None = None
    error: Exception | None = None

    def get(self) -> Made:
        """What was made; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.made  # type: ignore[return-value]


def prepared_ahead(
    batches: Sequence[Given], prepare: Callable[[Given], Made], workers: int
) -> Generator[Outcome[Made], None, None]:
    """What `prepare` makes of each batch, in their order.

    Args:
        batches: what to prepare.
        prepare: called in the processes; must leave the device alone. What it makes holds tensors of the host.
        workers: processes; with none, or too few batches for any, each batch is prepared when it is asked for.

    Yields:
        One for each batch; errors are for the caller to raise.

    Raises:
        RuntimeError: a process was killed; `lost_worker` tells it from others.
    """
    workers = min(workers, len(batches) // 2)
    if not workers:
        for batch in batches:
            yield _outcome(prepare, batch)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about more processes than cores, which were asked for
        loader = DataLoader(
            _Work(batches, prepare),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=AHEAD,
            multiprocessing_context="fork",
            worker_init_fn=partial(_begin, os.getpid()),
            generator=torch.Generator(),  # it draws a seed, which must not come from the global one
        )
    yield from loader


def lost_worker(error: BaseException | None) -> str | None:
    """What torch says about a process that ended, if an error or what it was raised from is about that."""
    while error is not None:
        if isinstance(error, RuntimeError) and str(error).startswith(LOST):
            return str(error).partition("\n")[0]
        error = error.__cause__ or error.__context__
    return None


class _Work(Dataset[Outcome[Made]], Generic[Given, Made]):
    """Batches by number, prepared when they are read."""

    def __init__(self, batches: Sequence[Given], prepare: Callable[[Given], Made]) -> None:
        self._batches = batches
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> Outcome[Made]:
        outcome = _outcome(self._prepare, self._batches[number])
        return outcome if outcome.error is None else Outcome(error=portable(outcome.error))


def _outcome(prepare: Callable[[Given], Made], batch: Given) -> Outcome[Made]:
    try:
        return Outcome(prepare(batch))
    except Exception as error:
        return Outcome(error=error)


def portable(error: Exception) -> Exception:
    """The same error, or one with its text where it cannot pass to another process; a note has its traceback."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # an error of a library, whose arguments are not those that it takes
        pass
    kind = ModelError if isinstance(error, PidError) else RuntimeError
    return kind(str(error) if kind is ModelError else f"{type(error).__name__}: {error}")


def _as_it_is(outcome: Any) -> Any:
    return outcome


def _begin(parent: int, _number: int) -> None:
    end_with_parent(parent)
    sys.excepthook = _unless_cut_off


def _unless_cut_off(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A thread of multiprocessing hands prepared tensors over; when the command ends, nobody is left to take them."""
    if not isinstance(error, OSError | EOFError):
        sys.__excepthook__(kind, error, trace)
