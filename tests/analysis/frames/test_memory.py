import polars as pl

from pid_lvlm.analysis.frames.memory import always_remembered, remembered, remembering


def test_a_frame_is_computed_once_while_remembering():
    calls = []

    @remembered
    def height(frame, times=1):
        calls.append(times)
        return frame.height * times

    one, other = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1, 2]})
    with remembering():
        assert [height(one), height(one), height(other), height(one, times=3)] == [1, 1, 2, 3]
    assert calls == [1, 1, 3]
    assert [height(one), height(one)] == [1, 1]
    assert calls == [1, 1, 3, 1, 1]


def test_results_of_very_many_rows_are_not_kept_but_for_those_that_are_the_frame_itself():
    calls = []

    def same(frame):
        calls.append(frame.height)
        return frame.with_columns(b=1)

    large = pl.DataFrame({"a": range(20_001)})
    with remembering():
        assert remembered(same)(large) is not remembered(same)(large)
        assert len(calls) == 2
        assert always_remembered(same)(large) is always_remembered(same)(large)
