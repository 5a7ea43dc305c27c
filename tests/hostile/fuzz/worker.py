"""One process that fuzzes one parser until its time is up. It tells its findings line by line, and may die of one."""

import itertools
import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.hostile.fuzz.judge import Judged, judge, killed_when_stuck, replays
from tests.hostile.fuzz.target import Target
from tests.hostile.fuzz.targets import TARGETS

HEADROOM: Final = 4 * 2**30
"""Bytes of address space beyond what a worker has when it begins."""
CURRENT: Final = "current.txt"
"""Holds the name of the file that is being read: what a worker died of."""


@dataclass
class Counts:
    """What was tried so far."""

    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0

    def add(self, judged: Judged) -> None:
        """Count one more case."""
        self.cases += 1
        self.refused += judged.refused
        self.slowest = max(self.slowest, judged.seconds)
        self.peak = max(self.peak, judged.peak)


def cases(target: Target, seed: object) -> Iterator[tuple[str, bytes]]:
    """File names and damaged contents, the same for the same seed, without end."""
    rng = random.Random(str(seed))
    contents = list(target.seeds.values())
    while True:
        name = rng.choice(sorted(target.seeds))
        yield name, target.damage(rng, target.seeds[name], contents)


def place(folder: Path, name: str, content: bytes) -> Path:
    """Write a case to where its parser looks for it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check_seeds(target: Target, folder: Path) -> None:
    """Every undamaged file is read.

    Raises:
        AssertionError: one is refused or worse; nothing that is made from it would get past the first check.
    """
    for name, content in target.seeds.items():
        path = place(folder, name, content)
        judged = judge(lambda path=path: target.parse(path), seconds=120)  # type: ignore[misc]
        whole = judged.verdict is None and (not judged.refused or name in target.odd)
        assert whole, f"{name}: {judged.verdict or 'refused'}"


def fuzz(name: str, seed: int, folder: Path, seconds: float, most: int) -> None:
    """Try cases until the time is up or so many are done; prints a line of JSON for each finding and for the counts."""
    report = os.fdopen(os.dup(1), "w")
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    work = folder / "work"
    target = TARGETS[name](work)
    check_seeds(target, work)
    if target.limited:
        _limit_memory()
    counts, seen = Counts(), set()
    deadline = time.monotonic() + seconds
    for number, (file, content) in enumerate(itertools.islice(cases(target, seed), most)):
        if time.monotonic() > deadline:
            break
        path = place(work, file, content)
        (folder / CURRENT).write_text(file)
        os.ftruncate(log, 0)
        with killed_when_stuck():
            judged = replays(lambda: target.parse(path))  # noqa: B023  # called at once
        counts.add(judged)
        if judged.verdict is not None:
            new = judged.verdict.key not in seen
            seen.add(judged.verdict.key)
            found = folder / f"found-{seed}-{number}-{file}"
            if new:
                found.write_bytes(content)
            _tell(report, finding=asdict(judged.verdict), file=str(found) if new else None)
        if number % 100 == 0:
            _tell(report, counts=asdict(counts))
        place(work, file, target.seeds[file])
    _tell(report, counts=asdict(counts))


def _tell(report: Any, **content: object) -> None:
    report.write(json.dumps(content) + "\n")
    report.flush()


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + HEADROOM, resource.RLIM_INFINITY))


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
    os._exit(0)  # what threads of libraries do at their end is not part of the test
