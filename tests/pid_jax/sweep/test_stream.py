"""Reading in step with fitting: how much is in memory, what is read, and who is told."""

import gc
import io
import shutil
import weakref

import numpy as np
import pytest
from rich.console import Console

from pid_jax.cli.progress import RichProgress
from pid_jax.config import FitSettings, make_config
from pid_jax.problems.build import make_workload
from pid_jax.problems.probabilities import option_probabilities
from pid_jax.problems.types import RowsKey
from pid_jax.sweep import batch
from pid_jax.sweep import stream as streaming
from pid_jax.sweep.chunks import group_problems
from pid_jax.sweep.plan import Plan, plan_run, plan_runs
from pid_jax.sweep.protocol import Chunk, Machine
from pid_lvlm.data import ContractError, PidError, outline_run, read_run, write_run
from pid_lvlm.data.names import LANGUAGE_ONLY, MANIFEST_FILE, NO_IMAGE, shard_file
from tests.pid_jax.conftest import FakeFits

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1), estimator="batch")
RUNS = 6
ONE_RUN = Machine("cpu", 1, 200_000)
"""Its tables have room for one run and not for two."""


class Told:
    """A progress display that remembers."""

    def __init__(self):
        self.said, self.fits, self.problems = [], 0, 0

    def start(self, problems, fits):
        self.expected = (problems, fits)

    def advance(self, fits):
        self.fits += fits

    def finish(self, problems):
        self.problems += problems

    def warn(self, sentence):
        self.said.append(sentence)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, make_run):
    root = tmp_path_factory.mktemp("streaming")
    return [make_run(root / f"run{i}", n=120 + i, d=6, layers=2) for i in range(RUNS)]


def fit_one_by_one(plan, monkeypatch, log, told):
    """Every run a chunk of its own; `log` gets "read" and "fitted" in their order."""
    alive = []

    def spy(folder, **options):
        gc.collect()
        log.append("read")
        run = read_run(folder, **options)
        alive.append(weakref.ref(run))
        assert sum(reference() is not None for reference in alive) <= 2, "more than two chunks in memory"
        return run

    monkeypatch.setattr(streaming, "read_run", spy)
    monkeypatch.setattr(batch, "launch", lambda stack, config, pace, lengths: FakeFits(stack, log))
    monkeypatch.setattr(batch, "programs_of", lambda group, config: ())
    groups = group_problems(plan.runs, 2, FitSettings.of(CONFIG), ONE_RUN)
    kept = {}
    rows = [row for rows in streaming.fit_groups(plan, groups, CONFIG, told, kept.__setitem__) for row in rows]
    assert kept.keys() == {row["problem_id"] for row in rows if row["result"] == "successful"}
    assert all(solution.loss.shape == (2, 2) for solution in kept.values())
    return rows


def test_two_chunks_at_most_are_in_memory_and_each_run_is_read_once(folders, monkeypatch):
    log, told = [], Told()
    rows = fit_one_by_one(plan_runs(folders, CONFIG), monkeypatch, log, told)
    assert [(row["run"], row["layer"]) for row in rows] == [(f"run{i}", layer) for i in range(RUNS) for layer in (1, 2)]
    assert log.count("read") == RUNS
    assert log == ["read", *["read", "fitted"] * (RUNS - 1), "fitted"]  # the next is read while one is fitted
    assert (told.expected, told.fits, told.problems) == ((12, 24), 24, 12)


def test_only_what_is_needed_is_read_and_kept(folders, monkeypatch):
    asked = []
    plan = plan_run(outline_run(folders[0]), CONFIG)
    monkeypatch.setattr(
        streaming, "read_run", lambda folder, **options: asked.append(options) or read_run(folder, **options)
    )
    reader = streaming.Reader(Plan((plan,)), CONFIG)
    (group,) = group_problems([plan], 2, FitSettings.of(CONFIG), ONE_RUN)
    last = Chunk(group.chunks[0].problems[-1:])
    workloads = reader.read(last)
    assert asked == [{"poolings": frozenset({"mean"}), "outline": plan.outline}]
    assert set(workloads[0].rows) == {RowsKey(2, 0.3)}
    assert reader.read(last).keys() == {0}
    assert len(asked) == 1  # the next chunk of the same run needs no reading


