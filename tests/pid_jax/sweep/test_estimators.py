"""What every estimator of a sweep must do: known answers, identities, names, advice, the same in any company."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pid_jax import estimate
from pid_jax.config import BATCH, ESTIMATORS, SETTINGS
from pid_jax.estimation import plan_groups
from pid_jax.results.solution import ADVICE, Result, Solved
from pid_jax.sweep.plan import plan_runs
from pid_jax.sweep.protocol import Estimator
from pid_jax.sweep.registry import SOLVERS
from pid_jax.sweep.stream import NoProgress, fit_groups
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.contract.table.limits import RESULT_WARNINGS
from pid_lvlm.data.contract.table.result_checks import checked_table
from pid_lvlm.data.contract.table.results import RESULTS, SUCCESSFUL, USABLE
from pid_lvlm.data.names import ATOMS
from tests.pid_jax.test_estimation import DOMINANT

pytestmark = pytest.mark.parametrize("name", SOLVERS)


@pytest.fixture(scope="module")
def tables(table, run_folders, small_config):
    """The rows of every estimator for the same four runs."""
    return {BATCH: table, "exact": estimate(run_folders, replace(small_config, estimator="exact"))}


def test_it_is_asked_for_by_its_name(name):
    assert isinstance(SOLVERS[name], Estimator)
    assert SOLVERS[name].name == name
    assert name in ESTIMATORS["both"]
    assert ESTIMATORS[name] == (name,)


@pytest.mark.parametrize("kind", DOMINANT)
def test_known_answers(name, tables, kind):
    for row in tables[name].filter(pl.col("dataset") == kind, pl.col("layer") == 2).iter_rows(named=True):
        assert row["result"] == "successful"
        for atom in ATOMS:
            expected = row["i_joint"] if atom == DOMINANT[kind] else 0.0
            assert row[f"{atom}_raw"] == pytest.approx(expected, abs=0.15), atom


def test_identities(name, tables):
    rows = tables[name]
    for total, parts in {
        "i_joint": ATOMS,
        "i_vision": ("redundancy", "unique_vision"),
        "i_language": ("redundancy", "unique_language"),
        "i_coupling": ("redundancy", "unique_vision", "unique_language"),
    }.items():
        found = sum(rows[f"{part}_raw"] for part in parts)
        np.testing.assert_allclose(found, rows[total], atol=1e-5 if name == BATCH else 1e-9)


def test_rows_are_those_of_a_result_table(name, tables):
    rows = tables[name]
    assert checked_table(rows).equals(rows)
    assert set(rows["estimator"]) == {name}
    assert rows["problem_id"].n_unique() == len(rows)
    assert rows["interval"].null_count() == 0
    used = {setting for setting, known in SETTINGS.items() if known.estimator == name}
    assert used < set(json.loads(rows["recipe"][0]))


def test_every_outcome_has_a_name_and_advice(name, run_folders, small_config, request):
    if name == BATCH:
        request.getfixturevalue("no_fitting")
    kept = {}
    config = replace(small_config, estimator=name, seeds=(0,), epochs=1, interval="none")
    estimate(run_folders[:1], config, layers="last", keep=kept.__setitem__)
    (solution,) = kept.values()
    assert isinstance(solution, Solved)
    assert solution.result is Result.SUCCESSFUL
    assert {code.label for code in Result} == set(RESULTS)
    assert {code.label for code in Result if code.usable} == set(USABLE)
    assert set(ADVICE) == {code for code in Result if not code.usable}
    assert {warning.result for warning in RESULT_WARNINGS} == set(USABLE) - {SUCCESSFUL}


def test_what_is_done_already_and_what_stands_beside_it_change_nothing(name, run_folders, small_config, tables):
    config = replace(small_config, estimator=name)
    plan = plan_runs(run_folders[::-1], config, "last")
    ids = [run.ids[-1] for run in plan.runs]
    groups = plan_groups(plan, config, 1, done=ids[1:], part=Part(1, 1))
    assert sum(group.num_problems for group in groups) == 1
    (row,) = (row for rows in fit_groups(plan, groups, config, NoProgress()) for row in rows)
    assert row["problem_id"] == ids[0]
    before = tables[name].filter(pl.col("problem_id") == ids[0]).row(0, named=True)
    assert [row[f"{atom}_raw"] for atom in ATOMS] == pytest.approx([before[f"{atom}_raw"] for atom in ATOMS], abs=1e-6)


def test_parts_divide_the_problems(name, run_folders, small_config):
    config = replace(small_config, estimator=name)
    plan = plan_runs(run_folders, config)
    parts = [plan_groups(plan, config, 1, part=Part(i, 3)) for i in (1, 2, 3)]
    taken = [problem.id for groups in parts for group in groups for chunk in group.chunks for problem in chunk.problems]
    assert sorted(taken) == sorted(name for run in plan.runs for name in run.ids)
