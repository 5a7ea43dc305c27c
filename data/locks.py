"""Allows one command at a time per output. The operating system releases a lock when its process ends in any way."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pid_lvlm.data.errors import PidError


class LockedError(PidError):
    """Another command is writing this output."""


def lock_file(output: Path) -> Path:
    """The lock of an output: a hidden file next to it, the same for every path to the output.

    It stays if the output does.

    Raises:
        PidError: the output has no parent folder.
    """
    output = Path(os.path.realpath(output))
    if not output.name:
        raise PidError(f"`{output}` cannot be an output; choose another --out")
    return output.with_name(f".{output.name}.lock")


def is_lock(path: Path) -> bool:
    """Whether a file is the lock of an output next to it."""
    return path.name.startswith(".") and path.name.endswith(".lock")


@contextmanager
def locked(output: Path, command: str) -> Iterator[None]:
    """Lock an output for this process.

    Args:
        output: the file or folder to be written; its parent is created if needed.
        command: the name of this command in messages to others.

    Raises:
        LockedError: another process holds the lock; the message says which and since when.
        PidError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = lock_file(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        if not path.exists():  # from a file system without such files, such as /proc
            raise PidError(f"`{path.parent}` cannot be written; choose another --out") from None
        raise LockedError(f"`{output}` is being written by {_holder(path)}; wait for it, or stop it") from None
    except OSError as error:
        reason = error.strerror or error
        if isinstance(error, FileExistsError | NotADirectoryError):
            above = [place for place in path.parents if place.exists() and not place.is_dir()]
            reason = f"`{above[0]}` is not a folder" if above else reason
        raise PidError(f"cannot lock `{output}`: {reason}; choose another --out") from error
    try:
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        _note(path, f"{command} (process {os.getpid()} on {socket.gethostname()}) since {since}")
        yield
    finally:
        if output.exists():
            _note(path, "")
        else:  # no output; whoever has opened this file meanwhile finds it unlinked and creates a new one
            with suppress(OSError):
                path.unlink()
        lock.release()


def lock_holder(output: Path) -> str | None:
    """Who is writing an output now, from the lock's note; None if nobody is. Does not lock the output."""
    import fcntl

    path = lock_file(output)
    try:
        if not path.stat().st_size:  # released
            return None
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(path)
    except OSError:
        return None
    return None


def _note(path: Path, text: str) -> None:
    """Write who holds the lock, for people to read. The lock works without it, also on a full disk."""
    with suppress(OSError):
        path.write_text(text, encoding="utf-8")


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200] or "another command"
    except OSError:
        return "another command"
