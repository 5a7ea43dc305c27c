"""Atoms conditional on the number of options, and redundancy by other definitions."""

import numpy as np
import pytest

import pid_jax
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, solve_problems
from pid_jax.estimators.exact.strata import StratifiedProblem, solve_stratified
from pid_jax.setting import ArgumentError
from tests.pid_jax.estimators.exact.test_pointwise import K, N, conditionals, weights


def uniform_rows(options):
    return (np.arange(K) < options[:, None]) / options[:, None]


def test_the_number_of_options_is_no_information():
    options = np.arange(2, 5).repeat([10, 12, 10])
    flat = uniform_rows(options)
    found = pid_jax.exact(flat, flat, flat, strata=options)
    np.testing.assert_allclose(found.low, 0, atol=1e-9)
    np.testing.assert_allclose(found.high, 0, atol=1e-9)
    assert pid_jax.exact(flat, flat, flat).low.redundancy > 0.2


def test_every_stratum_is_decomposed_by_itself():
    rows, w = conditionals(6), weights(6)
    labels = np.random.default_rng(6).choice([-3, 0, 7], N)
    found = pid_jax.exact(*rows, w, strata=labels)
    masses = [w[labels == label].sum() for label in (-3, 0, 7)]
    alone = [pid_jax.exact(*(p[labels == label] for p in rows), w[labels == label]) for label in (-3, 0, 7)]
    for name in ("i1_bits", "i2_bits", "i12_bits", "i_coupling_low_bits", "i_coupling_high_bits", "gap_bits"):
        assert getattr(found, name) == pytest.approx(masses @ np.array([getattr(one, name) for one in alone]), abs=1e-9)
    np.testing.assert_allclose(found.potentials[0][labels == 0], alone[1].potentials[0])
    values = found.pointwise()
    np.testing.assert_allclose(values.synergy[labels == 7], alone[2].pointwise().synergy, atol=1e-9)
    assert w @ values.iq == pytest.approx(found.solution.dual_low / np.log(2), abs=1e-9)
    mmi = [one.other_redundancies().mmi for one in alone]
    assert found.other_redundancies().mmi == pytest.approx(masses @ np.array(mmi), abs=1e-12)


def test_all_problems_are_solved_in_one_call(monkeypatch):
    calls = []

    def counted(problems, tol_bits, devices):
        calls.append(len(problems))
        return solve_problems(problems, tol_bits, devices)

    monkeypatch.setattr("pid_jax.estimators.exact.strata.solve_problems", counted)
    labels = [np.arange(N) % 2, None, np.arange(N) % 3]
    given = [StratifiedProblem.of(GivenRows(*conditionals(7), weights(7), which), "tilt") for which in labels]
    found = solve_stratified(given, 1e-3)
    assert calls == [6]
    (whole,) = solve_problems([ExactProblem.of(GivenRows(*conditionals(7), weights(7)), "tilt")], 1e-3)
    assert found[1].low == whole.low
    assert [len(one.parts) for one in found] == [2, 1, 3]


def test_a_stratum_without_weight_is_left_out():
    options = np.array([2, 3, 4, 4]).repeat(8)
    w = np.where(options == 3, 0.0, 1.0)
    found = pid_jax.exact(*conditionals(8, n=32), w, strata=options)
    assert [len(stratum.rows) for stratum in found.problem.strata] == [8, 16]
    assert np.isnan(found.pointwise().iq[8:16]).all()
    assert (found.potentials[1][8:16] == 0).all()


@pytest.mark.parametrize("strata", [np.ones(3), np.full(N, 0.5), ["two"] * N])
def test_strata_are_integers(strata):
    with pytest.raises(ArgumentError, match="strata: expected 32 integers"):
        pid_jax.exact(*conditionals(9), strata=strata)


def test_the_source_that_cannot_be_reconciled_in_a_stratum_is_named():
    first, second, pairs = conditionals(10)
    second[: N // 2] = np.eye(K)[0]
    with pytest.raises(ArgumentError, match="p_y_x2: cannot be brought"):
        pid_jax.exact(first, second, pairs, strata=np.arange(N) // (N // 2))


def gate(function):
    table = np.zeros((2, 2, K))
    for first, second in np.ndindex(2, 2):
        table[first, second, function(first, second)] = 1 / 4
    return table


@pytest.mark.parametrize(
    ("table", "mmi", "imin"),
    [
        (gate(lambda a, b: a ^ b), 0, 0),
        (gate(lambda a, b: a & b), 0.311278, 0.311278),
        (gate(lambda a, b: a), 0, 0),
        (gate(lambda a, b: 2 * a + b), 1, 1),  # the copy, where both call 1 bit redundant and BROJA none
    ],
)
def test_other_redundancies_of_gates(table, mmi, imin):
    found = pid_jax.broja(table).other_redundancies()
    assert found.mmi == pytest.approx(mmi, abs=1e-6)
    assert found.imin == pytest.approx(imin, abs=1e-6)


def test_redundancies_differ_where_sources_know_different_labels():
    """Source 1 tells whether y = 0, source 2 whether y = 1, of three equally likely labels: I_min = 2/3 log(3/2) …"""
    eye = np.eye(K)[:3]
    first, second = np.array([1, 0, 0]), np.array([0, 1, 0])
    table = np.zeros((2, 2, K))
    for y in range(3):
        table[first[y], second[y]] += eye[y] / 3
    found = pid_jax.broja(table).other_redundancies()
    assert found.mmi == pytest.approx(np.log2(3) - 2 / 3, abs=1e-9)
    assert found.imin == pytest.approx(3 * np.log2(3 / 2) / 3, abs=1e-9)


@pytest.mark.parametrize("seed", [11, 12])
def test_broja_is_the_least_redundancy(seed):
    found = pid_jax.exact(*conditionals(seed))
    other = found.other_redundancies()
    assert found.low.redundancy <= other.imin <= other.mmi + 1e-12
    assert other.mmi == pytest.approx(min(found.i1_bits, found.i2_bits), abs=1e-12)
