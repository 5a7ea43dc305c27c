"""Configures how the process gets memory from the system."""

import ctypes
from typing import Final

# From malloc.h of the GNU C library.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 30


def keep_freed_memory() -> bool:
    """Keep freed memory for the next tensor instead of returning it to the system; True if the C library accepted that.

    By default the GNU C library maps every large block anew and unmaps it when it is freed. A small model on a CPU
    allocates such blocks all the time: extraction of the demo spent 40 % of its time on fresh pages. Peak memory stays
    the same. Other C libraries lack this switch; nothing changes there.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGE))
