"""The arithmetic of memory against real arrays, and how a budget cuts a group into chunks."""

import jax
import numpy as np
import pytest

from pid_jax.config import FitSettings, make_config
from pid_jax.estimators.batch.fit import initial_params
from pid_jax.problems.build import make_workload
from pid_jax.problems.types import Shape
from pid_jax.sweep.chunks import FITS_PER_CALL, choose_pace, group_problems
from pid_jax.sweep.memory import (
    FEATURE_COPIES,
    FLOAT,
    PAIR_MATRICES,
    WEIGHT_COPIES,
    fit_bytes,
    host_memory,
    parse_bytes,
    weight_bytes,
)
from pid_jax.sweep.plan import plan_run
from pid_jax.sweep.protocol import Machine
from pid_jax.sweep.stack import stack_problems
from pid_lvlm.data import PidError, outline_run, read_run
from pid_lvlm.data.command.part import Part

CONFIG = make_config(
    "default", batch_size=32, epochs=1, seeds=(0, 1), poolings=("mean",), taus=(0.2, 0.3), estimator="batch"
)
SETTINGS = FitSettings.of(CONFIG)


@pytest.fixture(scope="module")
def plans(tmp_path_factory, make_run):
    root = tmp_path_factory.mktemp("memory")
    folders = [make_run(root / str(i), n=120 + i, d=6, layers=2) for i in range(3)]
    return [plan_run(outline_run(folder), CONFIG) for folder in folders]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8GB", 8 * 10**9), ("1.5 gb", 15 * 10**8), ("2GiB", 2 * 1024**3), ("512K", 512_000), ("100", 100)],
)
def test_amounts(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "0", "much", "-1GB", "8XB"])
def test_wrong_amounts_are_said(text):
    with pytest.raises(PidError, match="memory_budget: expected an amount such as 8GB"):
        parse_bytes(text)


def test_the_host_has_memory():
    assert 2**28 < host_memory() < 2**50


def test_a_fit_is_pairs_weights_and_features():
    settings = FitSettings(hidden=7, hidden_layers=2, embedding=5)
    shape = Shape(d1=40, d2=30, options=3, steps=2, batch=96, test_batches=1)
    params = jax.eval_shape(lambda: initial_params(jax.random.key(0), (shape.d1, shape.d2), shape.options, settings))
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    expected = PAIR_MATRICES * 3 * 96**2 + WEIGHT_COPIES * weights + FEATURE_COPIES * 96 * 70
    assert fit_bytes(shape, settings) == FLOAT * expected


def test_a_call_has_no_more_fits_than_the_budget_has_room_for_their_initial_weights():
    shape = Shape(d1=4096, d2=4096, options=4, steps=2, batch=96, test_batches=1)
    wide = FitSettings(hidden=2048)
    budget = 16 * 10**9
    pace = choose_pace(1000, shape, wide, Machine("cpu", 1, budget))
    assert 4 <= pace.per_call < FITS_PER_CALL
    assert pace.per_call * weight_bytes(shape, wide) <= budget / 2
    assert choose_pace(1000, shape, FitSettings(), Machine("cpu", 1, budget)).per_call == FITS_PER_CALL


@pytest.mark.parametrize("budget", [1, 300_000, 10**9])
def test_every_chunk_has_one_size_within_the_budget(plans, budget):
    (group,) = group_problems(plans, 2, SETTINGS, Machine("cpu", 1, budget))
    names = [problem.id for chunk in group.chunks for problem in chunk.problems]
    assert names == [name for plan in plans for name in plan.ids]
    assert (len(group.chunks) > 1) == (budget < 10**9)
    if budget > 1:
        assert group.table_bytes() <= budget / 8
        spec = fit_bytes(group.shape, SETTINGS)
        assert group.pace.side_by_side * spec <= max(budget / 2, spec)  # one fit always runs
    for chunk in group.chunks:
        chosen = [(run, key) for run, key, _ in chunk.problems]
        workloads = {
            run: make_workload(read_run(plans[run].outline.folder), plans[run].keys, CONFIG, plans[run].layout)
            for run in chunk.runs
        }
        stack = stack_problems(workloads, chosen, CONFIG.seeds, group.capacity)
        assert sum(leaf.nbytes for leaf in jax.tree.leaves(stack.tables)) == group.table_bytes()
        assert len(stack.specs.draw) == 2 * len(chosen)


def test_a_plan_needs_no_arrays(plans, monkeypatch):
    monkeypatch.setattr(np, "load", None)
    again = [plan_run(outline_run(plan.outline.folder), CONFIG) for plan in plans]
    assert [plan.ids for plan in again] == [plan.ids for plan in plans]


@pytest.mark.parametrize("total", [1, 2, 5, 20])
def test_parts_are_a_partition_whatever_is_done_already(plans, total):
    done = set(plans[0].ids)
    machine = Machine("cpu", 1, 10**9)
    found = []
    for number in range(1, total + 1):
        part = Part(number, total)
        for group in group_problems(plans, 2, SETTINGS, machine, lambda name: name not in done, part):
            found += [problem.id for chunk in group.chunks for problem in chunk.problems]
    assert found == [name for plan in plans[1:] for name in plan.ids]


def test_fits_are_spread_over_devices(plans):
    (group,) = group_problems(plans, 2, SETTINGS, Machine("cpu", 8, 10**9))
    assert group.pace.devices == 8
    assert group.pace.per_call % (8 * group.pace.side_by_side) == 0
