"""Exit codes and messages that the three commands share."""

import errno

import pytest

from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.errors import PidError


def raiser(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PidError("the file is wrong"), 2, "error: the file is wrong\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "out.npz"), 2, "cannot write `out.npz`: No space left"),
        (OSError(errno.EROFS, "Read-only file system", "out.npz"), 2, "Read-only"),
    ],
)
def test_users_errors_are_one_sentence(capsys, error, code, said):
    with pytest.raises(SystemExit) as left:
        run_command(raiser(error))
    assert left.value.code == code
    assert said in capsys.readouterr().err


def test_our_own_faults_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)
    with pytest.raises(OSError, match="odd"):
        run_command(raiser(OSError(errno.ENOTCONN, "odd", "x")))


def test_success_leaves_with_zero():
    with pytest.raises(SystemExit) as left:
        run_command(lambda: None)
    assert left.value.code == 0
