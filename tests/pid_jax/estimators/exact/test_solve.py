"""The solver over regimes: narrow intervals, both ends checked by plain numpy; what must change nothing."""

import jax
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.inputs.conditionals import REGIMES, problem, random_problem
from pid_jax.estimators.exact.penalty.bounds import joint
from pid_jax.estimators.exact.penalty.continuation import solve_continuation
from pid_jax.estimators.exact.rows import pad_rows
from pid_jax.estimators.exact.solver.solve import primal_point, solve_many
from pid_jax.estimators.exact.solver.stacks import solve_stack
from pid_lvlm.data.names import NATS_PER_BIT
from tests.pid_jax.estimators.exact.check import coupling_information, dual_value, trivial_bounds


def certified(masses, tol_bits):
    """Solve and check both bounds; the width in bits."""
    found = solve_continuation(*masses, tol_bits)
    least, most = trivial_bounds(masses)
    value = dual_value(masses, (found.dual.first, found.dual.second))
    assert found.dual.value == pytest.approx(value, abs=1e-9)
    assert found.low == pytest.approx(max(value, least), abs=1e-9)
    if found.primal is None:
        assert found.high == pytest.approx(most, abs=1e-9)
    else:
        reached = coupling_information(masses, joint(masses, found.primal))
        assert found.primal.value >= reached - 1e-9
        assert found.high >= min(reached, most) - 1e-9
    assert found.low <= found.high
    return found.gap_bits


def test_both_bounds_of_every_regime():
    for seed, regime in enumerate(REGIMES):
        assert certified(problem(regime, 40, 4, seed), 1e-3) <= 1e-3, regime


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_random_problems():
    with threadpool_limits(1, "blas"):  # as `solve_many` does; several threads take three times as long together
        widths = np.array([certified(random_problem(number), 1e-4) for number in range(200)])
    assert (widths <= 1e-3).all(), np.flatnonzero(widths > 1e-3)
    assert (widths <= 1e-4).mean() >= 0.9


def test_bounds_hold_where_the_iterations_end_early():
    loose, narrow = (solve_many([problem("plain", 40, 4, 3)], tol)[0] for tol in (0.3, 1e-3))
    assert loose.low <= narrow.high
    assert narrow.low <= loose.high
    assert loose.high - loose.low > narrow.high - narrow.low


def test_a_primal_point_is_a_coupling_within_the_interval():
    masses = problem("plain", 40, 4, 3)
    (found,) = solve_many([masses], 1e-3)
    assert coupling_information(masses, primal_point(masses, 1e-3)) == pytest.approx(found.high, abs=2e-4)


def test_no_iteration_where_the_trivial_bounds_meet():
    uniform = np.full((4, 2), 1 / 8)
    (found,) = solve_many([(uniform, np.eye(2) / 2)], 1e-9)
    assert found.low == pytest.approx(np.log(2), abs=1e-9)
    assert found.high == pytest.approx(np.log(2), abs=1e-9)
    assert primal_point((uniform, np.eye(2) / 2), 1e-9) is None


def test_order_labels_sides_and_rows_of_mass_zero_change_nothing():
    first, second = problem("fewer options", 40, 4, 5)
    rng = np.random.default_rng(0)
    labels = rng.permutation(4)
    variants = {
        "order": (first[rng.permutation(len(first))], second[rng.permutation(len(second))]),
        "labels": (first[:, labels], second[:, labels]),
        "sides": (second, first),
        "zero": (pad_rows(first, 50), second),
        "unused label": tuple(np.pad(part, ((0, 0), (0, 1))) for part in (first, second)),
    }
    (found, *others) = solve_many([(first, second), *variants.values()], 1e-3)
    for name, other in zip(variants, others, strict=True):
        assert other.high - other.low <= 1e-3 * NATS_PER_BIT, name
        assert other.low <= found.high, name
        assert found.low <= other.high, name
    assert (others[3].first[len(first) :] == 0).all()


def test_many_at_a_time_are_solved_as_one_by_one():
    problems = [problem(regime, 40, 4, seed) for seed, regime in enumerate(REGIMES[:4])]
    done = []
    together = solve_many(problems, 1e-2, devices=2, advance=done.append)
    assert sum(done) == 4
    for one, both in zip(problems, together, strict=True):
        (alone,) = solve_many([one], 1e-2)
        np.testing.assert_equal(both, alone)


