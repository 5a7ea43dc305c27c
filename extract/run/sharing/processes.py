"""Manages the additional processes of a command from its main process: starts them, assigns shards, replaces them."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Final, TypeVar

import torch

from pid_lvlm.data.names import shard_file
from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.run.sharing.devices import cpu_threads
from pid_lvlm.extract.run.sharing.further_process import Reply, Start, Task
from pid_lvlm.extract.run.sharing.work import RunShare

Made = TypeVar("Made")

PROGRAM: Final = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
try:
    sys.path[:] = connection.recv()
except (EOFError, OSError):
    sys.exit()
from pid_lvlm.extract.measure.with_parent import end_with_parent
end_with_parent(int(sys.argv[2]))
from pid_lvlm.extract.run.sharing.further_process import serve
serve(connection)
"""
"""Code of an additional process. Python's own `spawn` would import the user's script again.

It is tied to its parent's lifetime before it imports torch, which takes seconds."""


class LostError(Exception):
    """An additional process has ended."""


class Further:
    """One additional process.

    Args:
        start: what it loads.

    Attributes:
        ready: whether it has loaded the model.
        shard: the shard it is measuring; None if it has none.
        seen: shards of the current run that it has measured, whose pictures it may have kept.
    """

    def __init__(self, start: Start) -> None:
        self.device = start.spec.device
        self.ready = False
        self.shard: int | None = None
        self.seen: set[int] = set()
        self._share: RunShare | None = None
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # otherwise Ctrl-C would reach it before it can ignore it
            )
        with suppress(OSError):  # it has ended, which shows when its answer is due
            self.connection.send(sys.path)
            self.connection.send(start)

    def give(self, shard: int, stats: NoiseStats | None, share: RunShare) -> None:
        """Have it measure a shard.

        Raises:
            LostError: it has ended.
        """
        if share is not self._share:
            self.seen = set()
        try:
            self.connection.send(Task(shard, stats, None if share is self._share else share))
        except OSError as error:
            raise LostError from error
        self._share = share
        self.shard = shard

    def take(self) -> Reply | None:
        """Its answer, if there is one.

        Raises:
            LostError: it has ended.
        """
        try:
            return self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError) as error:
            raise LostError from error

    def how_it_ended(self) -> str:
        """`SIGKILL`, or its exit code."""
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(timeout=5)
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "no connection"

    def end(self) -> None:
        """Kill it now."""
        self.process.kill()
        self.connection.close()
        self.process.wait()


class Processes:
    """The additional processes for one model's runs. They are started when a run needs them, and end with this object.

    Args:
        spec: the model, as loaded by this process.
        devices: devices of the additional processes.
        note: called once with each note for the user.
    """

    def __init__(self, spec: ModelSpec, devices: Sequence[str], note: Callable[[str], None]) -> None:
        self._spec = spec
        self._devices = tuple(devices)
        self._note = note
        self._threads: int | None = None
        self.alive: list[Further] = []

    @property
    def count(self) -> int:
        """The number of requested processes, including this one."""
        return 1 + len(self._devices)

    def start(self, batching: Batching) -> None:
        """Start them, unless already started; `batching` is this process's own at the start."""
        if self._threads is not None:
            return
        self._threads = torch.get_num_threads()
        torch.set_num_threads(cpu_threads(self._spec.device, self.count))
        for device in self._devices:
            start = Start(
                replace(self._spec, device=device),
                torch.get_num_threads(),
                batching.rows,
                batching.tokens,
                batching.workers,
            )
            self.alive.append(Further(start))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.alive:
            one.end()
        self.alive = []
        if self._threads is not None:
            torch.set_num_threads(self._threads)

    def each(
        self,
        share: RunShare,
        shards: Sequence[int],
        stats: NoiseStats | None,
        own: Callable[[int, Callable[[int], None]], Made],
        keep: Callable[[int, Made, bool], None],
    ) -> None:
        """Have every shard measured once, by whichever process is free.

        Args:
            share: the run.
            shards: their indices.
            stats: noise statistics, to measure arrays; None to measure moments.
            own: measures a shard in this process; calls its second argument after each batch.
            keep: called in this process as soon as a shard is done, with its index, its result, and whether this
                process measured it.

        Raises:
            Exception: the error raised by measuring a shard in any process.
        """
        left = deque(shards)

        def turn(_count: int = 0) -> None:
            self._collect(left, keep)
            self._hand_out(left, stats, share)

        while True:
            turn()
            if left:
                shard = left.popleft()
                keep(shard, own(shard, turn), True)
            elif busy := [one.connection for one in self.alive if one.shard is not None]:
                wait(busy)
            else:
                return

    def _collect(self, left: "deque[int]", keep: Callable[[int, Any, bool], None]) -> None:
        for one in tuple(self.alive):
            try:
                reply = one.take()
            except LostError:
                self._lose(one, left)
                continue
            if reply is None:
                continue
            for note in reply.notes:
                self._note(note)
            if not one.ready:
                self._begin(one, reply)
                continue
            made, shard, one.shard = reply.outcome.get(), one.shard, None
            assert shard is not None
            one.seen.add(shard)
            keep(shard, made, False)

    def _begin(self, one: Further, reply: Reply) -> None:
        """It has loaded the model, or failed to, in which case the others do its work."""
        error = reply.outcome.error
        one.ready = error is None
        if error is not None:
            self._drop(one)
            self._note(
                f"an additional process cannot load the model on {one.device} ({first_line(error)}); the others "
                "continue without it"
            )

    def _hand_out(self, left: "deque[int]", stats: NoiseStats | None, share: RunShare) -> None:
        for one in tuple(self.alive):
            if not left or not one.ready or one.shard is not None:
                continue
            shard = next((shard for shard in left if shard in one.seen), left[0])
            left.remove(shard)
            try:
                one.give(shard, stats, share)
            except LostError:
                left.appendleft(shard)
                self._lose(one, left)

    def _lose(self, one: Further, left: "deque[int]") -> None:
        """Its shard is measured again by the others; its finished shards are kept."""
        if one.shard is not None:
            left.appendleft(one.shard)
        again = "" if one.shard is None else f", and measure `{shard_file(one.shard)}` again"
        self._note(
            f"an additional process died ({one.how_it_ended()}), perhaps for lack of memory; the others continue{again}"
        )
        self._drop(one)

    def _drop(self, one: Further) -> None:
        self.alive.remove(one)
        one.end()
