"""How a command runs and ends: exit codes, one sentence for a user error, one JSON object with `--json`."""

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
from pid_lvlm import process
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.command.extras import missing_packages, raised_in
from pid_lvlm.data.command.options import HELP_OPTIONS, JSON_OPTION, QUIET_OPTIONS, VERSION_OPTION
from pid_lvlm.data.command.result import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_WITH_FAILURES,
    CommandResult,
    to_json,
)
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.system import system_sentence
from pid_lvlm.data.errors import PidError
from pid_lvlm.faults import fault_sentence, write_log

AGAIN: Final = "run the same command again to continue"

_LONGEST: Final = 20_000
"""Maximum characters of a printed sentence; none of our own is that long."""
_LONGEST_USAGE: Final = 1_000
"""Maximum characters of a sentence about options, which repeats what was typed."""


@dataclass(frozen=True)
class _Ending:
    """How a command ended: its exit code, and its result or an error message.

    Attributes:
        log: file with the traceback of a bug in pid-lvlm.
    """

    code: int
    content: CommandResult | str | None = None
    log: str | None = None


@dataclass(frozen=True)
class _Command:
    """The running command, for all the ways in which it can end."""

    name: str
    kept: str
    as_json: bool
    started: float

    def last_words(self) -> tuple[str, str]:
        """Text for standard error and standard output of a process that cannot end by itself."""
        ending = self.interrupted()
        return str(ending.content), self.json(ending) if self.as_json else ""

    def interrupted(self) -> _Ending:
        """The outcome on Ctrl-C."""
        code = 128 + process.interrupted() if process.interrupted() else EXIT_INTERRUPTED
        return _Ending(code, f"interrupted; {self.kept + ': ' if self.kept else ''}{AGAIN}")

    def json(self, ending: _Ending) -> str:
        """The object of `--json`."""
        seconds = time.perf_counter() - self.started
        return to_json(
            self.name, pid_lvlm.__version__, ending.code, seconds, ending.content or CommandResult(), ending.log
        )


def run_command(
    name: str,
    app: Callable[..., object],
    *,
    extra: str | None = None,
    needs_arguments: bool = True,
    kept: str = "",
) -> NoReturn:
    """Run a command with the arguments of this process and exit with its exit code.

    A user error prints one sentence on standard error; a bug in pid-lvlm one that names a log with the traceback. With
    `--json`, standard output holds one object, the `CommandResult` that the command returns or `{"error": …}`, and
    everything else goes to standard error.

    Args:
        name: the command as its users type it.
        app: the typer application; its command may return a `CommandResult`.
        extra: the project extra that the command needs (`pid_lvlm.data.command.extras`).
        needs_arguments: whether to show the help if there are no arguments.
        kept: what an interrupted command leaves, such as `every whole shard is kept`.
    """
    if sys.argv[:1] == ["-c"]:  # `python -c "from … import main; main()"`; `pid_lvlm.commands` has done it already
        process.own_process()
    arguments = sys.argv[1:]
    # checked here, since the object is also needed if the options cannot be parsed
    as_json = JSON_OPTION in arguments and not {*HELP_OPTIONS, VERSION_OPTION} & {*arguments}
    command = _Command(name, kept, as_json, time.perf_counter())
    process.at_interruption(command.last_words)
    if as_json:
        with redirect_stdout(StringIO() if {*QUIET_OPTIONS} & {*arguments} else sys.stderr):
            ending = _run(command, app, arguments, extra)
    elif needs_arguments and not arguments:
        ending = _run(command, app, HELP_OPTIONS[:1], extra)
        ending = _Ending(EXIT_BAD_INPUT) if ending.code == EXIT_DONE else ending
    else:
        ending = _run(command, app, arguments, extra)
    _end(command, ending)


def _end(command: _Command, ending: _Ending) -> NoReturn:
    """Print the outcome and exit."""
    if process.interrupted() and ending.code not in (EXIT_DONE, command.interrupted().code):
        ending = command.interrupted()  # an error caused by it
    if not process.interrupted() or ending.code == EXIT_DONE or process.speak():
        _say(command, ending)
    lost = _flush()
    if lost is not None and ending.code in (EXIT_DONE, EXIT_WITH_FAILURES):
        sys.stderr.write(f"error: cannot write to standard output: {lost.strerror}; what was computed is kept\n")
        ending = _Ending(EXIT_BAD_INPUT)
    if process.is_owned():
        process.finish(ending.code)
    sys.exit(ending.code)


def _say(command: _Command, ending: _Ending) -> None:
    if isinstance(ending.content, str):
        sentence = displayable(ending.content, _LONGEST, keep="\n\t")
        head = "" if ending.code == command.interrupted().code else "error: "
        sys.stderr.write(f"{head}{sentence}\n")
    if command.as_json and ending.content is not None:
        sys.stdout.write(command.json(ending) + "\n")


def _run(command: _Command, app: Callable[..., object], arguments: Sequence[str], extra: str | None) -> _Ending:
    try:
        ended = app(args=list(arguments), prog_name=command.name, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return command.interrupted()
    except BaseException as error:
        return _failed(command, error, extra)
    if isinstance(ended, CommandResult):
        return _Ending(ended.exit_code, ended)
    if ended == EXIT_INTERRUPTED:  # typer's own answer to Ctrl-C
        return command.interrupted()
    return _Ending(ended if isinstance(ended, int) else EXIT_DONE)


def _failed(command: _Command, error: BaseException, extra: str | None) -> _Ending:
    """The outcome of an error: exit code 2 for what the user can fix, 70 for a bug in pid-lvlm."""
    sentence: str | None
    if isinstance(error, PidError):
        sentence = str(error)
    elif hasattr(error, "format_message"):  # click's usage errors, which typer may ship under another name
        sentence = _usage_sentence(command.name, error)
    elif isinstance(error, ImportError) and extra is not None:
        sentence = missing_packages(error, extra)
    else:
        sentence = system_sentence(error)
    if sentence is not None:
        return _Ending(EXIT_BAD_INPUT, sentence)
    if isinstance(error, SystemExit) and raised_in(error).startswith("typer."):
        raise error  # it has answered a shell completion
    if process.interrupted():
        return command.interrupted()
    log = write_log(error)
    return _Ending(EXIT_FAULT, fault_sentence(error, log), log)


def _usage_sentence(name: str, error: Any) -> str:
    message = " ".join(str(error.format_message()).split()).rstrip(".").replace(": Value error, ", ": ")
    return f"{cut(message[:1].lower() + message[1:], _LONGEST_USAGE)} (see {name} {HELP_OPTIONS[0]})"


def _flush() -> OSError | None:
    """Flush the output; returns why that failed, unless a reader such as `head` has closed the pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return process.lost_output()
