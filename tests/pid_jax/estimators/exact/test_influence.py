"""Influence values against differences of the terms as the weight of an item changes."""

import numpy as np
import pytest

from pid_jax.estimators.exact.over_items.influence import influence_values
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, information, solve_problems
from pid_jax.information import InformationTerms
from pid_lvlm.data.names import NATS_PER_BIT
from pid_lvlm.data.world.exact import broja_atoms

N, K = 8, 4
STEP = 2e-3


def rows(seed, *, zeros=False):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(K, 0.7), size=(3, N))
    if zeros:
        p[:, : N // 2, 3] = 0
    return p / p.sum(-1, keepdims=True)


def solved_terms(p, weights, marginals):
    """The four terms, nats; I_q from an interior-point method on a table with the same marginals."""
    problem = ExactProblem.of(GivenRows(*p, weights), marginals)
    first, second = (source.weights[:, None] * source.p for source in problem.sources)
    p_y = first.sum(0)
    truth = broja_atoms(first[:, None, :] * (second / p_y)[None, :, :])
    coupling = (truth.total - truth.synergy) * NATS_PER_BIT
    return np.array([information(first), information(second), problem.i_joint, coupling])


@pytest.mark.parametrize(
    ("marginals", "zeros"), [pytest.param("tilt", False, marks=pytest.mark.slow), ("tilt", True), ("rescale", False)]
)
def test_values_are_derivatives_with_respect_to_the_weight_of_an_item(marginals, zeros):
    p = rows(3, zeros=zeros)
    weights = np.random.default_rng(4).dirichlet(np.full(N, 5.0))
    problem = ExactProblem.of(GivenRows(*p, weights), marginals)
    (solution,) = solve_problems([problem], 1e-5)
    values = np.stack(influence_values(problem, solution, marginals), axis=-1)
    for item in (0, N - 1):
        towards = np.eye(N)[item] - weights
        up, down = (solved_terms(p, weights + step * towards, marginals) for step in (STEP, -STEP))
        np.testing.assert_allclose((up - down) / (2 * STEP), towards @ values, atol=3e-3)


def test_their_mean_is_the_term():
    problem = ExactProblem.of(GivenRows(*rows(5), np.full(N, 1 / N)), "tilt")
    (solution,) = solve_problems([problem], 1e-4)
    found = [problem.weights @ values for values in influence_values(problem, solution, "tilt")]
    np.testing.assert_allclose(found, [solution.i1, solution.i2, solution.i12, solution.dual_low], atol=1e-12)


def test_a_factor_per_label_that_one_source_gains_and_the_other_loses_changes_nothing():
    problem = ExactProblem.of(GivenRows(*rows(6), np.full(N, 1 / N)), "tilt")
    (solution,) = solve_problems([problem], 1e-4)
    factor = np.array([0.1, 1.0, 3.0, 20.0])
    a, b = solution.potentials
    moved = solution.__class__(**{**vars(solution), "potentials": (a * factor, b / factor)})
    found, again = (influence_values(problem, one, "tilt") for one in (solution, moved))
    assert isinstance(found, InformationTerms)
    np.testing.assert_allclose(found.iq_y_x1x2, again.iq_y_x1x2, atol=1e-9)
