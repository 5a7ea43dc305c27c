"""Intervals over items: what they are made of, what must not change them, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import pid_jax
from pid_jax.estimators.exact.over_items.intervals import extrapolation, item_intervals, paired_difference
from pid_jax.estimators.exact.over_items.parts import number_groups, random_parts
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, solve_problems
from pid_lvlm.data import PidError, write_run

N, K = 32, 4
"""As in the other tests: few compiled programs."""
EQUAL = np.full(N, 1 / N)
TOLERANCE = 2e-3


def rows(seed, n=N):
    rng = np.random.default_rng(seed)
    first, second = rng.dirichlet(np.full(K, 0.7), size=(2, n))
    pair = first * second
    return first, second, pair / pair.sum(1, keepdims=True)


def intervals(p, weights=EQUAL, *, groups=None, method="items", marginals="tilt", **options):
    problem = ExactProblem.of(GivenRows(*p, weights), marginals)
    solutions = solve_problems([problem], TOLERANCE)
    (found,) = item_intervals(
        [problem], solutions, groups=[groups], method=method, tol_bits=TOLERANCE, marginals=marginals, **options
    )
    return found


def ends(interval):
    return np.array([interval.low, interval.estimate, interval.high])


def test_the_estimate_is_the_mean_of_the_values_and_the_terms_belong_to_it():
    found = intervals(rows(0))
    assert found.corrected
    np.testing.assert_allclose(EQUAL @ found.values, found.estimate, atol=1e-12)
    i1, i2, i12, coupling = found.terms
    atoms = (i1 + i2 - coupling, coupling - i2, coupling - i1, i12 - coupling)
    np.testing.assert_allclose(found.estimate, atoms, atol=1e-12)
    assert min(found.estimate.unique1, found.estimate.unique2) >= -1e-12
    np.testing.assert_allclose(found.standard_error, found.values.std(axis=0, ddof=1) / math.sqrt(N), rtol=1e-9)
    freedom = np.minimum(N - 1, 2 * N / (stats.kurtosis(found.values, fisher=False) - (N - 3) / (N - 1)))
    assert freedom.min() < N - 2
    reach = stats.t.ppf(0.975, freedom) * np.array(found.standard_error)
    assert 0 < found.half_gap <= TOLERANCE / 2
    np.testing.assert_allclose(found.high, np.array(found.estimate) + reach + found.half_gap, rtol=1e-6)
    np.testing.assert_allclose(found.low, np.array(found.estimate) - reach - found.half_gap, rtol=1e-6, atol=1e-9)


def test_the_correction_is_the_extrapolation_from_the_halves():
    p = rows(1)
    plain, found = (intervals(p, method=method) for method in ("items-uncorrected", "items"))
    problem = ExactProblem.of(GivenRows(*p, EQUAL), "tilt")
    sizes, labels = (N // 2, N // 2), np.arange(N)
    halves = [part for split in range(4) for part in random_parts(problem, labels, sizes, (0, split), "tilt")]
    solutions = solve_problems([half.problem for half in halves], TOLERANCE)
    means = np.mean([(one.i1, one.i2, one.i12, one.iq) for one in solutions], axis=0) / np.log(2)
    whole = np.array(plain.terms)
    i1, i2, i12 = 2 * whole[:3] - means[:3]
    v, half_v = (terms[3] - (terms[0] + terms[1]) / 2 for terms in (whole, means))
    coupling = max(v + extrapolation(problem) * (v - half_v) + (i1 + i2) / 2, i1, i2)
    np.testing.assert_allclose(found.terms[:3], (i1, i2, i12), atol=1e-9)
    assert found.terms.iq_y_x1x2 == pytest.approx(coupling, abs=1e-6)
    assert not plain.corrected


@pytest.mark.parametrize(("options", "steps"), [(2, 2.0), (4, 2.32), (6, 2.88), (10, 4.0), (26, 4.0)])
def test_the_extrapolation_follows_the_options_that_occur(options, steps):
    p = np.pad(np.full((N, options), 1 / options), ((0, 0), (0, 3)))
    assert extrapolation(ExactProblem.of(GivenRows(p, p, p, EQUAL), "tilt")) == pytest.approx(steps)


def test_halves_are_disjoint_whole_groups_with_their_own_marginals():
    p = rows(2)
    weights = np.where(np.arange(N) % 5 == 0, 0.0, 1.0)
    problem = ExactProblem.of(GivenRows(*p, weights / weights.sum()), "tilt")
    labels = number_groups(problem, np.repeat(["d", "a", "c", "b"], N // 4))
    first, second = random_parts(problem, labels, (2, 2), (0, 0), "tilt")
    assert sorted([*first.rows, *second.rows]) == list(np.flatnonzero(weights))
    assert not set(labels[first.rows]) & set(labels[second.rows])
    for part in (first, second):
        assert part.problem.residual < 1e-9
        own = ExactProblem.of(GivenRows(*(values[part.rows] for values in p), part.problem.weights), "tilt")
        for source, expected in zip(part.problem.sources, own.sources, strict=True):
            np.testing.assert_allclose(source.p, expected.p, atol=1e-8)


@pytest.mark.parametrize("marginals", ["tilt", "rescale"])
def test_a_row_of_double_weight_counts_as_two_items_of_a_group(marginals):
    p = rows(3)
    twice = np.repeat(np.arange(N // 2), 2)
    weights = np.concatenate([np.full(N // 2, 2 / N), np.zeros(N // 2)])
    weighted = intervals(p, weights, method="items-uncorrected", marginals=marginals)
    repeated = intervals([values[twice] for values in p], groups=twice, method="items-uncorrected", marginals=marginals)
    np.testing.assert_allclose(ends(weighted), ends(repeated), atol=1e-6)


@pytest.mark.slow
def test_problems_do_not_depend_on_each_other_and_seeds_change_the_splits_only():
    problems = [ExactProblem.of(GivenRows(*rows(seed), EQUAL), "tilt") for seed in (4, 5)]
    solutions = solve_problems(problems, TOLERANCE)
    options = {"method": "items", "tol_bits": TOLERANCE}
    together = item_intervals(problems, solutions, groups=[None, None], **options)
    alone = item_intervals(problems[1:], solutions[1:], groups=[None], **options)
    np.testing.assert_allclose(ends(together[1]), ends(alone[0]), atol=1e-6)
    other = item_intervals(problems[1:], solutions[1:], groups=[None], seed=1, **options)
    assert np.abs(ends(other[0]) - ends(alone[0])).max() > 1e-5


def test_halves_that_cannot_be_reconciled_leave_the_interval_uncorrected():
    first, second, pair = rows(6)
    first = np.eye(K)[np.arange(N) % K]  # certain: the two marginals agree over all items, in no random half
    second = np.tile(second[:K], (N // K, 1))
    pair = np.roll(first, 1, axis=0)
    found = intervals((first, second, pair))
    assert not found.corrected
    assert "expected value at this n" in repr(found)


@pytest.mark.slow
def test_differences_on_the_same_items():
    p = rows(7)
    first, second = intervals(p), intervals((p[0], p[1][::-1], p[2]))
    found = paired_difference(first, second)
    np.testing.assert_allclose(found.estimate, np.subtract(first.estimate, second.estimate), atol=1e-12)
    sd = (first.values - second.values).std(axis=0, ddof=1)
    np.testing.assert_allclose(found.standard_error, sd / math.sqrt(N), rtol=1e-9)
    nothing = paired_difference(first, first)
    gap = 2 * first.half_gap  # each of both may be off by half of its certified width
    assert [set(end) for end in ends(nothing)] == [{-gap}, {0.0}, {gap}]


@pytest.mark.slow
def test_what_has_no_difference():
    p = rows(8)
    found = intervals(p)
    for other, sentence in (
        (intervals(p, method="items-uncorrected"), "the same corrected"),
        (intervals(p, groups=np.arange(N) // 2), "the same groups"),
        (intervals(p, level=0.9), "the same level"),
    ):
        with pytest.raises(PidError, match=f"second: expected {sentence} as in first"):
            paired_difference(found, other)


@pytest.mark.slow
def test_intervals_of_your_own_arrays():
    p = rows(9)
    pictures = [f"picture {item // 2}" for item in range(N)]
    found = pid_jax.exact(*p, interval="items", groups=pictures, tol_bits=TOLERANCE)
    np.testing.assert_allclose(ends(found.items), ends(intervals(p, groups=np.arange(N) // 2)), atol=1e-6)
    assert "95% over items, large n" in repr(found)
    assert pid_jax.exact(*p, tol_bits=TOLERANCE).items is None
    assert set(pid_jax.exact_difference(found, found).estimate) == {0.0}
    with pytest.raises(PidError, match="second: has no interval over items"):
        pid_jax.exact_difference(found, pid_jax.exact(*p, tol_bits=TOLERANCE))


def outcome(folder, p, names):
    """What `estimate` hands to `keep` for a run of these conditionals."""
    both, vision, language = p[2], p[0], p[1]
    loglik, features = np.log(np.stack([both, vision, language], axis=1)), np.zeros((len(names), 1))
    write_run(folder, model="m", dataset="d", loglik=loglik, x1=features, x2=features, sample_id=names)
    kept = {}
    config = pid_jax.make_config(estimator="exact", interval="items-uncorrected", spread=False, tol_bits=TOLERANCE)
    pid_jax.estimate(folder, config, keep=kept.__setitem__)
    (found,) = kept.values()
    return found


@pytest.mark.slow
def test_runs_are_compared_if_they_have_the_same_items_in_the_same_order(tmp_path):
    names = [f"item {i}" for i in range(N)]
    first = outcome(tmp_path / "run", rows(1), names)
    second = replace(first, items=intervals(rows(2), method="items-uncorrected"))
    expected = paired_difference(first.items, second.items)
    np.testing.assert_array_equal(ends(pid_jax.exact_difference(first, second)), ends(expected))
    for others, sentence in (
        (names[::-1], "second: has the items of first in another order"),
        ([*names[1:], "new"], f"second: expected the {N} items of first, found {N}, of which {N - 1} are the same"),
    ):
        with pytest.raises(PidError, match=sentence):
            pid_jax.exact_difference(first, replace(second, sample_ids=np.array(others)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"interval": "bootstrap"}, "interval: expected one of items, items-uncorrected"),
        ({"groups": np.zeros(3)}, "groups: expected one group for each of 32 items"),
        ({"groups": np.zeros(N)}, "groups: expected at least 4 groups of items, found 1"),
    ],
)
def test_intervals_that_are_refused(changes, sentence):
    with pytest.raises(PidError, match=sentence):
        pid_jax.exact(*rows(0), **{"interval": "items-uncorrected", "tol_bits": TOLERANCE} | changes)


def test_a_seed_below_zero_is_refused():
    with pytest.raises(PidError, match="seed: expected an integer from 0"):
        pid_jax.curve_over_rows(*rows(0), seed=-1)


@pytest.mark.slow
def test_the_curve_over_rows():
    p = rows(10)
    points = pid_jax.curve_over_rows(*p, tol_bits=TOLERANCE)
    assert [(point.rows, point.parts) for point in points] == [(4, 8), (8, 4), (16, 2), (32, 1)]
    whole = pid_jax.exact(*p, tol_bits=TOLERANCE)
    np.testing.assert_allclose(points[-1].atoms, whole.middle, atol=TOLERANCE)
    grouped = pid_jax.curve_over_rows(*p, rows=[16], groups=np.arange(N) // 4, tol_bits=TOLERANCE)
    assert (grouped[0].rows, grouped[0].parts) == (16, 2)
    with pytest.raises(PidError, match="rows: expected numbers of items from 2 to 32, found 33"):
        pid_jax.curve_over_rows(*p, rows=[33])
