"""Many problems at once give what each gives alone: under jit, vmap, in groups, padded, beside a poisoned one."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from pid_jax.config import FitSettings, make_config
from pid_jax.estimation import estimate
from pid_jax.estimators.batch.fit import Lengths, fit, initial_params
from pid_jax.problems.build import make_workload
from pid_jax.results.solution import Result, Solution
from pid_jax.sweep.capacity import Capacity
from pid_jax.sweep.chunks import Pace, group_problems
from pid_jax.sweep.fits import Extent, draw_params, run_fits, summarise
from pid_jax.sweep.launch import Deal, launch, programs_of
from pid_jax.sweep.plan import plan_run
from pid_jax.sweep.protocol import Machine
from pid_jax.sweep.stack import stack_problems
from pid_lvlm.data import outline_run, read_run

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1), estimator="batch")
SETTINGS = FitSettings.of(CONFIG)
CLOSE = {"rtol": 0, "atol": 2e-6}


@pytest.fixture(scope="module")
def folders(tmp_path_factory, make_run):
    root = tmp_path_factory.mktemp("sweep")
    return [make_run(root / "a", "synergy", n=120, d=6), make_run(root / "b", "redundancy", n=122, d=6, seed=1)]


@pytest.fixture(scope="module")
def plans(folders):
    return [plan_run(outline_run(folder), CONFIG) for folder in folders]


@pytest.fixture(scope="module")
def workloads(folders, plans):
    return {
        i: make_workload(read_run(folder), plan.keys, CONFIG, plan.layout)
        for i, (folder, plan) in enumerate(zip(folders, plans, strict=True))
    }


@pytest.fixture(scope="module")
def problems(plans):
    return [(i, key) for i, plan in enumerate(plans) for key in plan.keys]


@pytest.fixture(scope="module")
def stack(workloads, problems):
    return jax.tree.map(jnp.asarray, stack_problems(workloads, problems, CONFIG.seeds))


@pytest.fixture(scope="module")
def together(stack):
    return jax.device_get(run_fits(stack.specs, stack.tables, SETTINGS, 4))


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def assert_same(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), ours, theirs)


def test_slice_of_many_is_each_alone(stack, together):
    alone = jax.jit(summarise, static_argnums=2)
    for index in range(len(stack.owners)):
        assert_same(alone(take(stack.specs, index), stack.tables, SETTINGS), take(together, index))


@pytest.mark.slow
def test_weights_drawn_apart_are_those_that_the_program_draws(stack):
    """Up to the rounding of one product and sum, which compilers may do in one step."""
    keys, options = stack.specs.key, stack.specs.p_y.shape[-1]
    apart = draw_params(keys, stack.tables.widths, options, SETTINGS)
    inside = jax.jit(jax.vmap(lambda key: initial_params(key, stack.tables.widths, options, SETTINGS)))(keys)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=1e-7), apart, inside)


@pytest.mark.slow
def test_eager_is_jit(stack, together):
    assert_same(summarise(take(stack.specs, 0), stack.tables, SETTINGS), take(together, 0))


@pytest.mark.slow
def test_order_of_fits_and_width_of_vmap_do_not_matter(stack, together):
    backwards = jax.tree.map(lambda leaf: leaf[::-1], stack.specs)
    result = run_fits(backwards, stack.tables, SETTINGS, 2)
    assert_same(jax.tree.map(lambda leaf: leaf[::-1], result), together)


@pytest.mark.slow
def test_rows_that_nothing_points_at_are_inert_to_the_bit(stack, together):
    extra = 40
    poison = stack.tables._replace(
        x1=jnp.pad(stack.tables.x1, ((0, extra), (0, 0)), constant_values=jnp.nan),
        x2=jnp.pad(stack.tables.x2, ((0, extra), (0, 0)), constant_values=jnp.inf),
    )
    result = run_fits(stack.specs, poison, SETTINGS, 4)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(result), together)


@pytest.mark.slow
def test_padded_places_of_a_test_batch_are_inert_to_the_bit(stack):
    """The shorter run's last test place is padding: whatever row it points at, nothing changes."""
    masked = stack.tables._replace(test_mask=stack.tables.test_mask.at[..., -3:].set(False))
    moved = masked._replace(test_rows=masked.test_rows.at[..., -3:].set(0))
    program = jax.jit(fit, static_argnums=2)
    results = [program(take(stack.specs, 0), tables, SETTINGS) for tables in (masked, moved)]
    jax.tree.map(np.testing.assert_array_equal, *results)
    assert np.isfinite(results[0].test_terms.iq_y_x1x2).all()


@pytest.mark.slow
def test_room_to_spare_in_a_call_is_inert_to_the_bit(workloads, problems, stack, together):
    """Larger tables than needed, filled with whatever, and more steps, test batches and fits than are to be run."""
    roomy = stack_problems(workloads, problems, CONFIG.seeds, Capacity(300, 250, 7, 9, 4))
    rows, draws, steps, test_batches = 242, 4, 2, 1
    tables = jax.tree.map(np.array, roomy.tables)
    for table in (tables.x1, tables.x2, *tables.conditionals):
        table[rows:] = np.nan
    for table in (tables.train_rows, tables.test_rows):
        table[draws:] = 3
    tables.train_rows[:, steps:] = 10**6
    tables.test_rows[:, test_batches:] = 10**6
    twice = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), roomy.specs)
    extent = Extent(np.int32(1), Lengths(np.int32(steps), np.int32(test_batches)))
    result = jax.device_get(run_fits(twice, jax.tree.map(jnp.asarray, tables), SETTINGS, 4, extent=extent))
    for left_out in (result.loss[:, steps:], result.loss[4:], result.error[4:], *(term[4:] for term in result.terms)):
        assert not left_out.any()
    result = jax.tree.map(lambda leaf: leaf[:4], result)
    jax.tree.map(np.testing.assert_array_equal, result._replace(loss=result.loss[:, :steps]), together)


