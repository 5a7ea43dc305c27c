"""Progress of a command as a number: what it does to its output, half-written files, and the work between."""

import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

EVENTS: Final = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
)
"""Audit events of Python that touch files; each is a point, just before it happens."""


class Points:
    """Counts the points of this process, and ends or stops it at one of them.

    Args:
        root: events below this folder count.
        at: the point, counted from 1; None for none.
        act: the signal sent to this process at that point.
    """

    def __init__(self, root: Path, at: int | None, act: signal.Signals) -> None:
        self.root, self.at, self.act = str(root), at, act
        self.count = 0

    def reach(self) -> None:
        """One point further."""
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), self.act)

    def install(self) -> None:
        """Count from now on, in this process, which is about to run a command."""
        sys.addaudithook(self._event)
        self._wrap(os, "fsync")
        self._wrap(os, "replace", before=False)
        self._halve_writes()

    def around(self, place: Any, name: str) -> None:
        """Count each call of a function before and after it."""
        self._wrap(place, name)

    def after_passes(self) -> None:
        """Count every forward pass of a whole model."""
        from torch.nn.modules.module import register_module_forward_hook

        def passed(module: object, *_: object) -> None:
            if type(module).__name__.endswith("ForConditionalGeneration"):
                self.reach()

        register_module_forward_hook(passed)

    def _event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in EVENTS and arguments and self._inside(arguments[0]) and self._writes(name, arguments):
            self.reach()

    def _inside(self, path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and _absolute(path).startswith(self.root)

    @staticmethod
    def _writes(name: str, arguments: tuple[Any, ...]) -> bool:
        """Of files that are opened, those that are opened for writing."""
        return name != "open" or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    def _wrap(self, place: Any, name: str, *, before: bool = True) -> None:
        function: Callable[..., Any] = getattr(place, name)

        @functools.wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            if before:
                self.reach()
            result = function(*arguments, **named)
            self.reach()
            return result

        setattr(place, name, counted)

    def _halve_writes(self) -> None:
        """What is written in one call reaches the file in two halves, with a point between."""
        opened = Path.open

        def open_halved(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            file = opened(path, mode, *arguments, **named)
            if mode in ("wb", "xb") and self._inside(path):
                return _Halves(file, self.reach)
            return file

        Path.open = open_halved  # type: ignore[method-assign, assignment]


def _absolute(path: "str | bytes | os.PathLike[str]") -> str:
    return str(Path(os.fsdecode(path)).absolute())


class _Halves(io.RawIOBase):
    """A file that is written half by half."""

    def __init__(self, file: Any, reach: Callable[[], None]) -> None:
        self._file, self._reach = file, reach

    def write(self, content: Any) -> int:
        """Half, a point, the other half, a point."""
        view = memoryview(content).cast("B")
        for part in (view[: len(view) // 2], view[len(view) // 2 :]):
            self._file.write(part)
            self._file.flush()
            self._reach()
        return len(view)

    def __getattribute__(self, name: str) -> Any:
        if name in ("write", "_file", "_reach", "__class__", "__enter__", "__exit__"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_file"), name)

    def __enter__(self) -> "_Halves":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
