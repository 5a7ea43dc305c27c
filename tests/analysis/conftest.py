"""Result tables as `pid-estimate` writes them, made without an estimator."""

import functools
import itertools
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pid_lvlm.analysis.report.page import draw
from pid_lvlm.data.contract.table.result_table import SCHEMA
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION
from pid_lvlm.data.names import ATOMS

TRUE_ATOMS = {
    "demo-fusion": (0.0, 0.0, 0.0, 2.0),
    "demo-knowledge": (0.0, 0.0, 2.0, 0.0),
    "demo-sight": (0.0, 2.0, 0.0, 0.0),
    "demo-agreement": (2.0, 0.0, 0.0, 0.0),
    "demo-blend": (0.3, 0.4, 0.35, 0.45),
}

RowMaker = Callable[..., dict[str, Any]]
FrameMaker = Callable[[list[dict[str, Any]]], pl.DataFrame]


@functools.cache
def _drawn(program: str, given: str, job: str | None = None) -> dict[str, bytes]:
    import vl_convert

    more = [] if job is None else [("chart", json.loads(job))]
    names = {"given": json.loads(given), "more": more, "vl_convert": vl_convert}
    exec(program, names)
    images: dict[str, bytes] = names["images"]
    return images


@pytest.fixture(autouse=True)
def _draw_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chart is drawn once, in this process; tests/hostile/test_report.py draws as the command does."""
    monkeypatch.setattr(draw, "start", _DrawnHere)


class _DrawnHere:
    def __init__(self, program: str, given: dict[str, Any]) -> None:
        self.program, self.given = program, json.dumps(given)
        self.jobs: dict[str, str] = {}
        self.sent = 0

    def send(self, one: tuple[str, dict[str, Any]]) -> None:
        name, job = one
        self.jobs[name] = json.dumps(job, allow_nan=False)
        self.sent += len(self.jobs[name])

    def result(self) -> dict[str, bytes]:
        if not self.jobs:
            return _drawn(self.program, self.given)
        return {
            name + ending.removeprefix("chart"): image
            for name, job in self.jobs.items()
            for ending, image in _drawn(self.program, self.given, job).items()
        }

    def stop(self) -> None:
        pass


@pytest.fixture
def make_row() -> RowMaker:
    """A row factory: four atoms in bits (true ones for a demo dataset by default) and any other column by name."""
    counter = itertools.count()

    def make(dataset: str = "demo-fusion", atoms: tuple[float, ...] | None = None, **columns: Any) -> dict[str, Any]:
        known = TRUE_ATOMS.get(dataset)
        values = atoms or known or (0.1, 0.2, 0.3, 0.6)
        model = columns.get("model", "demo-llava-small")
        row: dict[str, Any] = {
            "problem_id": f"problem-{next(counter)}",
            "run": f"{model}__{dataset}",
            "model": model,
            "family": "llava",
            "size_b": 0.0002,
            "dataset": dataset,
            "layer": 4,
            "num_layers": 4,
            "preset": "default",
            "estimator": "batch",
            "tau": 0.3,
            "pooling": "mean",
            "seeds": [0, 1, 2],
            "num_train": 1125,
            "num_test": 375,
            "num_options": 4,
            "recipe": json.dumps({"learning_rate": 0.001}),
            "result": "successful",
            "schema_version": RESULT_SCHEMA_VERSION,
            "versions": json.dumps({"jax": "0.10.0"}),
            "device": "cpu",
            "accuracy": 0.9,
            "d_vision": 0.4,
        }
        total = sum(max(value, 0.0) for value in values)
        for position, (atom, value) in enumerate(zip(ATOMS, values, strict=True)):
            cut = max(value, 0.0)
            row |= {atom: cut, f"{atom}_raw": value, f"{atom}_sd": 0.01, f"{atom}_share": cut / total}
            row |= {f"{atom}_low": value - 0.02, f"{atom}_high": value + 0.02}
            row[f"true_{atom}"] = known[position] if known else None
        measured = {column.name: 0.0 for column in COLUMNS if column.kind == "float" and not column.nullable}
        return {column.name: None for column in COLUMNS} | measured | row | columns

    return make


@pytest.fixture
def make_exact(make_row: RowMaker) -> RowMaker:
    """A row of the exact estimator: no features, no seeds, no loss, an interval over items, a certificate."""

    def make(dataset: str = "demo-fusion", atoms: tuple[float, ...] | None = None, **columns: Any) -> dict[str, Any]:
        row = make_row(dataset, atoms, **columns)
        row |= {"estimator": "exact", "pooling": None, "seeds": None, "num_train": 0, "num_test": 1024}
        row |= {"interval": "items", "marginals": "tilt", "strata": "options", "recipe": json.dumps({"tol_bits": 1e-3})}
        row |= {"gap": 6e-4, "marginals_spread": 0.01, "redundancy_mmi": 0.31, "redundancy_imin": 0.29}
        for atom in ATOMS:
            value = row[f"{atom}_raw"]
            row |= {f"{atom}_sd": None, f"{atom}_corrected": value + 0.01}
            row |= {f"{atom}_low": value - 0.03, f"{atom}_high": value + 0.05}
            row |= {f"{atom}_certified_low": value - 3e-4, f"{atom}_certified_high": value + 3e-4}
        return row | columns

    return make


@pytest.fixture
def make_frame() -> FrameMaker:
    """Rows as a frame of the schema."""

    def make(rows: list[dict[str, Any]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=SCHEMA)

    return make


@pytest.fixture
def five_tasks(make_row: RowMaker, make_frame: FrameMaker) -> pl.DataFrame:
    """One finished model on the five demo tasks, estimated exactly."""
    return make_frame([make_row(dataset) for dataset in TRUE_ATOMS])


@pytest.fixture
def both_estimators(make_row: RowMaker, make_exact: RowMaker, make_frame: FrameMaker) -> pl.DataFrame:
    """The same model and tasks by BATCH, with its excess, and by the exact estimator."""
    batch = [make_row(dataset, interval="seeds", excess=0.02, gap=1e-4) for dataset in TRUE_ATOMS]
    return make_frame([*batch, *(make_exact(dataset) for dataset in TRUE_ATOMS)])


@pytest.fixture
def layered(make_row: RowMaker, make_frame: FrameMaker) -> pl.DataFrame:
    """Five layers of one run."""
    return make_frame([make_row(layer=layer, num_layers=5) for layer in range(1, 6)])


@pytest.fixture
def trained(make_row: RowMaker, make_frame: FrameMaker) -> pl.DataFrame:
    """Five checkpoints of one model in two stages, in no order."""
    places = [("tune", 800), ("align", 400), ("tune", 200), ("align", 1200), ("tune", 400)]
    return make_frame([make_row(stage=stage, step=step, run=f"{stage}-{step}") for stage, step in places])
