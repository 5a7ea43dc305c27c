"""Progress: a rich bar with speed and time left on a terminal, a few plain lines elsewhere, or nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES: Final = 15.0

Advance = Callable[[int], None]
"""Told how many more samples are done."""


class Reporter:
    """Says what is going on, on standard error.

    Args:
        quiet: say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def say(self, message: str) -> None:
        """One line, unless quiet."""
        if not self._quiet:
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

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
    def task(self, what: str, total: int) -> Iterator[Advance]:
        """Follow `total` samples of one piece of work, called `what`."""
        if self._quiet:
            yield lambda _count: None
        elif sys.stderr.isatty():
            with _bar(what, total) as advance:
                yield advance
        else:
            yield _Lines(what, total, self.say)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")
        started = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            rate = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, advance=count, rate=f"{rate:.0f} samples/s")

        yield advance


class _Lines:
    """Plain progress: a line now and then."""

    def __init__(self, what: str, total: int, say: Callable[[str], None]) -> None:
        self._what, self._total, self._say = what, total, say
        self._started = self._last = time.monotonic()
        self._done = 0

    def __call__(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES or self._done >= self._total:
            return
        self._last = now
        rate = self._done / (now - self._started)
        left = (self._total - self._done) / rate
        self._say(f"{self._what}: {self._done} of {self._total} samples, {rate:.1f} samples/s, {left:.0f} s left")
