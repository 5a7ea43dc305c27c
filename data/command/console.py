"""What the three commands share at the console: a user's mistake is one sentence and an exit code, no traceback."""

import errno
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from pid_lvlm.data.errors import PidError

EXIT_DONE: Final = 0
EXIT_WITH_FAILURES: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run a command's entry point and leave with its exit code; print a user's error as one sentence."""
    try:
        command()
    except PidError as error:
        fail(str(error))
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as leaving:  # typer catches Ctrl-C itself and leaves with the code alone
        if leaving.code == EXIT_INTERRUPTED:
            _say_interrupted()
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT):
            raise
        fail(f"cannot write `{error.filename}`: {error.strerror}; free space or choose another --out")
    sys.exit(EXIT_DONE)


def _say_interrupted() -> None:
    sys.stderr.write("\ninterrupted; the same command continues where this one stopped\n")


def fail(message: str) -> NoReturn:
    """Print one error and leave with the exit code for bad input."""
    sys.stderr.write(f"error: {message}\n")
    sys.exit(EXIT_BAD_INPUT)
