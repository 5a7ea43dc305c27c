"""Short jobs to kill: what is run, and whether two outputs are the same."""

import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, Final

import numpy as np

from pid_lvlm import data
from pid_lvlm.analysis.compare import compare
from tests import CHECKPOINT, ROOT
from tests.hostile.kills.commands import KILLED, Commands, Ended, commands

REFUSED: Final = "is being written by"
"""What the second of two commands on one output says."""
MODES: Final = ("stop and go on", "stop and die", "together", "together and die", "die twice")


@dataclass(frozen=True)
class Scene:
    """One command line whose output is a folder or lies in one.

    Attributes:
        command: starts it.
        scratch: where outputs are put.
        words: the command line but for its output.
        output: name of the output below a folder of its own; empty where it is that folder.
        whole: an output that was never interrupted.
        points: how many points of progress it had.
    """

    command: Commands
    scratch: Path
    words: Sequence[object]
    output: str
    whole: Path
    points: int

    def arguments(self, folder: Path) -> list[object]:
        """The whole command line."""
        return [*self.words, "--out", folder / self.output if self.output else folder]

    def folder(self, name: object) -> Path:
        """A new place for an output."""
        folder = self.scratch / str(name)
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def run(self, folder: Path, at: int | None = None) -> Ended:
        """Run into a folder, to the end or to a point."""
        return self.command.run(self.arguments(folder), folder, at)

    def finish(self, folder: Path) -> None:
        """Run the plain command; then everything is as if nothing had happened."""
        ended = self.run(folder)
        assert ended.code == 0, ended.said
        found = compare(self.whole, folder)
        assert not found.differences, found.differences
        leftovers = _hidden(folder) - _hidden(self.whole)
        assert not leftovers, leftovers

    def kill_and_resume(self, rng: Random, number: int) -> None:
        """Kill once and start again; numbers that follow each other give other points, each in turn.

        Args:
            rng: draws the order of all points.
            number: which point in that order.
        """
        at = rng.sample(range(1, self.points + 1), self.points)[number % self.points]
        folder = self.folder(f"killed-{at}")
        ended = self.run(folder, at)
        assert ended.code == KILLED, (at, ended)
        self.finish(folder)

    def soak(self, rng: Random, runs: int) -> int:
        """So many runs, most of them killed, each continuing what is there; returns how many were killed."""
        killed, folder = 0, self.folder("soaked")
        for _ in range(runs):
            ended = self.run(folder, rng.randint(1, self.points))
            if ended.code == KILLED:
                killed += 1
                continue
            assert ended.code == 0, ended.said
            self.finish(folder)
            folder = self.folder("soaked")
        self.finish(folder)
        return killed

    def two_at_once(self, rng: Random, mode: str) -> None:
        """A second command is started at some progress of the first; whatever becomes of them, nothing is lost.

        Args:
            rng: chooses the points.
            mode: one of `MODES`: what becomes of the first.
        """
        at, folder = rng.randint(1, self.points), self.folder("shared")
        stops = mode.startswith("stop")
        dies = mode in ("together and die", "die twice")
        signal = SIGSTOP if stops else SIGKILL
        first = self.command.start(self.arguments(folder), folder, at if stops or dies else None, signal)
        if stops:
            assert first.wait() is None
        second_at = rng.randint(1, self.points) if mode == "die twice" else None
        second = self.run(folder, second_at)
        assert second.code in (0, KILLED) or _was_refused(second), second.said
        if stops:
            first.send(SIGCONT if mode == "stop and go on" else SIGKILL)
        ended = first.wait()
        assert ended is not None
        assert ended.code in (0, KILLED) or _was_refused(ended), ended.said
        assert 0 in (second.code, ended.code) or KILLED in (second.code, ended.code)
        self.finish(folder)


