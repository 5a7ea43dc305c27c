"""The exact decomposition against closed forms and an independent solver, and what must not change it."""

import os
import subprocess
import sys

import numpy as np
import pytest

import pid_jax
from pid_jax.information import AtomsInBits
from pid_lvlm.data import PidError
from pid_lvlm.data.world.exact import broja_atoms
from tests import ROOT

K = 4
"""Options in every test: one compiled program. Labels that never occur change nothing."""
N = 24


def gate(function):
    table = np.zeros((2, 2, K))
    for first, second in np.ndindex(2, 2):
        table[first, second, function(first, second)] = 1 / 4
    return table


def copied():
    table = np.zeros((2, 2, K))
    table[0, 0, 0] = table[1, 1, 1] = 1 / 2
    return table


CLOSED = {
    "xor": (gate(lambda a, b: a ^ b), (0, 0, 0, 1)),
    "and": (gate(lambda a, b: a & b), (0.311278, 0, 0, 0.5)),
    "first": (gate(lambda a, b: a), (0, 1, 0, 0)),
    "second": (gate(lambda a, b: b), (0, 0, 1, 0)),
    "copied": (copied(), (1, 0, 0, 0)),
    "pair": (gate(lambda a, b: 2 * a + b), (0, 1, 1, 0)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name):
    table, atoms = CLOSED[name]
    found = pid_jax.broja(table, tol_bits=1e-5)
    assert found.converged
    assert found.advice is None
    np.testing.assert_array_less(np.array(found.low) - 1e-6, atoms)
    np.testing.assert_array_less(atoms, np.array(found.high) + 1e-6)


def rows(seed, *, sharp=2.0, n=N, k=K):
    """Conditionals of two sources and of the pairs, with one P(Y): of a random joint table."""
    rng = np.random.default_rng(seed)
    table = np.exp(sharp * rng.normal(size=(n, n, k)))
    return table / table.sum()


@pytest.mark.parametrize("sharp", [0.3, 2.0, 6.0])
def test_the_interval_contains_what_an_interior_point_method_finds(sharp):
    table = rows(int(10 * sharp), sharp=sharp, n=6)
    found = pid_jax.broja(table, tol_bits=1e-4)
    truth = broja_atoms(table)
    assert found.gap_bits <= 1e-4
    for low, high, atom in zip(
        found.low,
        found.high,
        (truth.redundancy, truth.unique_vision, truth.unique_language, truth.synergy),
        strict=True,
    ):
        assert low - truth.gap - 1e-9 <= atom <= high + truth.gap + 1e-9


def conditionals(seed, n=N, k=K):
    """Rows whose means agree: every row of `p_y_x1x2` is a draw, the sources' are means over cyclic shifts of it."""
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.full(k, 0.5), size=n)
    first = (joint + np.roll(joint, 1, axis=0)) / 2
    second = (joint + np.roll(joint, -3, axis=0)) / 2
    return first, second, joint


def test_identities_of_the_atoms():
    found = pid_jax.exact(*conditionals(0))
    for end in (found.low, found.high):
        assert isinstance(end, AtomsInBits)
    middle = found.middle
    assert middle.redundancy + middle.unique1 == pytest.approx(found.i1_bits, abs=1e-9)
    assert middle.redundancy + middle.unique2 == pytest.approx(found.i2_bits, abs=1e-9)
    assert sum(middle) == pytest.approx(found.i12_bits, abs=1e-9)
    assert (np.array(found.high) >= np.array(found.low)).all()


@pytest.mark.parametrize("atom", AtomsInBits._fields)
def test_both_ends_of_every_atom_have_a_name(atom):
    found = pid_jax.broja(CLOSED["and"][0], tol_bits=1e-5)
    ends = getattr(found, f"{atom}_low_bits"), getattr(found, f"{atom}_high_bits")
    assert ends == (getattr(found.low, atom), getattr(found.high, atom))
    assert ends == pytest.approx([CLOSED["and"][1][AtomsInBits._fields.index(atom)]] * 2, abs=2e-5)
    assert all(isinstance(end, float) for end in ends)


def test_the_order_of_rows_and_options_and_repeated_rows_change_nothing():
    p = conditionals(1)
    rng = np.random.default_rng(0)
    order, options = rng.permutation(N), rng.permutation(K)
    found = pid_jax.exact(*p)
    for others, weights in (
        ([values[order] for values in p], None),
        ([values[:, options] for values in p], None),
        ([np.concatenate([values, values]) for values in p], None),
        ([np.concatenate([values, values[:1]]) for values in p], [0.5, *[1.0] * (N - 1), 0.5]),
    ):
        again = pid_jax.exact(*others, weights)
        assert again.i_coupling_low_bits <= found.i_coupling_high_bits + 1e-9
        assert found.i_coupling_low_bits <= again.i_coupling_high_bits + 1e-9
        assert again.i1_bits == pytest.approx(found.i1_bits, abs=1e-9)
        assert again.i12_bits == pytest.approx(found.i12_bits, abs=1e-9)


def test_pairing_changes_no_term_but_that_of_the_pairs():
    first, second, joint = conditionals(2)
    found, shuffled = (pid_jax.exact(first, other, joint) for other in (second, second[::-1]))
    assert found.i_coupling_low_bits == pytest.approx(shuffled.i_coupling_low_bits, abs=1e-9)


def test_swapped_sources_swap_the_unique_atoms():
    first, second, joint = conditionals(3)
    found, swapped = pid_jax.exact(first, second, joint), pid_jax.exact(second, first, joint)
    assert found.low.unique1 <= swapped.high.unique2
    assert swapped.low.unique2 <= found.high.unique1


