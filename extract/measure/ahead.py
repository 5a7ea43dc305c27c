"""Prepares batches ahead of the device: other processes decode and process pictures while it computes."""

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
"""Number of batches that each process prepares ahead."""

USUAL: Final = 4
"""Default number of processes for devices other than the CPU: one prepares 35 to 90 pictures a second."""

SHARED_MEMORY: Final = Path("/dev/shm")
"""Shared memory through which prepared batches pass between processes. Containers often have very little of it."""

ROOM: Final = 2 * 2**30
"""Bytes of it that must be free for processes to be used by default."""

LOST: Final = "DataLoader worker"
"""How torch begins its error message about a worker process that died."""


def usual_workers(device: str, cores: int) -> int:
    """Default number of processes that prepare batches: none if the CPU is the device."""
    if device == "cpu" or not can_fork() or not SHARED_MEMORY.is_dir():
        return 0
    return min(USUAL, cores - 1) if shutil.disk_usage(SHARED_MEMORY).free >= ROOM else 0


def can_fork() -> bool:
    """Whether a process can share the loaded model with processes that it starts."""
    return sys.platform == "linux"


@dataclass(frozen=True)
class Outcome(Generic[Made]):
    """The outcome for a batch: the prepared value, or an error."""

    made: Made | None = None
    error: Exception | None = None

    def get(self) -> Made:
        """The prepared value; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.made  # type: ignore[return-value]


def prepared_ahead(
    batches: Sequence[Given], prepare: Callable[[Given], Made], workers: int
) -> Generator[Outcome[Made], None, None]:
    """Apply `prepare` to each batch, in order.

    Args:
        batches: what to prepare.
        prepare: called in the processes; must not use the device. It returns tensors on the host.
        workers: number of processes; with none, or too few batches to use them, each batch is prepared on demand.

    Yields:
        One outcome per batch; the caller raises errors.

    Raises:
        RuntimeError: a process was killed; `lost_worker` recognises this error.
    """
    workers = min(workers, len(batches) // 2)
    if not workers:
        for batch in batches:
            yield _outcome(prepare, batch)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about more processes than cores, as requested
        loader = DataLoader(
            _Work(batches, prepare),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=AHEAD,
            multiprocessing_context="fork",
            worker_init_fn=partial(_begin, os.getpid()),
            generator=torch.Generator(),  # it draws a seed, which must not come from the global generator
        )
    yield from loader


def lost_worker(error: BaseException | None) -> str | None:
    """The message of torch about a dead process, if an error or one of its causes is about that."""
    while error is not None:
        if isinstance(error, RuntimeError) and str(error).startswith(LOST):
            return str(error).partition("\n")[0]
        error = error.__cause__ or error.__context__
    return None


class _Work(Dataset[Outcome[Made]], Generic[Given, Made]):
    """Batches by index, prepared when they are read."""

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
    """The same error, or one with its text if it cannot be pickled; a note has its traceback."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # a library error whose arguments do not match its constructor
        pass
    kind = ModelError if isinstance(error, PidError) else RuntimeError
    return kind(str(error) if kind is ModelError else f"{type(error).__name__}: {error}")


def _as_it_is(outcome: Any) -> Any:
    return outcome


def _begin(parent: int, _number: int) -> None:
    end_with_parent(parent)
    sys.excepthook = _unless_cut_off


def _unless_cut_off(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A multiprocessing thread hands over prepared tensors; when the command ends, nobody is left to receive them."""
    if not isinstance(error, OSError | EOFError):
        sys.__excepthook__(kind, error, trace)
