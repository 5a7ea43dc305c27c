import json

import pytest

from pid_lvlm.analysis.report import terminal
from pid_lvlm.analysis.report.terminal import open_page, summary_text


def test_the_summary_in_every_form(five_tasks, make_row, make_frame):
    rows = json.loads(summary_text(five_tasks, "json"))
    assert {row["dataset"]: row["synergy"] for row in rows}["demo-fusion"] == 2.0
    lines = summary_text(five_tasks, "markdown").splitlines()
    assert lines[0].startswith("| model | dataset | R redundancy |")
    assert lines[1] == f"|:--|:--{'|--:' * (lines[0].count('|') - 3)}|"
    assert len(lines) == 2 + five_tasks.height
    table = summary_text(five_tasks, "table")
    assert "2.00 ± 0.01" in table
    assert "model" in table.splitlines()[0]
    odd = summary_text(make_frame([make_row("d", model="[bold]a|b\x1b[2J")]), "markdown")
    assert "[bold]a\\|b␛[2J" in odd
    assert "[bold]a|b␛[2J" in summary_text(make_frame([make_row("d", model="[bold]a|b\x1b[2J")]), "table")


def test_without_a_successful_fit_it_says_so(make_row, make_frame):
    failed = make_frame([make_row(result="nonfinite_loss")])
    assert summary_text(failed, "table") == "No fit succeeded at the final layer of a model."
    assert summary_text(failed, "json") == "[]"


@pytest.mark.parametrize(("opens", "said"), [(True, ""), (False, "no browser can be opened here; open ")])
def test_the_page_is_opened_or_named(monkeypatch, tmp_path, opens, said):
    asked = []
    monkeypatch.setenv("BROWSER", "some")
    monkeypatch.setattr(terminal.webbrowser, "open", lambda address: asked.append(address) or opens)
    assert open_page(tmp_path / "index.html").startswith(said) is True
    assert asked == [(tmp_path / "index.html").resolve().as_uri()]


def test_no_browser_of_the_terminal_is_started(monkeypatch, tmp_path):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(terminal.sys, "platform", "linux")
    monkeypatch.setattr(terminal.webbrowser, "open", lambda _: pytest.fail("opened"))
    assert str(tmp_path / "index.html") in open_page(tmp_path / "index.html")
