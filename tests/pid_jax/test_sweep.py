"""Many problems at once give what each gives alone: under jit, vmap, in groups, padded, beside a poisoned one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import read_run
from pid_jax.config import make_config
from pid_jax.fit import fit
from pid_jax.grouping import build_group, group_by_shape
from pid_jax.solution import Result, Solution
from pid_jax.sweep import fit_lanes, fit_settings, solve_group, summarise
from pid_jax.workload import make_workload

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1))
SETTINGS = fit_settings(CONFIG)
CLOSE = {"rtol": 0, "atol": 2e-6}


@pytest.fixture(scope="module")
def workloads(tmp_path_factory, make_run):
    root = tmp_path_factory.mktemp("sweep")
    folders = [make_run(root / "a", "synergy", n=120, d=6), make_run(root / "b", "redundancy", n=122, d=6, seed=1)]
    return tuple(make_workload(read_run(folder), CONFIG) for folder in folders)


@pytest.fixture(scope="module")
def group(workloads):
    (members,) = group_by_shape(workloads)
    return build_group(members, CONFIG.seeds)


@pytest.fixture(scope="module")
def together(group):
    return jax.device_get(fit_lanes(group.lanes, group.tables, SETTINGS, 4))


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def lane_of(group, index):
    return take(group.lanes, index)


def assert_same(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), ours, theirs)


def test_slice_of_many_is_each_alone(group, together):
    alone = jax.jit(summarise, static_argnums=2)
    for index in range(len(group.owners)):
        assert_same(alone(lane_of(group, index), group.tables, SETTINGS), take(together, index))


def test_eager_is_jit(group, together):
    assert_same(summarise(lane_of(group, 0), group.tables, SETTINGS), take(together, 0))


def test_order_of_lanes_and_width_of_vmap_do_not_matter(group, together):
    backwards = jax.tree.map(lambda leaf: leaf[::-1], group.lanes)
    result = fit_lanes(backwards, group.tables, SETTINGS, 3)
    assert_same(jax.tree.map(lambda leaf: leaf[::-1], result), together)


def test_rows_that_nothing_points_at_are_inert_to_the_bit(group, together):
    extra = 40
    poison = group.tables._replace(
        x1=jnp.pad(group.tables.x1, ((0, 0), (0, extra), (0, 0)), constant_values=jnp.nan),
        x2=jnp.pad(group.tables.x2, ((0, 0), (0, extra), (0, 0)), constant_values=jnp.inf),
    )
    result = fit_lanes(group.lanes, poison, SETTINGS, 4)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(result), together)


def test_padded_places_of_a_test_batch_are_inert_to_the_bit(group):
    """The shorter run's last test place is padding: whatever row it points at, nothing changes."""
    masked = group.tables._replace(test_mask=group.tables.test_mask.at[..., -3:].set(False))
    moved = masked._replace(test_rows=masked.test_rows.at[..., -3:].set(0))
    program = jax.jit(fit, static_argnums=2)
    results = [program(lane_of(group, 0), tables, SETTINGS) for tables in (masked, moved)]
    jax.tree.map(np.testing.assert_array_equal, *results)
    assert np.isfinite(results[0].test_terms.iq_y_x1x2).all()


def test_one_trace_per_group(workloads):
    (members,) = group_by_shape(workloads)
    jax.clear_caches()
    advanced = []
    solved = list(solve_group(build_group(members, CONFIG.seeds), CONFIG, advanced.append))
    assert fit_lanes._cache_size() == 1
    assert sum(advanced) == 4
    assert [solution.result for _, _, solution in solved] == [Result.SUCCESSFUL] * 2


def test_runs_of_other_shapes_form_their_own_group(tmp_path, make_run, workloads):
    other = make_workload(read_run(make_run(tmp_path / "wide", n=120, d=9)), CONFIG)
    assert [len(members) for members in group_by_shape([*workloads, other])] == [2, 1]


def test_a_poisoned_problem_does_not_touch_the_others(group, together):
    tables = group.tables._replace(x1=group.tables.x1.at[0].set(jnp.nan))
    result = jax.device_get(fit_lanes(group.lanes, tables, SETTINGS, 4))
    sick = np.array([owner.workload == 0 for owner in group.owners])
    assert np.isnan(result.loss[sick]).all()
    np.testing.assert_array_equal(result.loss[~sick], together.loss[~sick])
    solution = Solution(jax.tree.map(lambda x: x[sick], result.terms), result.loss[sick], result.error[sick])
    assert solution.result is Result.NONFINITE_LOSS


def test_unconverged_couplings_are_reported(group, together):
    solution = Solution(together.terms, together.loss, np.full(4, 0.5))
    assert solution.result is Result.SINKHORN_UNCONVERGED


def test_the_fit_trains(group):
    settings = fit_settings(make_config("default", batch_size=32, epochs=1, seeds=(0,), learning_rate=1e-2))
    tables = group.tables._replace(train_rows=jnp.tile(group.tables.train_rows, (1, 20, 1)))
    index = next(i for i, owner in enumerate(group.owners) if owner.workload == 1)
    loss = jax.jit(fit, static_argnums=2)(lane_of(group, index), tables, settings).train_loss
    assert float(loss[-5:].mean()) < 0.5 * float(loss[0])
