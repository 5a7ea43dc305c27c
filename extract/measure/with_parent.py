"""Ends processes with the one that started them. Imports nothing heavy: this runs before torch is imported."""

import ctypes
import os
import signal
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""From prctl.h of Linux."""


def end_with_parent(parent: int) -> None:
    """Have this process killed as soon as its parent ends, which may itself have been killed.

    Otherwise it would go on running, or hold the lock of the run folder, for some seconds. Works only on Linux.

    Args:
        parent: process id of the parent; if it has already ended, this process exits here.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
