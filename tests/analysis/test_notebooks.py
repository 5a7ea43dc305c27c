"""Every notebook runs without a browser and shows figures with data in them; one that is broken fails.

Those that only read a table run on a made one; all run on that of a small `make demo` in the slow tests.
"""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pytest

from pid_lvlm.data.demo.__main__ import QUICK, runnable
from tests import ROOT

NOTEBOOKS, DEMO = ROOT / "notebooks", ROOT / "data" / "demo"
FIGURES = {
    "ablations": 1,
    "case_studies": 1,
    "first_look": 1,
    "layer_sweep": 2,
    "learning_dynamics": 1,
    "own_arrays": 1,
    "paper_exhibits": 4,
    "two_models": 2,
}
"""How many figures each shows by itself, beside those that share an output."""
OF_TABLES = ("first_look", "layer_sweep", "learning_dynamics", "paper_exhibits")


def run(path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Outputs of the cells of a notebook, and what they define; a cell that fails raises."""
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    return runpy.run_path(str(path))["app"].run()


def check_figures(outputs: Sequence[Any], expected: int) -> None:
    """Assert that there are so many figures among the outputs, and that each is valid and has data."""
    charts = [output for output in outputs if isinstance(output, alt.TopLevelMixin)]
    assert len(charts) == expected, f"{len(charts)} figures, expected {expected}"
    assert all(any(chart.to_dict().get("datasets", {}).values()) for chart in charts), "a figure has no data"


@pytest.fixture
def folder(tmp_path, layered, trained, both_estimators):
    """A folder with a table of layers, checkpoints and both estimators."""
    parts = {"layered": layered, "trained": trained, "both": both_estimators}
    frames = [part.with_columns(pl.lit(name).alias("model"), pl.lit(name).alias("run")) for name, part in parts.items()]
    pl.concat(frames).with_columns(accuracy_no_image=0.5).write_parquet(tmp_path / "results.parquet")
    return tmp_path


def test_every_notebook_has_a_test():
    assert {path.stem for path in NOTEBOOKS.glob("*.py")} == set(FIGURES)


@pytest.mark.parametrize("name", OF_TABLES)
def test_a_notebook_shows_its_figures(name, folder, monkeypatch):
    outputs, _ = run(NOTEBOOKS / f"{name}.py", monkeypatch, "--folder", folder)
    check_figures(outputs, FIGURES[name])


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"own_arrays"}))
def test_a_missing_table_is_one_sentence(name, tmp_path, monkeypatch):
    outputs, _ = run(NOTEBOOKS / f"{name}.py", monkeypatch, "--folder", tmp_path / "nothing")
    said = [output.text for output in outputs if "make demo" in getattr(output, "text", "")]
    assert len(said) == 1
    assert "results.parquet" in said[0]
    check_figures(outputs, 0)


@pytest.mark.parametrize(
    ("what", "instead", "message"),
    [
        (r"figures\.spectrum\(", "figures.spektrum(", "spektrum"),
        (r"\n    spectrum\n    return", "\n    return", "0 figures, expected 1"),
    ],
)
def test_a_broken_notebook_fails(folder, tmp_path, monkeypatch, what, instead, message):
    source = (NOTEBOOKS / "first_look.py").read_text(encoding="utf-8")
    broken = tmp_path / "broken.py"
    broken.write_text(re.sub(what, instead, source), encoding="utf-8")
    with pytest.raises((AttributeError, AssertionError), match=message):
        check_figures(run(broken, monkeypatch, "--folder", folder)[0], FIGURES["first_look"])


def test_a_figure_without_data_fails():
    with pytest.raises(AssertionError, match="no data"):
        check_figures([alt.Chart(alt.InlineData(values=[])).mark_point()], 1)


@pytest.mark.slow
def test_no_name_is_defined_by_two_cells():
    command = [sys.executable, "-m", "marimo", "check", "--strict", *map(str, sorted(NOTEBOOKS.glob("*.py")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _toml(name: str, tables: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"[[{name}]]\n" + "".join(f"{key} = {json.dumps(each[key])}\n" for key in each) for each in tables)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What `make demo` writes, of two datasets, a few checkpoints and items, and the exact estimator."""
    folder = tmp_path_factory.mktemp("notebooks")
    known = tomllib.loads((DEMO / "sweep.toml").read_text(encoding="utf-8"))["models"]
    few = [*known[1:7:3], *(each for each in known if each["final"])]
    own = {"datasets", "limit"}
    models = [
        {key: value for key, value in each.items() if key not in own} | {"model": str(DEMO / each["model"])}
        for each in few
    ]
    datasets = [{"file": str(DEMO / "items" / f"{task}.toml")} for task in ("fusion", "blend")]
    (folder / "sweep.toml").write_text(_toml("models", models) + _toml("datasets", datasets), encoding="utf-8")
    out = folder / "demo"
    for command in (
        ("pid-extract", "--sweep", folder / "sweep.toml", "--limit", 360, "--batch-size", 64, "--out", out / "runs"),
        ("pid-estimate", out / "runs", "--estimator", "exact", *QUICK, "--out", out / "results.parquet")
        + ("--pointwise", out / "items.parquet"),
    ):
        subprocess.run(runnable([*map(str, command)]), check=True, capture_output=True)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_on_the_demo_takes_less_than_a_minute(name, demo):
    page = demo / f"{name}.html"
    command = ["marimo", "export", "html", NOTEBOOKS / f"{name}.py", "--output", page, "--", "--folder", demo]
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, env=os.environ | {"HOME": str(demo)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.times().children_user - before.children_user < 60  # seconds, whatever else the machine does
    assert page.read_text(encoding="utf-8").count("application/vnd.vega") >= FIGURES[name]


@pytest.mark.slow
def test_poolings_are_compared_where_they_are_asked_for(demo, monkeypatch):
    outputs, definitions = run(NOTEBOOKS / "ablations.py", monkeypatch, "--folder", demo, "--pooling", "yes")
    check_figures(outputs, 1)
    assert "last pooling" in definitions["ablation"].columns
