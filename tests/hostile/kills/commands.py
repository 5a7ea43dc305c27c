"""Commands started through a zygote, and what became of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests import ROOT

KILLED: Final = -signal.SIGKILL
QUICK_TO_COMPILE: Final = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code; negative, the signal that ended it.
        points: how far it got, if it ended by itself.
        said: standard output and error.
        cpu: seconds that it computed.
    """

    code: int
    points: int
    said: str
    cpu: float


class Commands:
    """One command, started many times.

    Args:
        process: a zygote that has said that it is ready.
        command: its name.
        scratch: for logs.
    """

    def __init__(self, process: "subprocess.Popen[str]", command: str, scratch: Path) -> None:
        self._process, self._command, self._scratch = process, command, scratch
        self._started = 0

    def warm_up(self, arguments: Sequence[object]) -> int:
        """Run once in the zygote itself; returns how many threads it then has."""
        threads: int = self.ask({"do": "warm up", "arguments": [str(argument) for argument in arguments]})["threads"]
        return threads

    def start(
        self, arguments: Sequence[object], root: Path, at: int | None = None, act: signal.Signals = signal.SIGKILL
    ) -> "Started":
        """Start the command; at point `at` of its work below `root` it kills or stops itself."""
        self._started += 1
        log = self._scratch / f"{self._started}.log"
        words = [str(argument) for argument in arguments]
        request = {"command": self._command, "arguments": words, "root": str(root), "at": at, "act": int(act)}
        pid = self.ask({"do": "start", "log": str(log), **request})["pid"]
        return Started(self, pid, log)

    def run(self, arguments: Sequence[object], root: Path, at: int | None = None) -> Ended:
        """Run the command until it ends or kills itself."""
        ended = self.start(arguments, root, at).wait()
        assert ended is not None
        return ended

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, one answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the zygote ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Started:
    """A command that was started."""

    commands: Commands
    pid: int
    log: Path

    def wait(self) -> Ended | None:
        """How it ended; None if it stopped itself and goes on after `send`."""
        answer = self.commands.ask({"do": "wait", "pid": self.pid})
        if answer["stopped"]:
            return None
        points = self.log.with_suffix(".points")
        reached = int(points.read_text()) if points.exists() else 0
        return Ended(answer["code"], reached, self.log.read_text(errors="replace"), answer["cpu"])

    def send(self, what: signal.Signals) -> None:
        """Let it go on, or end it."""
        os.kill(self.pid, what)


@contextmanager
def commands(name: str, scratch: Path, **environment: str) -> Iterator[Commands]:
    """A zygote for a command, as long as it is needed."""
    scratch.mkdir(parents=True, exist_ok=True)
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.kills.zygote", name],
        cwd=ROOT,
        env={**os.environ, **quiet, "XLA_FLAGS": QUICK_TO_COMPILE, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "the zygote did not start"
        yield Commands(process, name, scratch)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