def test_a_run_that_breaks_when_it_is_read_is_told_once(folders, make_run, tmp_path, monkeypatch):
    bad = make_run(tmp_path / "bad", n=120, d=6, layers=2)
    plan = plan_runs([bad, *folders], CONFIG)
    shard = bad / shard_file(0)
    shard.write_bytes(shard.read_bytes().replace(b"\x00" * 8, b"\xff" * 8))
    log, told = [], Told()
    rows = fit_one_by_one(plan, monkeypatch, log, told)
    assert [row["result"] for row in rows if row["run"] == "bad"] == ["invalid_run"] * 2
    assert sum(row["result"] == "successful" for row in rows) == 2 * RUNS
    assert len(told.said) == 1
    assert "left out: run folder" in told.said[0]


SLOW = [pytest.param(change, marks=pytest.mark.slow) for change in ("not JSON", "layers", "gone", "a field")]


@pytest.mark.parametrize("change", ["the shard", *SLOW])
def test_a_run_that_changes_after_the_plan_costs_its_own_rows(folders, make_run, tmp_path, monkeypatch, change):
    bad = make_run(tmp_path / "bad", n=120, d=6, layers=2)
    plan = plan_runs([bad, *folders], CONFIG)
    text = (bad / MANIFEST_FILE).read_text()
    if change == "the shard":  # a valid run, but not the one that the problems were named after
        shutil.rmtree(bad)
        make_run(bad, n=120, d=6, layers=2, seed=7)
    elif change == "gone":
        (bad / MANIFEST_FILE).unlink()
    else:
        changed = {
            "a field": text.replace('"step": null', '"step": 3'),
            "not JSON": text[:-20],
            "layers": text.replace("[\n    1,\n    2\n  ]", "[2]"),
        }[change]
        assert changed != text
        (bad / MANIFEST_FILE).write_text(changed)
    told = Told()
    rows = fit_one_by_one(plan, monkeypatch, [], told)
    assert [row["result"] for row in rows if row["run"] == "bad"] == ["invalid_run"] * 2
    assert sum(row["result"] == "successful" for row in rows) == 2 * RUNS
    assert len(told.said) == 1


def test_runs_that_cannot_be_planned_are_set_aside(folders, make_run, tmp_path):
    few = make_run(tmp_path / "few", n=20, d=6)
    plan = plan_runs([few, folders[0]], CONFIG)
    assert [refused.folder for refused in plan.refusals] == [few]
    assert "run `few`: 20 rows (15 for training, 5 for testing) are too few" in plan.refusals[0].reason
    with pytest.raises(PidError, match="none of the 2 runs can be used; the first: run `few`: 20 rows"):
        plan_runs([few, make_run(tmp_path / "less", n=10, d=6)], CONFIG)


def test_the_condition_that_gives_the_language_side(folders, make_run, tmp_path):
    config = make_config("default", batch_size=32, epochs=1, seeds=(0,), language_condition=NO_IMAGE)
    plan, run = plan_run(outline_run(folders[0]), config), read_run(folders[0])
    p = make_workload(run, plan.keys[-1:], config, plan.layout).rows[RowsKey(2, 0.3)].conditionals[1]
    position = run.manifest.conditions.index(NO_IMAGE)
    loglik, options = run.arrays["loglik"][:, position, 1], run.arrays["num_options"]
    np.testing.assert_array_equal(p, option_probabilities(loglik, options, 0.3).p)
    assert run.manifest.conditions[2] == LANGUAGE_ONLY
    three = tmp_path / "three"
    write_run(
        three, model="m", dataset="d", loglik=run.arrays["loglik"][:, :3], x1=run.features(1, "mean"),
        x2=run.features(2, "mean"),
    )  # fmt: skip
    with pytest.raises(ContractError, match="no condition 'no_image'; it has both, vision_only, language_only"):
        plan_run(outline_run(three), config)


def test_plain_lines_away_from_a_terminal():
    file = io.StringIO()
    with RichProgress(Console(file=file, width=200), seconds=0) as progress:
        progress.start(4, 8)
        progress.advance(4)
        progress.finish(2)
        progress.warn("left out: a run [folder]")
        progress.advance(4)
        progress.finish(2)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("fitted 2 of 4 problems, about ")
    assert lines[1:] == ["warning: left out: a run [folder]", "fitted 4 of 4 problems, about 0 s left"]