def test_potentials_are_feasible_and_give_the_lower_bound():
    first, second, joint = conditionals(4)
    found = pid_jax.exact(first, second, joint)
    a, b = found.potentials
    assert (a @ b.T).max() <= 1 + 1e-12
    p_y = joint.mean(0)
    value = -(p_y * np.log(p_y)).sum()
    for p, potential in ((first, a), (second, b)):
        value += (p * np.log(np.where(p > 0, potential, 1))).sum(1).mean()
    trivial = max(found.i1_bits, found.i2_bits)
    assert max(value / np.log(2), trivial) == pytest.approx(found.i_coupling_low_bits, abs=1e-9)


def test_uniform_sources_know_nothing():
    uniform = np.full((N, K), 1 / K)
    found = pid_jax.exact(uniform, uniform, uniform)
    np.testing.assert_allclose(np.array(found.middle), 0, atol=1e-9)


@pytest.mark.parametrize("marginals", ["tilt", "rescale"])
def test_marginals_that_disagree_are_reconciled(marginals):
    rng = np.random.default_rng(5)
    first, second = rng.dirichlet(np.ones(K), size=(2, N))
    joint = (first * second) / (first * second).sum(1, keepdims=True)
    found = pid_jax.exact(first, second, joint, marginals=marginals)
    assert found.marginal_mismatch > 0.01
    assert found.low.redundancy >= -1e-9
    assert found.low.unique1 >= -1e-9
    assert found.low.unique2 >= -1e-9
    with pytest.raises(PidError, match="no coupling has these marginals"):
        pid_jax.exact(first, second, joint, marginals="as-given")


def test_a_target_that_no_tilt_reaches_is_refused():
    first, second, joint = conditionals(6)
    certain = np.eye(K)[np.zeros(N, int)]
    with pytest.raises(PidError, match="p_y_x1: cannot be brought to the P"):
        pid_jax.exact(certain, second, joint)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p_y_x1": np.ones((N, K))}, "p_y_x1, row 0: expected probabilities"),
        ({"p_y_x2": np.full((N, K + 1), 1 / (K + 1))}, r"p_y_x2: expected shape \(24, 4\)"),
        ({"weights": np.zeros(N)}, "weights: expected numbers of at least 0 with a finite sum above 0"),
        ({"weights": np.full(N, 1e308)}, "weights: expected numbers of at least 0 with a finite sum above 0"),
        ({"weights": np.full(N, np.nan)}, "weights: expected numbers of at least 0 with a finite sum above 0"),
        ({"p_y_x1": [["a", "b"]]}, "p_y_x1: expected real numbers"),
        ({"p_y_x1": [[0.5], [0.5, 0.5]]}, "p_y_x1: expected .* rows of different lengths"),
        ({"weights": np.ones(3)}, r"weights: expected a number for each of 24 rows, found shape \(3,\)"),
        ({"tol_bits": 0.0}, "tol_bits: expected a number of bits from 1e-6 to 1, found 0"),
        ({"marginals": "guess"}, "marginals: expected one of tilt, rescale, as-given"),
    ],
)
def test_arguments_that_are_not_valid(changes, sentence):
    names = ("p_y_x1", "p_y_x2", "p_y_x1x2")
    with pytest.raises(PidError, match=sentence):
        pid_jax.exact(**dict(zip(names, conditionals(0), strict=True)) | changes)


@pytest.mark.parametrize(
    "table", [np.ones((2, 2)), *(np.full((2, 2, 2), value) for value in (0.0, -1.0, np.nan, np.inf, 1e308))]
)
def test_tables_that_are_not_valid(table):
    with pytest.raises(PidError, match="p_x1x2y: expected"):
        pid_jax.broja(table)


OTHER_KINDS = """
import numpy as np, pid_jax
from pid_lvlm.data import PidError
p = np.full((8, 4), 0.25)
for call in (
    lambda: pid_jax.exact(p, p, p, tol_bits="x"),
    lambda: pid_jax.exact(p, p, p, tol_bits=None),
    lambda: pid_jax.exact(p, p, p, marginals=np.array(["tilt", "tilt"])),
    lambda: pid_jax.exact(p, p, p, interval=5),
    lambda: pid_jax.broja(np.ones((2, 2, 2)), tol_bits=[]),
    lambda: pid_jax.exact_difference(1, 2),
    lambda: pid_jax.curve_over_rows(p, p, p, rows=3),
    lambda: pid_jax.curve_over_rows(p, p, p, rows="all"),
    lambda: pid_jax.curve_over_rows(p, p, p, rows=[8.5]),
    lambda: pid_jax.curve_over_rows(p, p, p, seed="x"),
):
    try:
        call()
    except PidError as error:
        print(error)
"""


def test_arguments_of_another_kind():
    """In a process of its own: here the annotations are checked before the arguments are."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER_KINDS], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ
    )
    expected = [
        "tol_bits: expected a number of bits from 1e-6 to 1, found `x`",
        "tol_bits: expected a number of bits from 1e-6 to 1, found None",
        "marginals: expected one of tilt, rescale, as-given, found ['tilt' 'tilt']",
        "interval: expected one of items, items-uncorrected, found 5",
        "tol_bits: expected a number of bits from 1e-6 to 1, found []",
        "first: expected a result of exact or estimate, found a int",
        "rows: expected several integers, such as (256, 512), found 3",
        "rows: expected several integers, such as (256, 512), found `all`",
        "rows: expected several integers, such as (256, 512), found [8.5]",
        "seed: expected an integer from 0 to 4294967295, found `x`",
    ]
    assert done.stdout.splitlines() == expected