def _hidden(folder: Path) -> set[str]:
    """Hidden files below a folder, but for locks, which stay."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob(".*") if path.suffix != ".lock"}


def _was_refused(ended: Ended) -> bool:
    return ended.code == 2 and REFUSED in ended.said


@contextmanager
def extraction(scratch: Path) -> Iterator[Scene]:
    """`pid-extract` with a shipped model, four items and their crossed pairs, two files."""
    scratch.mkdir(parents=True, exist_ok=True)
    with (ROOT / "data" / "demo" / "items" / "fusion.jsonl").open() as file:
        (scratch / "items.jsonl").write_text("".join(islice(file, 4)))
    words = ["--model", CHECKPOINT, "--data", scratch / "items.jsonl", "--batch-size", 2, "--shard-size", 2, "--quiet"]
    words += ["--crossed", 2]
    with commands("pid-extract", scratch / "logs") as started:
        started.warm_up([*words, "--out", scratch / "warm"])
        yield _scene(started, scratch, words, "")


@contextmanager
def estimate(scratch: Path, *, fits: bool) -> Iterator[Scene]:
    """`pid-estimate` on three runs, one chunk each. Without fits, whose programs take seconds to trace, atoms are 0."""
    runs = scratch / "runs"
    for seed in range(3):
        write_run(runs / f"run-{seed}", seed)
    words = [
        *(
            runs,
            "--layers",
            "last",
            "--batch-size",
            32,
            "--epochs",
            1,
            "--seeds",
            1,
            "--hidden",
            4,
            "--estimator",
            "batch",
        ),
        *("--hidden-layers", 1, "--memory-budget", "1KB", "--devices", 1, "--quiet"),
    ]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    name = "pid-estimate" if fits else "pid-estimate without fits"
    with commands(name, scratch / "logs", **cache) as started:
        yield _scene(started, scratch, words, "results.parquet")


@contextmanager
def report(scratch: Path) -> Iterator[Scene]:
    """`pid-report` on a table of two layers."""
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "results.parquet").write_bytes(small_table())
    with commands("pid-report", scratch / "logs") as started:
        yield _scene(started, scratch, [scratch / "results.parquet", "--format", "svg", "--quiet"], "report")


def write_run(folder: Path, seed: int) -> Path:
    """A run of 90 samples and two layers, with nothing to find."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, 90, 5))
    return data.write_run(
        folder,
        model="m",
        dataset="d",
        loglik=np.log(rng.dirichlet(np.ones(3), size=(90, 4, 2))),
        x1=features[0],
        x2=features[1],
        label=rng.integers(0, 3, 90),
        size_b=1.0,
        stage="tune",
        step=4,
    )


def small_table() -> bytes:
    """A small table of this version."""
    import polars as pl

    from pid_lvlm.data.contract.table.result_table import SCHEMA
    from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION

    texts: dict[str, Any] = {column.name: column.values.choices[0] for column in COLUMNS if column.values.choices}
    texts |= {"result": "successful", "recipe": "{}", "versions": "{}"}
    rows = []
    for layer in (1, 2):
        row: dict[str, Any] = {
            column.name: {"text": column.name, "int": 3, "float": 0.25, "list": [0, 1]}[column.kind]
            for column in COLUMNS
        }
        row |= texts | {"problem_id": f"{layer:016x}", "layer": layer, "num_layers": 2, "num_train": 60, "num_test": 30}
        rows.append(row | {"schema_version": RESULT_SCHEMA_VERSION})
    written = io.BytesIO()
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(written)
    return written.getvalue()


def _scene(started: Commands, scratch: Path, words: Sequence[object], output: str) -> Scene:
    """The scene once it has run undisturbed, twice, with the same result."""
    scene = Scene(started, scratch, words, output, scratch / "whole", 0)
    ended = scene.run(scene.folder("whole"))
    assert ended.code == 0, ended.said
    scene.finish(scene.folder("again"))
    return Scene(started, scratch, words, output, scene.whole, ended.points)
