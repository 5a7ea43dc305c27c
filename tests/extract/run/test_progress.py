"""What a user sees while waiting: on a terminal always something, in a file no decoration, when quiet nothing."""

import pytest

from pid_lvlm.extract.run.progress import Reporter, Work


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


class Clock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pid_lvlm.extract.run.progress.monotonic", clock)
    return clock


def test_several_runs_are_one_sequence_with_one_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Two samples a second; the second run is complete already, the third still needs 100 samples."""
    reporter = Reporter()
    reporter.sequence([100, 1000, 100])
    reporter.begin(1)
    with reporter.task("tiny__a: 4 conditions", 100) as advance:
        clock.now = 20
        advance(40)
        clock.now = 50
        advance(60)
    reporter.finished("tiny__a: 100 samples")
    reporter.begin(2)
    reporter.finished("tiny__b: already complete")
    reporter.begin(3)
    with reporter.task("tiny__c: noise statistics", 50, left=100) as advance:
        clock.now = 66
        advance(32)
    reporter.begin(3)
    reporter.finished("tiny__c: 50 samples")
    assert capsys.readouterr().err.splitlines() == [
        "run 1 of 3: tiny__a: 4 conditions: 40 of 100 samples, 2.0 samples/s, 10 min left for all runs",
        "run 1 of 3: tiny__a: 100 samples, 9 min left for all runs",
        "run 2 of 3: tiny__b: already complete, 50 s left for all runs",
        "run 3 of 3: tiny__c: noise statistics: 32 of 50 samples, 2.0 samples/s, 34 s left for all runs",
        "run 3 of 3: tiny__c: 50 samples",
    ]


def test_a_single_run_has_no_number(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.sequence([80])
    reporter.begin(1)
    with reporter.task("tiny__a: 4 conditions", 20, passes=4) as advance:
        clock.now = 20
        advance(10)
    reporter.finished("tiny__a: 20 samples")
    errors = capsys.readouterr().err
    assert errors == "tiny__a: 4 conditions: 10 of 20 samples, 0.5 samples/s, 20 s left\ntiny__a: 20 samples\n"


def test_the_bar_on_a_terminal_names_run_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    reporter = Reporter()
    reporter.sequence([10, 10])
    reporter.begin(1)
    with reporter.task("tiny__a: 4 conditions", 10) as advance:
        advance(5)
    errors = capsys.readouterr().err
    assert "run 1 of 2: tiny__a: 4 conditions" in errors
    assert "left for all runs" in errors


def test_pieces_of_work_that_take_turns_have_a_line_and_a_speed_each(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten samples of four passes in 20 s, then forty pairs in 20 s: a pass takes half a second, and 80 are left."""
    reporter = Reporter()
    reporter.sequence([160])
    reporter.begin(1)
    works = [Work("conditions", 20, passes=4), Work("crossed pairs", 80, unit="pairs")]
    with reporter.tasks(works) as (samples, pairs):
        clock.now = 20
        samples(10)
        clock.now = 40
        pairs(40)
    assert capsys.readouterr().err.splitlines() == [
        "conditions: 10 of 20 samples, 0.5 samples/s, 60 s left",
        "crossed pairs: 40 of 80 pairs, 2.0 pairs/s, 40 s left",
    ]
