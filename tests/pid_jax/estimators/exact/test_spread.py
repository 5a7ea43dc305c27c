"""What the way to one P(Y) changes, and the bounds that hold whichever it is."""

import numpy as np
import pytest

from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution, GivenRows, solve_problems
from pid_jax.estimators.exact.spread import WAYS, marginals_spreads
from pid_jax.information import AtomsInBits
from pid_lvlm.data.names import NATS_PER_BIT
from tests.golden.test_replay import FILES
from tests.pid_jax.estimators.exact.test_pointwise import K, N, conditionals, weights

UNIFORM = np.full(N, 1 / N)


def test_every_way_has_atoms_and_the_range_covers_them():
    (found,) = marginals_spreads([GivenRows(*conditionals(20), UNIFORM)], 1e-3)
    assert tuple(found.atoms) == WAYS
    assert found.unreachable == ()
    assert found.largest > 0.01
    synergies = [atoms.synergy for atoms in found.atoms.values()]
    assert found.ranges.synergy == pytest.approx(max(synergies) - min(synergies))
    (alone,) = solve_problems([ExactProblem.of(GivenRows(*conditionals(20), UNIFORM), "rescale")], 1e-3)
    assert found.atoms["rescale"] == pytest.approx(alone.atoms().in_bits(), abs=1e-9)


def test_marginals_that_agree_are_solved_once():
    first, _, _ = conditionals(21)
    (found,) = marginals_spreads([GivenRows(first, np.roll(first, 1, axis=0), np.roll(first, 5, axis=0), UNIFORM)])
    assert tuple(found.atoms) == ("tilt",)
    assert found.ranges == AtomsInBits(0, 0, 0, 0)


def test_ways_that_are_impossible_are_said():
    first, second, pairs = conditionals(22)
    first = np.eye(K)[np.arange(N) % K]  # cannot be tilted
    first[: N // 2] = np.eye(K)[0]
    (found,) = marginals_spreads([GivenRows(first, second, pairs, UNIFORM)])
    assert found.unreachable == ("tilt", "mean", "second")
    assert tuple(found.atoms) == ("rescale", "first")
    nothing = marginals_spreads([GivenRows(first, second, pairs, UNIFORM)], ways=("tilt",))[0]
    assert np.isnan(nothing.largest)


def test_many_problems_and_strata_in_one_call():
    labels = np.arange(N) % 2
    given = [
        GivenRows(*conditionals(23), weights(23), labels),
        GivenRows(*conditionals(24), UNIFORM),
    ]
    both = marginals_spreads(given, 1e-3, ("tilt", "mean"))
    for one, rows in zip(both, given, strict=True):
        (alone,) = marginals_spreads([rows], 1e-3, ("tilt", "mean"))
        assert one.largest == pytest.approx(alone.largest, abs=1e-9)


def test_a_way_that_is_known_is_not_solved_again():
    rows = GivenRows(*conditionals(23), UNIFORM)
    known = AtomsInBits(0.1, 0.2, 0.3, 9.0)
    (found,) = marginals_spreads([rows], 1e-3, ("tilt", "mean"), known=[{"tilt": known}])
    assert found.atoms["tilt"] == known
    assert found.largest > 5


@pytest.mark.slow
def test_the_recorded_fit_with_inconsistent_marginals():
    """The record's I(X1,X2;Y) was not tilted when its synergies were first noted, so it is held fixed here."""
    (path,) = (path for path in FILES if path.stem == "inconsistent_k4")
    with np.load(path) as record:
        rows = [record[f"test/{name}"].astype(float) for name in ("p_y_x1", "p_y_x2", "p_y_x1x2")]
    rows = [p / p.sum(1, keepdims=True) for p in rows]
    w = np.full(len(rows[0]), 1 / len(rows[0]))
    (found,) = marginals_spreads([GivenRows(*rows, w)], 1e-3)
    i12 = ExactProblem.of(GivenRows(*rows, w), "as-given").i_joint / NATS_PER_BIT
    synergy = {way: i12 - atoms.redundancy - atoms.unique1 - atoms.unique2 for way, atoms in found.atoms.items()}
    noted = {"tilt": 0.642, "rescale": 0.687, "first": 0.651, "second": 0.712}
    assert {way: round(synergy[way], 3) for way in noted} == noted
    assert found.largest == pytest.approx(0.078, abs=1e-3)


@pytest.mark.parametrize(
    ("marginals", "missing"),
    [
        ("tilt", True),
        ("rescale", False),
        pytest.param("tilt", False, marks=pytest.mark.slow),
        pytest.param("rescale", True, marks=pytest.mark.slow),
    ],
)
def test_bounds_hold_with_one_p_y_except_where_the_pairs_know_less(marginals, missing):
    knows = []
    for seed in range(25, 31):
        first, second, pairs = conditionals(seed, missing=missing)
        pairs = pairs ** (0.3 if seed % 2 else 10)
        pairs /= pairs.sum(1, keepdims=True)
        (found,) = solve_problems([ExactProblem.of(GivenRows(first, second, pairs, weights(seed)), marginals)], 1e-3)
        knows.append(found.i12 >= found.low - 1e-9)
        for iq in (found.low, found.high):
            atoms, slack = found.atoms(iq), 1e-9
            assert -slack <= atoms.redundancy <= min(found.i1, found.i2) + slack
            assert min(atoms.unique1, atoms.unique2) >= -slack
            assert atoms.synergy <= found.i12 + slack
        assert (found.atoms(found.low).synergy >= -slack) == knows[-1]
    assert set(knows) == {False, True}


@pytest.mark.parametrize(
    ("deficit", "tol_bits", "less"), [(0.009, 1e-3, False), (0.011, 1e-3, True), (0.02, 0.05, False)]
)
def test_a_synergy_just_below_0_is_0(deficit, tol_bits, less):
    i12 = 1.0 - deficit * NATS_PER_BIT
    found = ExactSolution(0.5, 0.5, i12, low=1.0, high=1.0, dual_low=1.0, potentials=(np.zeros((0, 2)),) * 2)
    assert found.joint_knows_less(tol_bits) == less
