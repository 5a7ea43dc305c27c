"""Progress of the fits on standard error: a bar with time left on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 15.0


class RichProgress:
    """A context manager that `estimate` can report to."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("fitting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("fits", total=None)
        self._total = 0
        self._done = 0
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> "RichProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def start(self, total: int) -> None:
        """There are `total` fits."""
        self._total = total
        self._bar.update(self._task, total=total)

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self._done += count
        self._bar.advance(self._task, count)
        now = time.monotonic()
        if not self._console.is_terminal and (now - self._last_line > _SECONDS_BETWEEN_LINES):
            left = (now - self._started) / self._done * (self._total - self._done)
            self._console.print(f"fitting: {self._done} of {self._total} fits, about {left:.0f} s left")
            self._last_line = now
