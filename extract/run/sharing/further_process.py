"""An additional process of a command: it loads a copy of the model and measures the shards assigned to it."""

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import torch

from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.measure.ahead import Outcome, portable
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.run.malloc import keep_freed_memory
from pid_lvlm.extract.run.sharing.work import RunShare, ShardWork


@dataclass(frozen=True)
class Start:
    """The first message sent to a process.

    Attributes:
        spec: the model, on the device of the process.
        threads: number of threads of the process.
        batch_rows: maximum number of items per batch.
        batch_tokens: maximum number of positions per batch; None for no limit.
        workers: number of its own processes that prepare pictures.
    """

    spec: ModelSpec
    threads: int
    batch_rows: int
    batch_tokens: int | None
    workers: int


@dataclass(frozen=True)
class Task:
    """A shard to measure.

    Attributes:
        shard: its index.
        stats: noise statistics, to measure its arrays; None to measure its moments.
        share: the run, if it differs from that of the previous task.
    """

    shard: int
    stats: NoiseStats | None
    share: RunShare | None = None


@dataclass(frozen=True)
class Reply:
    """A process's answer to `Start` and to each `Task`: the outcome, and notes for the user."""

    outcome: Outcome[Any]
    notes: tuple[str, ...] = ()


@dataclass
class _Copy:
    """A copy of the model, and the run it works on."""

    start: Start
    notes: list[str] = field(default_factory=list)
    work: ShardWork | None = None

    def load(self) -> None:
        start = self.start
        if start.spec.device.startswith("cuda"):
            torch.cuda.set_device(start.spec.device)
        self.adapter = load_adapter(start.spec)
        self.batching = Batching(
            start.batch_rows, start.batch_tokens, start.workers, self.adapter.can_share_prefix, self.notes.append
        )

    def measure(self, task: Task) -> Any:
        if task.share is not None:
            self.work = None  # and what it keeps, before the next one
            swaps = task.share.swaps(self.adapter)
            self.work = ShardWork(self.adapter, self.batching, task.share, KeptBatches(self.adapter), swaps)
        assert self.work is not None
        if task.stats is None:
            return self.work.moments(task.shard, _unheard)
        return self.work.arrays(task.shard, task.stats, _unheard, _unheard)


def serve(connection: "Connection[Any, Any]") -> None:
    """Load the model, then measure shards until the command closes the connection or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends its processes
    keep_freed_memory()
    try:
        start: Start = connection.recv()
        torch.set_num_threads(start.threads)
        copy = _Copy(start)
        connection.send(_reply(copy, copy.load))
        while True:
            task: Task = connection.recv()
            connection.send(_reply(copy, lambda: copy.measure(task)))  # noqa: B023  called at once
    except (EOFError, ConnectionError):
        sys.exit()


def _reply(copy: _Copy, do: Callable[[], Any]) -> Reply:
    try:
        outcome = Outcome(do())
    except Exception as error:
        outcome = Outcome(error=portable(error))
    notes = tuple(copy.notes)
    copy.notes.clear()
    return Reply(outcome, notes)


def _unheard(_count: int) -> None:
    """Ignored: the command counts whole shards of its additional processes."""
