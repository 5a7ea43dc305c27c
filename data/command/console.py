"""How a command runs and ends: exit codes, one sentence for a user's mistake, one JSON object where it is asked for."""

import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, NoReturn

import typer

import pid_lvlm
from pid_lvlm.data.command.extras import missing_packages
from pid_lvlm.data.command.options import HELP_OPTIONS, JSON_OPTION, QUIET_OPTIONS, VERSION_OPTION
from pid_lvlm.data.command.result import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    CommandResult,
    to_json,
)
from pid_lvlm.data.errors import PidError

INTERRUPTED: Final = "interrupted; run the same command again to continue"

WRITE_ADVICE: Final = {
    errno.ENOSPC: "free some space or choose another --out",
    errno.EDQUOT: "free some space or choose another --out",
    errno.EROFS: "choose another --out",
    errno.EACCES: "check its permissions or choose another --out",
}
"""What to do about errors of the file system that the program did not cause."""


@dataclass(frozen=True)
class _Ending:
    """How a command ended: its exit code, and its result or the sentence that says what was wrong."""

    code: int
    content: CommandResult | str | None = None


def run_command(
    name: str, app: Callable[..., object], *, extra: str | None = None, needs_arguments: bool = True
) -> NoReturn:
    """Run a command with the arguments of this process and leave with its exit code.

    A user's mistake is one sentence on standard error. With `--json`, standard output holds one object, the
    `CommandResult` that the command returns or `{"error": …}`, and whatever else would be printed there goes to
    standard error.

    Args:
        name: the command as its users type it.
        app: the typer application; its command may return a `CommandResult`.
        extra: the extra of the project that the command needs (`pid_lvlm.data.command.extras`).
        needs_arguments: without any, the help is shown.
    """
    started = time.perf_counter()
    arguments = sys.argv[1:]
    # Looked for here, since the object is also wanted where the options cannot be parsed.
    as_json = JSON_OPTION in arguments and not {*HELP_OPTIONS, VERSION_OPTION} & {*arguments}
    if as_json:
        with redirect_stdout(StringIO() if {*QUIET_OPTIONS} & {*arguments} else sys.stderr):
            ending = _run(name, app, arguments, extra)
    elif needs_arguments and not arguments:
        _run(name, app, HELP_OPTIONS[:1], extra)
        ending = _Ending(EXIT_BAD_INPUT)
    else:
        ending = _run(name, app, arguments, extra)
    if isinstance(ending.content, str):
        sys.stderr.write(ending.content + "\n" if ending.code == EXIT_INTERRUPTED else f"error: {ending.content}\n")
    if as_json and ending.content is not None:
        seconds = time.perf_counter() - started
        sys.stdout.write(to_json(name, pid_lvlm.__version__, ending.code, seconds, ending.content) + "\n")
    _flush()
    sys.exit(ending.code)


def _run(name: str, app: Callable[..., object], arguments: Sequence[str], extra: str | None) -> _Ending:
    try:
        ended = app(args=list(arguments), prog_name=name, standalone_mode=False)
    except PidError as error:
        return _Ending(EXIT_BAD_INPUT, str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _Ending(EXIT_INTERRUPTED, INTERRUPTED)
    except ImportError as error:
        if extra is None or (missing := missing_packages(error, extra)) is None:
            raise
        return _Ending(EXIT_BAD_INPUT, missing)
    except OSError as error:
        if (advice := WRITE_ADVICE.get(error.errno or 0)) is None:
            raise
        return _Ending(EXIT_BAD_INPUT, f"cannot write `{error.filename}`: {error.strerror}; {advice}")
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's errors of usage, which typer may ship under another name
            raise
        return _Ending(EXIT_BAD_INPUT, _usage_sentence(name, error))
    if isinstance(ended, CommandResult):
        return _Ending(ended.exit_code, ended)
    if ended == EXIT_INTERRUPTED:  # typer's own answer to Ctrl-C
        return _Ending(EXIT_INTERRUPTED, INTERRUPTED)
    return _Ending(ended if isinstance(ended, int) else EXIT_DONE)


def _usage_sentence(name: str, error: Any) -> str:
    message = " ".join(str(error.format_message()).split()).rstrip(".").replace(": Value error, ", ": ")
    return f"{message[:1].lower()}{message[1:]} (see {name} {HELP_OPTIONS[0]})"


def _flush() -> None:
    """Write what is left; a reader that has closed the pipe, such as `head`, causes no traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
