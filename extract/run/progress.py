"""Progress: a rich bar with speed and time left on a terminal, a few plain lines elsewhere, or nothing.

Several runs are one sequence with one time left: each line says which run it is about, and how long all will take.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

SECONDS_BETWEEN_LINES: Final = 15.0

Advance = Callable[[int], None]
"""Called with the number of samples that were done since the last call."""


def run_passes(samples: int, conditions: int) -> int:
    """Passes of a run from its beginning: the noise statistics, then every condition."""
    return samples * (1 + conditions)


class Pace:
    """How far a sequence of runs is, and how long the rest will take at the speed so far.

    Work is counted in passes: a sample in one condition, or once for the noise statistics, is one pass. A run that is
    already complete takes its passes out of what is left.

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
        """Which run this is, as the beginning of a line; nothing for a single run."""
        return f"run {self._number} of {len(self._passes)}: " if len(self._passes) > 1 else ""

    def begin(self, number: int) -> None:
        """Run `number`, counted from 1, begins."""
        self._number = number
        self._left_in_run = self._passes[number - 1]

    def expect(self, passes: int) -> None:
        """The present run still needs so many passes."""
        self._left_in_run = passes
        if not self._done:  # loading torch and the first model happens once
            self._started = monotonic()

    def advance(self, passes: int) -> None:
        """So many passes of the present run are done."""
        self._done += passes
        self._left_in_run -= passes

    def time_left(self) -> str:
        """Time until all runs are done, such as `, 12 min left for all runs`; nothing while it cannot be told."""
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
        quiet: report nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._pace = Pace([0])
        self._noted: set[str] = set()

    def sequence(self, passes: Sequence[int]) -> None:
        """Several runs follow, which need so many passes each."""
        self._pace = Pace(passes)

    def begin(self, number: int) -> None:
        """Run `number` of the sequence begins, counted from 1."""
        self._pace.begin(number)

    def say(self, message: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet:
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    def note(self, message: str) -> None:
        """Print a note for the user; the same one is printed once, however many runs it is about."""
        if message not in self._noted:
            self._noted.add(message)
            self.say(f"note: {message}")

    def finished(self, outcome: object) -> None:
        """Print what became of the present run, and the time left if others follow."""
        self._pace.expect(0)
        self.say(f"{self._pace.label}{outcome}{self._pace.time_left()}")

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """Name a piece of work of unknown length while it lasts; on a terminal only."""
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
            passes: passes of each sample.
            left: passes until the run is done; None for those of this piece of work.
        """
        self._pace.expect(total * passes if left is None else left)
        show = self._shown(self._pace.label + what, total)
        with show as shown:

            def advance(count: int) -> None:
                self._pace.advance(count * passes)
                shown(count)

            yield advance

    @contextmanager
    def _shown(self, what: str, total: int) -> Iterator[Advance]:
        if self._quiet:
            yield lambda _count: None
        elif sys.stderr.isatty():
            with _bar(what, total, self._pace) as advance:
                yield advance
        else:
            yield _Lines(what, total, self._pace, self.say)


@contextmanager
def _bar(what: str, total: int, pace: Pace) -> Iterator[Advance]:
    from rich.console import Console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")
        started = monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            rate = done / max(monotonic() - started, 1e-9)
            progress.update(task, advance=count, rate=f"{rate:.0f} samples/s{pace.time_left()}")

        yield advance


class _Lines:
    """Plain progress: a line now and then."""

    def __init__(self, what: str, total: int, pace: Pace, say: Callable[[str], None]) -> None:
        self._what, self._total, self._pace, self._say = what, total, pace, say
        self._started = self._last = monotonic()
        self._done = 0

    def __call__(self, count: int) -> None:
        self._done += count
        now = monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES or self._done >= self._total:
            return
        self._last = now
        rate = self._done / (now - self._started)
        left = self._pace.time_left()
        self._say(f"{self._what}: {self._done} of {self._total} samples, {rate:.1f} samples/s{left}")
