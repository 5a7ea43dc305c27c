"""How a command ends: exit codes, one sentence for a user's mistake, one JSON object where it is asked for."""

import errno
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import pid_lvlm
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, Quiet, make_app
from pid_lvlm.data.command.result import CommandResult, Failure
from pid_lvlm.data.command.system import ADVICE, system_sentence
from pid_lvlm.data.errors import PidError

Ended = tuple[int, str, str]


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command whose body is a function; returns exit code, standard output and standard error."""

    def run(body: Callable[[], object], *arguments: str, extra: str | None = None) -> Ended:
        app = make_app()

        @app.command()
        def command(count: int = 0, quiet: Quiet = False, as_json: AsJson = False) -> object:
            typer.echo("for people")
            return body()

        monkeypatch.setattr(sys, "argv", ["a-command", *arguments])
        with pytest.raises(SystemExit) as left:
            run_command("a-command", app, extra=extra, needs_arguments=False)
        return (left.value.code, *capsys.readouterr())  # type: ignore[return-value]

    return run


def raiser(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PidError("the file is wrong"), 2, "error: the file is wrong\n"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out.npz"),
            2,
            "error: cannot write `out.npz`: No space left on device; free some space or choose another --out\n",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "out.npz"),
            2,
            "error: cannot write `out.npz`: Read-only file system; choose another --out\n",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "out.npz"),
            2,
            "error: cannot use `out.npz`: Permission denied; check its permissions or choose another --out\n",
        ),
    ],
)
def test_users_errors_are_one_sentence(end, error, code, said):
    assert end(raiser(error)) == (code, "for people\n", said)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logs are written: a folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class PanicException(BaseException):
    """As polars raises it: not an Exception."""


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("odd"),
        OSError(errno.ENOTCONN, "odd"),
        ImportError("odd", name="pid_lvlm.data.odd"),
        RecursionError("odd"),
        PanicException("odd"),
        SystemExit("odd"),
        UnicodeEncodeError("ascii", "odd", 0, 1, "odd"),
        ValueError("odd " * 10_000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_our_own_faults_are_one_sentence_and_a_log(end, logs, error):
    code, out, said = end(raiser(error), extra="estimate")
    assert (code, out, said.count("\n")) == (70, "for people\n", 1)
    assert said.startswith(f"error: this is a bug in pid-lvlm, not a mistake in your input: {type(error).__name__}: ")
    assert len(said) < 500
    (log,) = logs.iterdir()
    assert said.endswith(f"; please report it with the log {log}\n")
    content = log.read_text()
    assert content.startswith(f"pid-lvlm {pid_lvlm.__version__}, Python ")
    assert "arguments: ['a-command']" in content
    assert "Traceback (most recent call last):" in content
    code, out, _ = end(raiser(error), "--json")
    content = json.loads(out)
    assert (code, content["exit_code"]) == (70, 70)
    assert Path(content["log"]).parent == logs


def test_a_log_that_cannot_be_written_costs_only_the_log(end, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    code, _, said = end(raiser(ZeroDivisionError("odd")))
    assert code == 70
    assert "with this sentence (a log cannot be written; raised in" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files"), "raise the limit with `ulimit -n`"),
        (OSError(errno.EIO, "Input/output error", b"x"), "cannot use `x`: Input/output error; check the disk"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 9000), "shorten the name"),
        (FileNotFoundError(2, "No such file or directory", "x"), "check the path"),
    ],
)
def test_what_the_machine_refuses_is_for_the_user(end, error, said):
    code, _, sentence = end(raiser(error))
    assert (code, sentence.count("\n")) == (2, 1)
    assert said in sentence
    assert len(sentence) < 500


@given(number=st.sampled_from(sorted(errno.errorcode)), name=st.none() | st.text(max_size=500))
def test_no_errno_is_a_traceback(number, name):
    sentence = system_sentence(OSError(number, os.strerror(number), name))
    assert sentence is None or (name is not None or number in ADVICE)
    assert name is None or sentence is not None


def test_no_control_character_reaches_the_terminal(end):
    code, _, said = end(raiser(PidError("a name \x1b[2J\u202e\x9b\ud800 with\n  - a line")))
    assert (code, said) == (2, "error: a name \\x1b[2J\\u202e\\x9b\\ud800 with\n  - a line\n")


def test_wrong_usage_is_one_sentence(end):
    for arguments, sentence in (
        (("--count", "x"), "error: invalid value for '--count': "),
        (("--cuont", "1"), "error: no such option: --cuont"),
        (("more",), "error: got unexpected extra argument"),
        (("[" * 100_000,), "error: got unexpected extra argument"),
        (("--count", "x" * 100_000), "error: invalid value for '--count': "),
    ):
        code, out, said = end(lambda: None, *arguments)
        assert (code, out, said.count("\n")) == (2, "", 1)
        assert said.startswith(sentence)
        assert said.endswith(" (see a-command --help)\n")
        assert len(said) < 1100


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (CommandResult(failed=1), 1)])
def test_the_code_is_what_the_command_returns(end, returned, code):
    assert end(lambda: returned) == (code, "for people\n", "")


@dataclass(frozen=True, kw_only=True)
class Baking(CommandResult):
    oven: Path


def test_json_is_the_only_thing_on_standard_output(end):
    burnt = Baking(done=2, failed=1, failures=(Failure("bun", "too hot"),), oven=Path("kitchen"))
    code, out, err = end(lambda: burnt, "--json")
    assert (code, err) == (1, "for people\n")
    content = json.loads(out)
    assert content.pop("seconds") >= 0
    assert content.pop("version")
    assert content == {
        "command": "a-command",
        "exit_code": 1,
        "action": "run",
        "done": 2,
        "skipped": 0,
        "failed": 1,
        "failures": [{"what": "bun", "reason": "too hot"}],
        "oven": "kitchen",
    }
    assert end(lambda: burnt, "--json", "-q")[2] == ""


@pytest.mark.parametrize(
    ("error", "arguments", "code", "said"),
    [
        (PidError("the file is wrong"), (), 2, "the file is wrong"),
        (KeyboardInterrupt(), (), 130, "interrupted; run the same command again to continue"),
        (PidError(""), ("--count", "x"), 2, "invalid value for '--count'"),
    ],
)
def test_an_error_is_a_json_object_too(end, error, arguments, code, said):
    left, out, err = end(raiser(error), "--json", *arguments)
    content = json.loads(out)
    assert (left, content["exit_code"]) == (code, code)
    assert said in content["error"]
    assert said in err


def test_help_is_for_people_even_beside_json(end):
    code, out, _ = end(lambda: None, "--json", "--help")
    assert code == 0
    assert "Usage: a-command" in out