def test_more_pairs_than_are_always_summed_over_are_listed(monkeypatch):
    monkeypatch.setattr("pid_jax.estimators.exact.penalty.listing.ALWAYS_ALL", 0)
    monkeypatch.setattr("pid_jax.estimators.exact.penalty.listing.MOST_ALL", 0)
    assert certified(problem("plain", 40, 4, 1), 1e-3) <= 1e-3
    assert certified(problem("fewer options", 40, 4, 2), 1e-3) <= 1e-3


def test_levels_of_cells_lead_to_the_same_interval(monkeypatch):
    from pid_jax.estimators.exact.penalty import continuation

    masses = problem("plain", 40, 4, 1)
    direct = solve_continuation(*masses, 1e-3)
    few = continuation.Settings(coarsest=10, refinement=2)
    monkeypatch.setattr(continuation, "ATTEMPTS", (few,))
    levels = solve_continuation(*masses, 1e-3)
    assert levels.gap_bits <= 1e-3
    assert levels.low <= direct.high
    assert direct.low <= levels.high


def _nearly_equal_rows(copies, spread):
    """Rows of a small problem, several times each and slightly different, with the same P(Y)."""
    rng = np.random.default_rng(0)
    found = []
    for part in problem("plain", 30, 4, 1):
        many = np.repeat(part, copies, axis=0) * np.exp(spread * rng.standard_normal((copies * len(part), 4)))
        found.append(many * (part.sum(0) / many.sum(0)))
    return tuple(found)


@pytest.mark.parametrize(("spread", "merges"), [(0.01, True), (0.3, False)])
def test_nearly_equal_rows_of_a_large_problem_are_merged(monkeypatch, spread, merges):
    from pid_jax.estimators.exact.penalty import merged

    masses = _nearly_equal_rows(8, spread)
    whole = solve_continuation(*masses, 1e-4)
    monkeypatch.setattr(merged, "MOST_ALL", 1000)
    monkeypatch.setattr(merged, "MOST_CELLS", 60)
    found = merged.solve_rows_or_cells(*masses, 1e-3)
    assert (found.primal is None) is merges
    assert found.gap_bits <= 1e-3
    assert found.low <= whole.high
    assert whole.low <= found.high
    value = dual_value(masses, (found.dual.first, found.dual.second))
    assert value == pytest.approx(found.dual.value, abs=1e-9)
    assert found.low == pytest.approx(max(value, trivial_bounds(masses)[0]), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 96])
def test_stacks_of_an_accelerator(size):
    """The stack of several regimes, padded; problems leave it when they are done."""
    problems = [problem(regime, 50, 4, seed) for seed, regime in enumerate(REGIMES)]
    stacked = [np.stack([pad_rows(one[side], size) for one in problems]) for side in (0, 1)]
    bounds = solve_stack(*stacked, 1e-3)
    assert (bounds.gap_bits <= 1e-3).all()
    for number, masses in enumerate(problems):
        potentials = [part[number][: len(side)] for part, side in zip(bounds[3:], masses, strict=True)]
        assert dual_value(masses, potentials) == pytest.approx(bounds.dual_low[number], abs=1e-9)
        (host,) = solve_many([masses], 1e-3)
        assert host.low <= bounds.high[number]
        assert bounds.low[number] <= host.high


def test_stacks_where_the_backend_is_an_accelerator(monkeypatch):
    """Grouped by shape, in order, without the padded rows."""
    from pid_jax.estimators.exact.solver import solve

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(solve, "solve_stack", lambda first, second, tol: _echo(first, second))
    problems = [problem(regime, 40, 4, 0) for regime in ("plain", "half uniform", "flat")]
    done = []
    for one, found in zip(problems, solve_many(problems, 1e-2, memory_budget=1, advance=done.append), strict=True):
        np.testing.assert_array_equal(found.first, one[0])
        np.testing.assert_array_equal(found.second, one[1])
    assert done == [1, 1, 1]


def _echo(first, second):
    from pid_jax.estimators.exact.solver.stacks import Bounds

    zeros = np.zeros(len(first))
    return Bounds(zeros, zeros, zeros, first, second)
