"""What a user sees while waiting: on a terminal always something, in a file no decoration, when quiet nothing."""

import pytest

from pid_lvlm.extract.run.progress import Reporter


@pytest.mark.parametrize(
    ("terminal", "quiet", "seen"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_work_of_unknown_length_is_named_on_a_terminal(
    terminal: bool, quiet: bool, seen: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # so that rich draws into what pytest captures
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with Reporter(quiet=quiet).wait("loading models/[odd]"):
        pass
    output, errors = capsys.readouterr()
    assert ("loading models/[odd]" in errors) == seen
    assert bool(errors) == seen
    assert output == ""
