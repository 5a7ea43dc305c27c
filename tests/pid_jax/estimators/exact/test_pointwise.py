"""Atoms of single pairs: they add up to the atoms, and depend on nothing but the problem."""

from dataclasses import fields, replace

import numpy as np
import pytest

import pid_jax
from pid_jax.estimators.exact.pointwise import PointwiseAtoms, pointwise
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, solve_problems
from pid_jax.information import AtomsInBits
from pid_lvlm.data.names import NATS_PER_BIT

K = 4
"""Options and rows are padded to the shape of the other tests of `exact`: one compiled program."""
N = 32


def conditionals(seed, *, missing=False, n=N, sharp=2.0):
    """Rows of three conditions that disagree about P(Y), by default with all options."""
    rng = np.random.default_rng(seed)
    options = rng.integers(2, K + 1, n) if missing else np.full(n, K)
    rows = []
    for _ in range(3):
        p = np.where(np.arange(K) < options[:, None], np.exp(sharp * rng.normal(size=(n, K))), 0.0)
        rows.append(p / p.sum(1, keepdims=True))
    return rows


def weights(seed, n=N):
    w = np.random.default_rng(seed).uniform(0.5, 2, n)
    return w / w.sum()


def rms(first: PointwiseAtoms, second: PointwiseAtoms) -> float:
    return max(
        float(np.sqrt(np.mean((getattr(first, field.name) - getattr(second, field.name)) ** 2)))
        for field in fields(PointwiseAtoms)
    )


@pytest.mark.parametrize("marginals", ["tilt", "rescale"])
@pytest.mark.parametrize("missing", [False, True])
def test_means_are_the_atoms_at_the_lower_bound_of_the_potentials(marginals, missing):
    w = weights(1)
    problem = ExactProblem.of(GivenRows(*conditionals(1, missing=missing), w), marginals)
    (solution,) = solve_problems([problem], 1e-3)
    found = pointwise(problem, solution)
    for name, mean in zip(AtomsInBits._fields, solution.atoms(solution.dual_low).in_bits(), strict=True):
        assert w @ getattr(found, name) == pytest.approx(mean, abs=1e-9)
    for name, nats in (("i1", solution.i1), ("i2", solution.i2), ("i12", solution.i12), ("iq", solution.dual_low)):
        assert w @ getattr(found, name) == pytest.approx(nats / NATS_PER_BIT, abs=1e-9)


def test_pairs_of_weight_0_have_no_values():
    w = np.r_[0.0, np.full(N - 1, 1 / (N - 1))]
    rows = conditionals(2)
    rows[0][0] = rows[1][0] = rows[2][0] = np.eye(K)[0]
    found = pid_jax.exact(*rows, w).pointwise()
    assert np.isnan(found.synergy[0])
    assert np.isfinite(found.synergy[1:]).all()


@pytest.mark.slow
@pytest.mark.parametrize("missing", [False, True])
def test_values_depend_on_the_problem_only(missing):
    rows = conditionals(3, missing=missing)
    reference = pid_jax.exact(*rows, tol_bits=2e-6).pointwise()
    at_tolerance = pid_jax.exact(*rows, tol_bits=2e-5).pointwise()
    assert rms(at_tolerance, reference) < 1e-3
    order = np.random.default_rng(0).permutation(N)
    moved = pid_jax.exact(*(p[order][:, [2, 0, 3, 1]] for p in rows), tol_bits=2e-5).pointwise()
    back = np.argsort(order)
    assert rms(PointwiseAtoms(*(getattr(moved, f.name)[back] for f in fields(moved))), reference) < 1e-3
    swapped = pid_jax.exact(rows[1], rows[0], rows[2], tol_bits=2e-5).pointwise()
    exchanged = replace(swapped, unique1=swapped.unique2, unique2=swapped.unique1, i1=swapped.i2, i2=swapped.i1)
    assert rms(exchanged, reference) < 1e-3


def clusters(shift: float):
    """Two clusters of rows that share label 0, of both sources: a coupling of the clusters leaves a factor open.

    `shift`: the factor by which a feasible optimal dual point is moved, 1/√2 to √2.
    """
    p = np.array([[0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]])[np.arange(N) % 2]
    second = np.roll(p, N // 4 + 1, axis=0)
    problem = ExactProblem.of(GivenRows(p, second, p, np.full(N, 1 / N)), "tilt")
    (solution,) = solve_problems([problem], 1e-5)
    a, b = (potential.copy() for potential in solution.potentials)
    in_first = [rows[:, 1] > 0 for rows in (p, second)]
    for rows, factor, first in ((a, shift, in_first[0]), (b, 1 / shift, in_first[1])):
        rows[first, 0] *= factor
    return problem, replace(solution, potentials=(a, b))


def test_one_factor_is_free_in_every_component():
    """Without the graph of the pairs with mass only the product of the factors of both clusters would be fixed."""
    problem, solution = clusters(1.0)
    reference = pointwise(problem, solution)
    for shift in (0.8, 1.2):
        moved_problem, moved = clusters(shift)
        a, b = moved.potentials
        assert (a @ b.T).max() < 1 + 1e-5, "still feasible"
        assert rms(pointwise(moved_problem, moved), reference) < 1e-6


def test_any_factor_of_a_label_drops_out():
    problem = ExactProblem.of(GivenRows(*conditionals(4), np.full(N, 1 / N)), "tilt")
    (solution,) = solve_problems([problem], 1e-3)
    factor = np.array([0.1, 1, 3, 7])
    a, b = solution.potentials
    moved = replace(solution, potentials=(a * factor, b / factor))
    assert rms(pointwise(problem, moved), pointwise(problem, solution)) < 1e-9


def test_a_source_that_says_nothing_shares_nothing():
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(K), size=N)
    nothing = np.tile(p.mean(0), (N, 1))
    found = pid_jax.exact(p, nothing, p, tol_bits=1e-5).pointwise()
    np.testing.assert_allclose(found.unique1, found.i1, atol=2e-3)
    for name in ("redundancy", "unique2", "synergy"):
        np.testing.assert_allclose(getattr(found, name), 0, atol=2e-3)


def test_cells_of_a_table():
    table = np.zeros((3, 2, K))
    table[0, 0, 0] = table[0, 1, 1] = table[1, 0, 1] = table[1, 1, 0] = 1 / 4
    found = pid_jax.broja(table).pointwise()
    assert found.synergy.shape == (3, 2)
    np.testing.assert_allclose(found.synergy[:2], 1, atol=1e-3)
    assert np.isnan(found.synergy[2]).all()
