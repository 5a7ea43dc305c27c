"""Progress: a rich bar with speed and time left on a terminal, a few plain lines elsewhere, or nothing.

Several runs form one sequence with a common time left: each line says which run it is about and how long all will take.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

SECONDS_BETWEEN_LINES: Final = 15.0

Advance = Callable[[int], None]
"""Called with the number of samples done since the last call."""


def run_passes(samples: int, conditions: int, pairs: int = 0) -> int:
    """Total passes of a run: the noise statistics, then every condition, then the crossed pairs.

    Args:
        samples: number of samples of the run.
        conditions: number of conditions of the run.
        pairs: questions per picture, including its own; 0 without crossed pairs.
    """
    return samples * (1 + conditions + max(0, pairs - 1))


@dataclass(frozen=True)
class Work:
    """A piece of work whose progress is shown.

    Attributes:
        what: its name.
        total: total number of units.
        passes: passes per unit.
        unit: what is counted.
    """

    what: str
    total: int
    passes: int = 1
    unit: str = "samples"


class Pace:
    """Progress of a sequence of runs, and the time left at the speed so far.

    Work is counted in passes: a sample in one condition, or once for the noise statistics, is one pass. The passes
    of an already complete run are subtracted from what is left.

    Args:
        passes: of each run.

    Example:
        >>> pace = Pace([50, 100])
        >>> pace.begin(2)
        >>> pace.label
        'run 2 of 2: '
    """

    def __init__(self, passes: Sequence[int]) -> None:
        self._passes = list(passes)
        self._number = 1
        self._done = 0
        self._left_in_run = 0
        self._started = monotonic()

    @property
    def label(self) -> str:
        """Which run this is, as the start of a line; empty for a single run."""
        return f"run {self._number} of {len(self._passes)}: " if len(self._passes) > 1 else ""

    def begin(self, number: int) -> None:
        """Start run `number`, counted from 1."""
        self._number = number
        self._left_in_run = self._passes[number - 1]

    def expect(self, passes: int) -> None:
        """Set the number of passes that the current run still needs."""
        self._left_in_run = passes
        if not self._done:  # loading torch and the first model happens only once
            self._started = monotonic()

    def advance(self, passes: int) -> None:
        """Count passes of the current run as done."""
        self._done += passes
        self._left_in_run -= passes

    def time_left(self) -> str:
        """Time until all runs are done, such as `, 12 min left for all runs`; empty while unknown."""
        left = self._left_in_run + sum(self._passes[self._number :])
        if not self._done or left <= 0:
            return ""
        seconds = left * (monotonic() - self._started) / self._done
        return f", {_duration(seconds)} left" + (" for all runs" if len(self._passes) > 1 else "")


def _duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Reporter:
    """Reports progress on standard error.

    Args:
        quiet: whether to report nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._pace = Pace([0])
        self._noted: set[str] = set()

    def sequence(self, passes: Sequence[int]) -> None:
        """Announce several runs with the number of passes of each."""
        self._pace = Pace(passes)

    def begin(self, number: int) -> None:
        """Start run `number` of the sequence, counted from 1."""
        self._pace.begin(number)

    def say(self, message: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet:
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    def note(self, message: str) -> None:
        """Print a note for the user; each note is printed only once, even if it concerns several runs."""
        if message not in self._noted:
            self._noted.add(message)
            self.say(f"note: {message}")

    def finished(self, outcome: object) -> None:
        """Print the outcome of the current run, and the time left if others follow."""
        self._pace.expect(0)
        self.say(f"{self._pace.label}{outcome}{self._pace.time_left()}")

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """Show the name of a piece of work of unknown length while it lasts; only on a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text(what)):
            yield

    @contextmanager
    def task(self, what: str, total: int, passes: int = 1, left: int | None = None) -> Iterator[Advance]:
        """Follow one piece of work.

        Args:
            what: its name.
            total: samples.
            passes: passes per sample.
            left: passes until the run is done; None for those of this piece of work.
        """
        with self.tasks([Work(what, total, passes)], left) as (advance,):
            yield advance

    @contextmanager
    def tasks(self, works: Sequence[Work], left: int | None = None) -> Iterator[list[Advance]]:
        """Follow pieces of work that take turns, each with a bar of its own.

        Args:
            works: the pieces.
            left: passes until the run is done; None for those of these pieces.
        """
        self._pace.expect(sum(work.total * work.passes for work in works) if left is None else left)
        named = [replace(work, what=self._pace.label + work.what) for work in works]
        with self._shown(named) as shown:
            yield [self._counted(work, show) for work, show in zip(works, shown, strict=True)]

    def _counted(self, work: Work, shown: Advance) -> Advance:
        def advance(count: int) -> None:
            self._pace.advance(count * work.passes)
            shown(count)

        return advance

    @contextmanager
    def _shown(self, works: Sequence[Work]) -> Iterator[list[Advance]]:
        if self._quiet:
            yield [lambda _count: None for _ in works]
        elif sys.stderr.isatty():
            with _bars(works, self._pace) as advances:
                yield advances
        else:
            clock = _Turns()
            yield [_Lines(work, self._pace, self.say, clock) for work in works]


class _Turns:
    """Measures the time since any of several alternating pieces of work advanced, which is the time that one took."""

    def __init__(self) -> None:
        self._last = monotonic()

    def spent(self) -> float:
        """Seconds since the last call."""
        now = monotonic()
        seconds, self._last = now - self._last, now
        return seconds


@contextmanager
def _bars(works: Sequence[Work], pace: Pace) -> Iterator[list[Advance]]:
    from rich.console import Console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        clock = _Turns()
        yield [_bar(progress, work, pace, clock) for work in works]


def _bar(progress: "Progress", work: Work, pace: Pace, clock: _Turns) -> Advance:
    task = progress.add_task(work.what, total=work.total, rate="")
    done, seconds = 0, 0.0

    def advance(count: int) -> None:
        nonlocal done, seconds
        done, seconds = done + count, seconds + clock.spent()
        rate = done / max(seconds, 1e-9)
        progress.update(task, advance=count, rate=f"{rate:.0f} {work.unit}/s{pace.time_left()}")

    return advance


class _Lines:
    """Plain progress: a line now and then."""

    def __init__(self, work: Work, pace: Pace, say: Callable[[str], None], clock: _Turns) -> None:
        self._work, self._pace, self._say, self._clock = work, pace, say, clock
        self._last = monotonic()
        self._done, self._seconds = 0, 0.0

    def __call__(self, count: int) -> None:
        self._done += count
        self._seconds += self._clock.spent()
        now, work = monotonic(), self._work
        if now - self._last < SECONDS_BETWEEN_LINES or self._done >= work.total:
            return
        self._last = now
        rate = f"{self._done / max(self._seconds, 1e-9):.1f} {work.unit}/s"
        self._say(f"{work.what}: {self._done} of {work.total} {work.unit}, {rate}{self._pace.time_left()}")
