"""Drawing in other processes, as the command does it: what is sent to them, what comes back, and their failures."""

import re

import altair as alt
import polars as pl
import pytest

from pid_lvlm.analysis.report.page import draw
from pid_lvlm.analysis.report.page.draw import Drawing, Job, Running

MORE_THAN_A_PIPE_HOLDS = "x" * 300_000


@pytest.fixture(autouse=True)
def _draw_elsewhere(monkeypatch, _draw_here):
    monkeypatch.setattr(draw, "start", Running)


def _chart(bars):
    return alt.Chart(pl.DataFrame({"x": range(bars), "y": range(bars)})).mark_bar().encode(x="x", y="y").to_dict()


def test_charts_come_back_under_their_names_whichever_process_drew_them():
    drawing = Drawing(["svg", "png"], 0.25)
    try:
        for name, bars in (("c", 3), ("a", 5), ("b", 4_000)):
            drawing.add(name, Job(_chart(bars), 50.0))
        images = drawing.images()
    finally:
        drawing.stop()
    assert list(images) == ["a.png", "a.svg", "b.png", "b.svg", "c.png", "c.svg"]
    widths = {name: float(re.search(rb'width="([0-9.]+)mm"', images[f"{name}.svg"])[1]) for name in "abc"}
    assert widths == {name: pytest.approx(50.0, abs=0.01) for name in "abc"}
    assert all(images[f"{name}.png"].startswith(b"\x89PNG") for name in "abc")


def test_a_drawing_of_nothing_needs_no_process():
    drawing = Drawing(["svg"], 0.25)
    assert drawing.images() == {}
    drawing.stop()


def test_a_program_that_fails_early_is_reported_however_much_it_was_sent():
    running = Running("raise SystemExit('no such engine')", {})
    try:
        for _ in range(3):
            running.send(MORE_THAN_A_PIPE_HOLDS)
        with pytest.raises(RuntimeError, match="ended with code 1: no such engine"):
            running.result()
    finally:
        running.stop()


def test_a_program_that_does_not_read_can_be_stopped():
    running = Running("import time; time.sleep(600)", {})
    running.send(MORE_THAN_A_PIPE_HOLDS)
    running.stop()
    assert running._process.returncode is not None
