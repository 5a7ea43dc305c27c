"""One command at a time on an output. The operating system drops a lock when its process ends, however it ends."""

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
    """The lock of an output: a hidden file beside it, the same whatever the path to the output.

    It is left there if the output is.

    Raises:
        PidError: the output has no folder around it.
    """
    output = Path(os.path.realpath(output))
    if not output.name:
        raise PidError(f"`{output}` cannot be an output; choose another --out")
    return output.with_name(f".{output.name}.lock")


def is_lock(path: Path) -> bool:
    """Whether a file is the lock of an output beside it."""
    return path.name.startswith(".") and path.name.endswith(".lock")


@contextmanager
def locked(output: Path, command: str) -> Iterator[None]:
    """Hold an output for this process.

    Args:
        output: the file or folder that is about to be written; its parent is made if needed.
        command: who asks, as the message to others names it.

    Raises:
        LockedError: another process holds it; the message says which and since when.
        PidError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = lock_file(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        if not path.exists():  # of a file system without such files, such as /proc
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
        else:  # nothing came of it; whoever has opened this file meanwhile finds it unlinked and makes a new one
            with suppress(OSError):
                path.unlink()
        lock.release()


def lock_holder(output: Path) -> str | None:
    """Who writes an output now, as the lock's note says; None if nobody does. The output stays as free as it was."""
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
    """Who holds the lock, for people; the lock holds without it, on a full disk, too."""
    with suppress(OSError):
        path.write_text(text, encoding="utf-8")


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200] or "another command"
    except OSError:
        return "another command"