@pytest.mark.slow
def test_calls_of_a_chunk_and_chunks_of_a_group_share_one_trace(workloads, problems, plans, together):
    """Chunked by memory, with several calls per chunk: one compilation, and the same numbers."""
    tiny = Machine("cpu", devices=1, budget=1)
    (group,) = group_problems(plans, 2, SETTINGS, tiny)
    assert [len(chunk.problems) for chunk in group.chunks] == [1, 1]
    assert group.pace == Pace(per_call=2, side_by_side=1)
    lengths = Lengths(group.shape.steps, group.shape.test_batches)
    jax.clear_caches()
    advanced, solutions = [], []
    for chunk in group.chunks:
        chosen = [(run, key) for run, key, _ in chunk.problems]
        stack = stack_problems(workloads, chosen, CONFIG.seeds, group.capacity)
        solutions += launch(stack, CONFIG, Pace(1, 1), lengths).collect(advanced.append)
    assert run_fits._cache_size() == 1
    assert advanced == [1] * 4
    assert [solution.result for solution in solutions] == [Result.SUCCESSFUL] * 2
    loss = np.concatenate([solution.loss for solution in solutions])
    np.testing.assert_allclose(loss, together.loss, **CLOSE)


def test_runs_of_different_length_share_programs(tmp_path, make_run, plans):
    """Numbers of steps and of test batches differ, and so do the numbers of fits, rows and layers."""
    longer = plan_run(outline_run(make_run(tmp_path / "long", n=400, d=6, layers=3)), CONFIG)
    groups = group_problems([*plans, longer], 2, SETTINGS, Machine("cpu", 1, 10**9))
    assert [(group.shape.steps, group.shape.test_batches) for group in groups] == [(2, 1), (9, 4)]
    names = [{program.key for program in programs_of(group, CONFIG)} for group in groups]
    assert [group.pace.per_call for group in groups] == [4, 8]
    assert names[0] != names[1]
    wider = [replace(group, pace=Pace(8, 4)) for group in groups]
    assert len({program.key for group in wider for program in programs_of(group, CONFIG)}) == 2


@pytest.mark.slow
def test_the_last_digits_of_a_run_do_not_depend_on_the_runs_beside_it(tmp_path, make_run, folders):
    """Beside a longer run with more rows, and alone, in two groups of one program."""
    longer = make_run(tmp_path / "long", n=400, d=6)
    alone, beside = (estimate(chosen, CONFIG) for chosen in (folders[:1], [folders[0], longer]))
    kept = [name for name in alone.columns if name not in ("seconds", "problem_id")]
    assert beside.filter(pl.col("run") == alone["run"][0]).select(kept).equals(alone.select(kept))


@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("fits", [1, 3, 4, 5, 17, 40, 64])
def test_every_fit_of_a_call_has_a_place_and_no_device_has_more_rounds_than_needed(fits, devices):
    pace = Pace(64, 64 // (8 * devices), devices)
    deal = Deal.of(fits, pace)
    np.testing.assert_array_equal(deal.chosen[deal.places], np.arange(fits))
    assert len(deal.chosen) == pace.per_call
    at = deal.places % (pace.per_call // devices)
    assert at.max() < deal.rounds * pace.side_by_side
    assert (deal.rounds - 1) * pace.side_by_side * devices < fits


def test_runs_of_other_shapes_form_their_own_group(tmp_path, make_run, plans):
    other = plan_run(outline_run(make_run(tmp_path / "wide", n=120, d=9)), CONFIG)
    groups = group_problems([*plans, other], 2, SETTINGS, Machine("cpu", 1, 10**9))
    assert [group.num_problems for group in groups] == [2, 1]


def test_a_poisoned_problem_does_not_touch_the_others(stack, together):
    tables = stack.tables._replace(x1=stack.tables.x1.at[:120].set(jnp.nan))
    result = jax.device_get(run_fits(stack.specs, tables, SETTINGS, 4))
    sick = np.array([owner.problem == 0 for owner in stack.owners])
    assert np.isnan(result.loss[sick]).all()
    np.testing.assert_array_equal(result.loss[~sick], together.loss[~sick])
    solution = Solution(jax.tree.map(lambda x: x[sick], result.terms), result.loss[sick], result.error[sick])
    assert solution.result is Result.NONFINITE_LOSS


def test_unconverged_couplings_are_reported(together):
    solution = Solution(together.terms, together.loss, np.full(4, 0.5))
    assert solution.result is Result.SINKHORN_UNCONVERGED


def test_the_fit_trains(stack):
    settings = FitSettings.of(make_config("default", batch_size=32, epochs=1, seeds=(0,), learning_rate=1e-2))
    tables = stack.tables._replace(train_rows=jnp.tile(stack.tables.train_rows, (1, 20, 1)))
    index = next(i for i, owner in enumerate(stack.owners) if owner.problem == 1)
    loss = jax.jit(fit, static_argnums=2)(take(stack.specs, index), tables, settings).train_loss
    assert float(loss[-5:].mean()) < 0.5 * float(loss[0])
