"""Reports of hostile tables: names that are code or megabytes, values that are not numbers, folders with traps."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from pid_lvlm.analysis import cli, figures, findings, tables, warnings
from pid_lvlm.analysis.check import check
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError
from pid_lvlm.analysis.figures.base import drawable
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.report.folder import MARKER, UNFINISHED, write_report
from pid_lvlm.analysis.tables.csv_file import csv_bytes
from pid_lvlm.data.bounds import FIGURE_DATASETS, FIGURE_FITS, FIGURE_MODELS, FIGURE_POINTS, PAGE_LISTED, SHOWN_NAME
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.contract.table.result_table import SCHEMA
from pid_lvlm.data.errors import PidError
from tests import ROOT
from tests.analysis.conftest import five_tasks, make_frame, make_row  # noqa: F401

NASTY = (
    "a\x00b",
    "\x1b[2J\x07",
    "line\nbreak\r\n",
    "\u2028\u2029",
    "\u202egnihton",
    "</script><script>alert(1)</script>",
    "]]><b>&amp;\"'",
    "__proto__",
    "constructor",
    "toString",
    "datum.x['y'].z",
    '{"signal": "width"}',
    "${1+1} {{ 7*7 }} {% raw %}",
    "=HYPERLINK('x')",
    "x" * 100_000,
    "x" * 100_001,
    "e" + "\u0301" * 500,
    "\U0001f600\ufffe\ue000",
    " ",
    "",
)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run `pid-report` on a frame; returns exit code, standard error and the report's folder."""

    def run(frame: pl.DataFrame, *arguments: str, out: str = "report"):
        frame.write_parquet(tmp_path / "results.parquet")
        argv = ["pid-report", str(tmp_path / "results.parquet"), "--out", str(tmp_path / out), "--format", "svg"]
        monkeypatch.setattr(sys, "argv", [*argv, *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code, capsys.readouterr().err, tmp_path / out

    return run


def test_nasty_names_are_shown_and_harm_nothing(command, make_row, make_frame):  # noqa: F811
    rows = [
        make_row(f"{name}{i % 2}", model=name, run=f"{name}{i}", stage=name or None, step=i)
        for i, name in enumerate(NASTY)
    ]
    code, err, out = command(make_frame(rows), "--title", "</title>\x1b[2J\u2028" + "y" * 100_000)
    if code == 2:  # refused by the reader
        assert err.count("\n") == 1
        assert len(err) < 2000
        return
    assert code == 0, err
    page = (out / "index.html").read_text()
    body = page.partition("<main>")[2].partition("window.vegaEmbed")[0]
    assert len(body) < 3_000_000
    assert "alert(1)</script>" not in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202e]", body)
    for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
        json.loads(text, parse_constant=pytest.fail)
    summary = (out / "tables/summary.csv").read_text()
    rows_written = list(csv.reader(io.StringIO(summary)))
    assert len(rows_written) == len(NASTY) + 1
    assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows_written)
    assert "x" * 100_000 in summary


@settings(max_examples=40, deadline=None)
@drawn(st.lists(st.text("ab\x1b\u202e\ud7ff …(2)", max_size=200), min_size=1, max_size=8, unique=True))
def test_labels_are_distinct_short_and_stay(names):
    labels = labelled(pl.DataFrame({"model": names}))
    shown = labels["model"].to_list()
    assert len(set(shown)) == len(names)
    assert all(0 < len(label) <= SHOWN_NAME.most and displayable(label) == label for label in shown)
    assert labelled(labels).equals(labels)


def test_many_names_of_one_beginning_stay_apart_and_take_no_time():
    names = [f"{'x' * 200}{i}" for i in range(5_000)]
    labels = labelled(pl.DataFrame({"model": names}))["model"]
    assert labels.n_unique() == len(names)
    assert labels.str.len_chars().max() <= SHOWN_NAME.most


