"""The further processes of a command, as its own process sees them: started, given shards, replaced by others."""

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
"""What a further process runs: not the script of the user, which Python's own `spawn` would import again.

It ends with its parent from before it imports torch, which takes seconds."""


class LostError(Exception):
    """A further process has ended."""


class Further:
    """One further process.

    Args:
        start: what it loads.

    Attributes:
        ready: whether it has loaded the model.
        shard: the one that it measures; None if it has none.
        seen: shards of the present run that it has measured, whose pictures it may have kept.
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
                start_new_session=True,  # else Ctrl-C would reach it before it can ignore that
            )
        with suppress(OSError):  # it has ended, which shows when it is to answer
            self.connection.send(sys.path)
            self.connection.send(start)

    def give(self, shard: int, stats: NoiseStats | None, share: RunShare) -> None:
        """Let it measure a shard.

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
        """What it answers, if it has.

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
        """End it now, whatever it does."""
        self.process.kill()
        self.connection.close()
        self.process.wait()


class Processes:
    """The further processes of one model's runs. They are started when a run needs them, and end with this object.

    Args:
        spec: the model, as this process has loaded it.
        devices: of the further processes.
        note: told once what the user should know.
    """

    def __init__(self, spec: ModelSpec, devices: Sequence[str], note: Callable[[str], None]) -> None:
        self._spec = spec
        self._devices = tuple(devices)
        self._note = note
        self._threads: int | None = None
        self.alive: list[Further] = []

    @property
    def count(self) -> int:
        """All processes that were asked for, this one among them."""
        return 1 + len(self._devices)

    def start(self, batching: Batching) -> None:
        """Start them, unless they were started before; `batching` is what this process begins with."""
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
        """Have every shard measured once, each by whichever process is free.

        Args:
            share: the run.
            shards: their numbers.
            stats: statistics of the noise, for arrays; None for moments.
            own: measures a shard in this process; calls its second argument after each batch.
            keep: given each shard's number, what was made of it, and whether this process made it. It is called in this
                process, as soon as a shard is done.

        Raises:
            Exception: what measuring a shard raised, in whichever process.
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
        """It has loaded the model, or could not: then the others do its work."""
        error = reply.outcome.error
        one.ready = error is None
        if error is not None:
            self._drop(one)
            self._note(
                f"a further process cannot load the model on {one.device} ({first_line(error)}); the others continue "
                "without it"
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
        """Its shard is measured again by the others; what it has finished is kept."""
        if one.shard is not None:
            left.appendleft(one.shard)
        again = "" if one.shard is None else f", and measure `{shard_file(one.shard)}` again"
        self._note(
            f"a further process ended ({one.how_it_ended()}), perhaps for lack of memory; the others continue{again}"
        )
        self._drop(one)

    def _drop(self, one: Further) -> None:
        self.alive.remove(one)
        one.end()
