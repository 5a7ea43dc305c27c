"""Progress of the fits on standard error: on a terminal a bar with the time left, elsewhere plain lines."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pid_jax.cli.console import PlainConsole

SECONDS_BETWEEN_LINES = 15.0
"""Minimum seconds between lines if standard error is not a terminal."""


class RichProgress:
    """Progress display of an estimate (`pid_jax.sweep.stream.Progress`); a context manager."""

    def __init__(self, console: Console, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._console = console
        self._seconds = seconds
        self._bar = Progress(
            TextColumn("{task.fields[problems]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("fits,"),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("fits", total=None, problems="reading")
        self._problems = self._finished = 0
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> "RichProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def start(self, problems: int, fits: int) -> None:
        """Start with the numbers of problems and fits; the first fit takes longer because it is compiled."""
        self._problems = problems
        self._bar.update(self._task, total=fits, problems=f"compiling, 0 of {problems} problems")

    def advance(self, fits: int) -> None:
        """Count finished fits."""
        self._bar.update(self._task, advance=fits, problems=self._said)

    def finish(self, problems: int) -> None:
        """Count problems with a row."""
        self._finished += problems
        self._bar.update(self._task, problems=self._said)
        now = time.monotonic()
        if not self._console.is_terminal and self._finished and now - self._last_line > self._seconds:
            # By problems: one of the exact estimator is one fit, and takes about as long as the fits of one of BATCH.
            left = (now - self._started) / self._finished * (self._problems - self._finished)
            self._console.print(f"fitted {self._said}, about {left:.0f} s left")
            self._last_line = now

    @property
    def _said(self) -> str:
        return f"{self._finished} of {self._problems} problems"

    def warn(self, sentence: str) -> None:
        """Something that the user should see now, even without progress: a run that cannot be used."""
        console = PlainConsole() if self._console.quiet else self._console
        console.print(f"warning: {sentence}", markup=False, highlight=False)