@settings(max_examples=100, deadline=None)
@drawn(
    st.lists(st.one_of(st.text(), st.sampled_from("=+-@\t\r\n＝＋－＠ ").flatmap(lambda c: st.text().map(c.__add__)))),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_no_text_in_a_csv_file_is_a_formula_and_every_row_is_a_line(texts, number):
    frame = pl.DataFrame(
        {"name": texts, "value": [number] * len(texts)}, schema={"name": pl.String, "value": pl.Float64}
    )
    content = csv_bytes(frame).decode()
    rows = list(csv.reader(io.StringIO(content)))[1:]
    assert content.count("\n") == len(rows) + 1 == len(texts) + 1
    for text, (name, value) in zip(texts, rows, strict=True):
        assert not re.match(r"\s*[=+\-@＝＋－＠]", name)
        assert name in (displayable(text), "'" + displayable(text))
        assert float(value) == number


BAD_FRAMES = {
    "a mapping": lambda frame: frame.to_dict(),
    "a missing column": lambda frame: frame.drop("synergy"),
    "text for a number": lambda frame: frame.with_columns(synergy=pl.lit("much")),
    "a number for text": lambda frame: frame.with_columns(model=pl.lit(1)),
    "an empty frame": lambda frame: frame.clear().select("model"),
}


OF_ITEMS = {"case_studies", "CaseStudies"}
"""Of `pid_lvlm.analysis.figures`: about single items, not a result table."""


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_functions_refuse_what_is_no_result_table(kind, five_tasks):  # noqa: F811
    bad = BAD_FRAMES[kind](five_tasks)
    functions = [getattr(figures, name) for name in {*figures.__all__} - OF_ITEMS]
    functions += [getattr(tables, name) for name in tables.__all__ if callable(getattr(tables, name))]
    functions += [findings, warnings, check]
    for function in functions:
        with pytest.raises(ResultTableError, match=r"^result table `results`: .*(expected|such as)"):
            function(bad)


def test_functions_take_numbers_that_are_none(make_row, make_frame):  # noqa: F811
    odd = {"synergy_raw": float("inf"), "synergy_low": float("-inf"), "redundancy_raw": float("nan"), "i_joint": 1e300}
    frame = make_frame([make_row("d", layer=layer, num_layers=3, **odd) for layer in (1, 2, 3)])
    for draw in (figures.spectrum, figures.layers):
        json.dumps(draw(frame).to_dict(), allow_nan=False)
    for draw in (figures.uncertainties, partial(figures.layers, overlay=True, relative=True)):
        json.dumps(draw(frame).to_dict(), allow_nan=False)
    findings(frame), warnings(frame), tables.summary(frame), tables.diagnostics(frame)
    tables.layer_phases(frame), tables.interval_meanings(frame), tables.uncertainties(frame)
    with pytest.raises(NothingToShowError):
        figures.training(frame.clear())


def rows_of(series: int, datasets: int, places: int) -> pl.DataFrame:
    grid = [(f"m{s}", f"d{d:04}", p) for s in range(series) for d in range(datasets) for p in range(places)]
    return pl.DataFrame(grid, schema=["series", "dataset", "layer"], orient="row")


@pytest.mark.parametrize(("series", "datasets", "places"), [(300, 1, 1), (1, 300, 1), (1, 1, 5000), (40, 30, 50)])
def test_a_figure_draws_no_more_than_its_bounds_and_says_so(series, datasets, places):
    drawing = drawable(rows_of(series, datasets, places), "layer")
    frame = drawing.frame
    assert 0 < frame.height <= max(FIGURE_FITS.most, FIGURE_POINTS.most * FIGURE_DATASETS.most)
    assert frame["series"].n_unique() <= FIGURE_MODELS.most
    assert frame["dataset"].n_unique() <= FIGURE_DATASETS.most
    assert frame["layer"].n_unique() <= FIGURE_POINTS.most
    assert frame["layer"].max() == places - 1
    assert re.fullmatch(
        r"Drawn here: .* (models|datasets|curve)\. The result table has all of them\.", drawing.left_out
    )
    assert drawable(rows_of(3, 4, 5), "layer").left_out == ""


def test_lists_on_the_page_are_cut(make_row, make_frame):  # noqa: F811
    rows = [make_row(f"d{i}", model=f"m{i}") for i in range(PAGE_LISTED.most + 60)]
    sentences = findings(make_frame(rows))
    assert len(sentences) == PAGE_LISTED.most + 1
    assert sentences[-1] == "… and 60 more datasets."


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["names", "datasets", "layers", "steps"])
def test_a_hundred_thousand_rows_stay_below_a_gigabyte(kind, tmp_path, make_row):  # noqa: F811
    rows = 100_000
    number = pl.int_range(pl.len())
    frame = pl.concat([pl.DataFrame([make_row("d", layer=1, num_layers=1)], schema=SCHEMA)] * rows, rechunk=True)
    frame = frame.with_columns(problem_id=pl.format("p{}", number), run=pl.format("r{}", number))
    change = {
        "names": {"model": pl.format("m{}", number)},
        "datasets": {"dataset": pl.format("d{}", number)},
        "layers": {"layer": number % 10_000 + 1, "num_layers": 10_000, "run": pl.format("r{}", number // 10_000)},
        "steps": {"step": number, "stage": pl.lit("tune")},
    }[kind]
    frame.with_columns(**change).cast(dict(SCHEMA)).write_parquet(tmp_path / "r.parquet")
    program = (
        "from pid_lvlm.analysis.report.build import build_report; from pathlib import Path\n"
        "build_report([Path('r.parquet')], Path('out'), title='x', formats=['svg', 'png'])\n"
        "print(*[line.split()[1] for line in Path('/proc/self/status').open() if line.startswith('VmHWM')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    assert int(done.stdout) < 2**20  # KiB; getrusage would also count what this process had before the start


FILES = {"index.html": b"new", "figures/spectrum.svg": b"new", "tables/summary.csv": b"new"}


def test_a_report_that_fails_leaves_the_earlier_one_as_it_was(tmp_path, monkeypatch):
    out = tmp_path / "report"
    write_report(out, dict.fromkeys(FILES, b"old"))
    written = []

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) == 3:
            raise PidError("no space left")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr("pid_lvlm.analysis.report.folder.write_atomic", full)
    with pytest.raises(PidError, match="no space"):
        write_report(out, FILES)
    assert all((out / name).read_bytes() == b"old" for name in FILES)
    assert not (out / UNFINISHED).exists()
    written.clear()
    with pytest.raises(PidError, match="no space"):
        write_report(tmp_path / "fresh", FILES)
    assert not (tmp_path / "fresh").exists()


def test_a_report_that_is_killed_has_no_page_and_is_repaired(tmp_path, monkeypatch):
    out = tmp_path / "report"
    write_report(out, dict.fromkeys(FILES, b"old"))
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if "svg" in self.name and UNFINISHED in str(self) and "partial" not in self.name:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_report(out, FILES)
    assert not (out / "index.html").exists()
    write_report(out, FILES)
    assert {name: (out / name).read_bytes() for name in FILES} == FILES


@pytest.mark.slow
def test_folders_with_traps(command, five_tasks, tmp_path):  # noqa: F811
    (tmp_path / "elsewhere").mkdir()
    code, _, out = command(five_tasks)
    assert code == 0
    for name in ("figures", UNFINISHED):
        if (out / name).is_dir():
            (out / name).rename(tmp_path / f"moved-{name}")
        (out / name).symlink_to(tmp_path / "elsewhere")
        code, err, _ = command(five_tasks)
        assert (code, "is a link; remove it" in err) == (2, True)
        (out / name).unlink()
    assert not list((tmp_path / "elsewhere").iterdir())
    nothing = tmp_path / "nothing"
    nothing.symlink_to(tmp_path / "gone")
    assert command(five_tasks, out="nothing")[0] == 2
    assert command(five_tasks, out="n" * 300)[0] == 2
    assert command(five_tasks, "--out", "/")[0] == 2
    for marker in (
        "[" * 100_000,
        '{"files": ["/etc/hostname", "..", "", "a\\u0000b", ["x"]]}',
        '{"files": 7}',
        "\\xff",
    ):
        (out / MARKER).write_text(marker)
        write_report(out, FILES)
    assert (tmp_path / "results.parquet").exists()


@pytest.mark.slow
def test_two_reports_at_one_folder(command, five_tasks, tmp_path):  # noqa: F811
    program = (
        "import sys; from pathlib import Path; from pid_lvlm.data.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'pid-report'): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "report")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    code, err, out = command(five_tasks)
    holder.communicate("\n")
    assert code == 2
    assert "is being written by pid-report (process " in err
    assert not out.exists()
    assert command(five_tasks, "--format", "svg", "--format", "svg")[0] == 0


def test_the_check_prints_names_as_they_are(monkeypatch, capsys, tmp_path, make_row, make_frame):  # noqa: F811
    from pid_lvlm.analysis import check as module

    make_frame([make_row("demo-sight", model="[/bold] [link=x]\x1b[2J")]).write_parquet(tmp_path / "r.parquet")
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "r.parquet")])
    with pytest.raises(SystemExit) as left:
        module.main()
    shown = capsys.readouterr().out
    assert left.value.code in (0, 2)
    assert left.value.code == 2 or "[/bold] [link=x]␛[2J" in shown
