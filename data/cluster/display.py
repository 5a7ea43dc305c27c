"""What a command shows while it waits for its jobs: overall progress and the time left."""

import sys
from time import monotonic
from typing import Final

from pid_lvlm.data.command.shown import count

SECONDS_BETWEEN_LINES: Final = 15.0
"""Minimum interval between lines if standard error is not a terminal."""


def duration(seconds: float) -> str:
    """A duration, such as `40 s`, `12 min` or `3.5 h`.

    Example:
        >>> duration(40), duration(720), duration(12600)
        ('40 s', '12 min', '3.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class TimeLeft:
    """Estimates the time left from the speed so far.

    Args:
        share: fraction done at the start, 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._first = share
        self._started = monotonic()

    def said(self, share: float) -> str:
        """Text such as `12 min left`; empty while unknown."""
        if not self._first < share < 1:
            return ""
        return f"{duration((1 - share) * (monotonic() - self._started) / (share - self._first))} left"


class JobsDisplay:
    """Progress on standard error: a bar on a terminal, a line now and then elsewhere. A context manager.

    Args:
        share: fraction already done, 0 to 1.
        quiet: show only failures.
    """

    def __init__(self, share: float, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._quiet = quiet
        self._left = TimeLeft(share)
        self._last = monotonic()
        on_terminal = sys.stderr.isatty() and not quiet
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(show_speed=False),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not on_terminal)
        self._lines = not on_terminal and not quiet
        self._task = self._bar.add_task("", total=1.0, left="")
        self._bar.update(self._task, completed=share)

    def __enter__(self) -> "JobsDisplay":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, share: float, running: int, waiting: int, ended: int) -> None:
        """Update the fraction done, 0 to 1, and the numbers of jobs that run, wait and have ended."""
        text = f"{count(running + waiting + ended, 'job')}: {running} at work, {waiting} waiting, {ended} ended"
        left = self._left.said(share)
        self._bar.update(self._task, description=text, completed=share, left=left)
        if self._lines and monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = monotonic()
            self._write(f"{text}; {share:.0%} done" + (f", {left}" if left else ""))

    def say(self, sentence: str, *, always: bool = False) -> None:
        """Print a separate line; a quiet command prints only what must always be shown."""
        if always or not self._quiet:
            self._bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _write(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
