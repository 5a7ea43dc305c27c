import polars as pl

from pid_lvlm.analysis.frames.memory import remembered, remembering


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
