"""Signals and standard streams of a process that belongs to a command.

Ctrl-C and SIGTERM raise KeyboardInterrupt in the main thread, as always in Python. A library may swallow it, or not
return to Python for minutes while it compiles, so a separate thread ends the process a little later. During an import
the process ends at once: extension modules crash if an exception interrupts their initialisation. Both are safe,
since every file is written whole or not at all.

A failing standard output or error never aborts a command: a full disk or a closed pipe is remembered, and what was
being computed is kept.
"""

import atexit
import errno
import io
import os
import signal
import sys
import threading
from select import select

TYPE_CHECKING = False
if TYPE_CHECKING:  # during every import Ctrl-C would end in a traceback
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

GRACE = 1.2
"""Seconds that an interrupted command has to end by itself."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _State:
    """State of this process."""

    owned = False
    received = 0
    code: int | None = None
    """The command's exit code, once its work is done."""
    last_words: "Callable[[], tuple[str, str]]" = staticmethod(lambda: ("interrupted; nothing was written", ""))
    said = threading.Lock()
    stdout: "_Stream | None" = None


def own_process() -> None:
    """Take over the signals and standard streams of this process. Only for commands, which own their process."""
    if _State.owned or threading.current_thread() is not threading.main_thread():
        return
    _State.owned = True
    _watch_signals()
    _open_closed_streams()
    _State.stdout = _sturdy("stdout", 1)
    _sturdy("stderr", 2)
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_thread
    os.register_at_fork(before=_hold, after_in_parent=_resume, after_in_child=_release)


def at_interruption(last_words: "Callable[[], tuple[str, str]]") -> None:
    """Set what an interrupted process prints on standard error and standard output if it cannot end by itself."""
    _State.last_words = staticmethod(last_words)


def interrupted() -> int:
    """The signal that has interrupted this process, or 0."""
    return _State.received


def is_owned() -> bool:
    """Whether this process belongs to a command."""
    return _State.owned


def speak() -> bool:
    """Whether the caller is the one to print the last words; true only once."""
    return _State.said.acquire(blocking=False)


def ends_with(code: int) -> None:
    """Mark the work as done: from now on a signal ends the process at once, with this code."""
    _State.code = code


def lost_output() -> OSError | None:
    """Why standard output could not be written; None if it could, or if its reader has closed it."""
    return None if _State.stdout is None else _State.stdout.failure


def finish(code: int) -> None:
    """Exit with a code. Python's own exit would wait for library threads, and a signal would kill it meanwhile."""
    ends_with(code)
    try:
        if not _State.received:  # otherwise in a hurry
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def leave(number: int = 0) -> None:
    """End an interrupted process at once, printing its last words unless that was done."""
    number = _State.received or number or signal.SIGINT
    code = 128 + number if _State.code is None else _State.code
    try:
        if _State.code is None and speak():
            for stream, text in zip((2, 1), _State.last_words(), strict=True):
                if text:
                    os.write(stream, f"{text}\n".encode(errors="backslashreplace"))
    except (OSError, RuntimeError):
        pass  # nobody is reading
    finally:
        os._exit(code)


def _watch_signals() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as in a background job
                signal.signal(number, _handle)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    except ValueError:  # an interpreter embedded in another program
        return
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()


def _handle(number: int, frame: "FrameType | None") -> None:
    if _State.code is not None or _importing(frame):
        leave(number)
    if not _State.received:  # a second one would interrupt the clean end of the first; `_watch` handles it
        _State.received = number
        raise KeyboardInterrupt


def _importing(frame: "FrameType | None") -> bool:
    """Whether a frame, or one that it returns to, is Python's import system."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _watch(reader: int) -> None:
    first = _next_signal(reader, None)
    second = _next_signal(reader, GRACE)
    leave(second or first)


def _next_signal(reader: int, seconds: float | None) -> int:
    """The next signal that ends a process; 0 if none arrives in time. Others, such as alarms, are ignored."""
    while select([reader], [], [], seconds)[0]:
        found = [number for number in os.read(reader, 64) if number in SIGNALS]
        if found:
            return found[0]
    return 0


def _hold() -> None:
    """Before a fork: Python would lose a signal that reaches the child too early."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _resume() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _release() -> None:
    """In a forked child: the parent's signal handling does not apply."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _resume()


def _open_closed_streams() -> None:
    """Keep a file opened later from becoming standard error if the shell has closed that."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number


class _Stream(io.FileIO):
    """A standard stream that remembers a write failure instead of raising it."""

    failure: OSError | None = None

    def write(self, content: "Any") -> int:
        """Write everything, or record why that failed."""
        rest = memoryview(content).cast("B")
        size = len(rest)
        try:
            while len(rest):
                written = super().write(rest)
                if written is None:  # nonblocking, and full
                    select([], [self], [], 1)
                rest = rest[written or 0 :]
        except OSError as error:
            if error.errno != errno.EPIPE and self.failure is None:
                self.failure = error
        return size


def _sturdy(name: str, number: int) -> _Stream:
    """Replace a standard stream by one that survives a full disk and text that it cannot encode."""
    former = getattr(sys, name)
    encoding = "utf-8" if former is None else former.encoding
    stream = _Stream(number, "wb", closefd=False)
    lines = name == "stderr" or stream.isatty()
    text = io.TextIOWrapper(io.BufferedWriter(stream), encoding, errors="backslashreplace", line_buffering=lines)
    text.mode = "w"  # type: ignore[misc]  # as in Python's own
    setattr(sys, name, text)
    return stream


def _unraisable(caught: "Any") -> None:
    """An exception in a finalizer or callback, which Python can only report; the signal thread handles Ctrl-C."""
    if not _State.received and caught.exc_value is not None:
        _note(caught.exc_value, "while cleaning up")


def _in_thread(caught: "Any") -> None:
    if not _State.received and caught.exc_value is not None and not issubclass(caught.exc_type, SystemExit):
        _note(caught.exc_value, "in a thread")


def _note(error: BaseException, where: str) -> None:
    from pid_lvlm.faults import brief, write_log

    log = write_log(error)
    sys.stderr.write(f"warning: {brief(error)} {where}{f'; see {log}' if log else ''}\n")
