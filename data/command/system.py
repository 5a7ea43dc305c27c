"""Errors of the operating system: files, memory, handles. The user can fix them, so each becomes one sentence."""

import errno
import os
from typing import Final

_SPACE: Final = "free some space or choose another --out"

ADVICE: Final = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EROFS: "choose another --out",
    errno.EACCES: "check its permissions or choose another --out",
    errno.EPERM: "check its permissions or choose another --out",
    errno.EMFILE: "raise the limit with `ulimit -n`",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "free some memory",
    errno.EAGAIN: "close other programs, or raise the limit with `ulimit -u`",
    errno.EIO: "check the disk",
    errno.ESTALE: "mount the folder again",
    errno.EINTR: "run the same command again",
    errno.ETIMEDOUT: "check the disk or the network",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "repair the symbolic link",
    errno.ETXTBSY: "end the program that uses it",
    errno.EBUSY: "end the program that uses it",
}
"""Advice for system errors that the program did not cause."""

WRITING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

_MEMORY: Final = ("OutOfMemoryError", "RESOURCE_EXHAUSTED", "DefaultCPUAllocator: can't allocate memory")
"""How torch, jax and their devices report a lack of memory: error names, or parts of their messages."""


def system_sentence(error: BaseException) -> str | None:
    """A sentence about a system error; None if the error has another cause.

    Example:
        >>> system_sentence(FileNotFoundError(2, "No such file or directory", "items.csv"))
        'cannot use `items.csv`: No such file or directory; check the path'
    """
    if isinstance(error, MemoryError) or any(mark in f"{type(error).__name__} {error}"[:2000] for mark in _MEMORY):
        return "not enough memory; free some, or use smaller batches, shards or inputs"
    if not isinstance(error, OSError) or (error.filename is None and error.errno not in ADVICE):
        return None
    reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    advice = ADVICE.get(error.errno or 0, "check the path")
    if error.filename is None:
        return f"the system refuses: {reason}; {advice}"
    verb = "write" if error.errno in WRITING else "use"
    return f"cannot {verb} `{_path(error.filename)}`: {reason}; {advice}"


def _path(name: object) -> str:
    text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    return text if len(text) <= 300 else f"{text[:299]}…"
