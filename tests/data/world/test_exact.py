"""The exact decomposition: known answers, identities, and the same numbers as an independent package."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pid_lvlm.data.names import NATS_PER_BIT
from pid_lvlm.data.world import TASKS, broja_atoms, get_task, true_atoms
from pid_lvlm.data.world.exact import coupling_information_nats, mutual_information_nats


def gate(answer, labels=2):
    """p(a, b, y) for two fair bits and a deterministic answer."""
    joint = np.zeros((2, 2, labels))
    for a, b in itertools.product(range(2), repeat=2):
        joint[a, b, answer(a, b)] += 0.25
    return joint


RDN = np.zeros((2, 2, 2))
RDN[0, 0, 0] = RDN[1, 1, 1] = 0.5
AND_REDUNDANCY = 0.75 * np.log2(4 / 3)
KNOWN = {
    "xor": (gate(lambda a, b: a ^ b), (0, 0, 0, 1)),
    "and": (gate(lambda a, b: a & b), (AND_REDUNDANCY, 0, 0, 0.5)),
    "copy": (gate(lambda a, b: 2 * a + b, 4), (0, 1, 1, 0)),
    "unique 1": (gate(lambda a, b: a), (0, 1, 0, 0)),
    "unique 2": (gate(lambda a, b: b), (0, 0, 1, 0)),
    "rdn": (RDN, (1, 0, 0, 0)),
}
TABLES = hnp.arrays(np.float64, (3, 4, 3), elements=st.sampled_from([0.0, 0.05, 0.3, 1.0, 2.0])).filter(
    lambda table: table.sum() > 0
)


def values(atoms):
    return np.array([atoms.redundancy, atoms.unique_vision, atoms.unique_language, atoms.synergy])


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name):
    joint, expected = KNOWN[name]
    atoms = broja_atoms(joint)
    np.testing.assert_allclose(values(atoms), expected, atol=1e-8)
    assert atoms.gap <= 1e-8


@given(TABLES)
@settings(max_examples=40, deadline=None)
def test_identities(table):
    joint = table / table.sum()
    atoms = broja_atoms(joint)
    first, second = (mutual_information_nats(joint.sum(axis=axis)) / NATS_PER_BIT for axis in (1, 0))
    assert atoms.redundancy + atoms.unique_vision == pytest.approx(first, abs=1e-9)
    assert atoms.redundancy + atoms.unique_language == pytest.approx(second, abs=1e-9)
    assert atoms.total == pytest.approx(mutual_information_nats(joint.reshape(-1, 3)) / NATS_PER_BIT, abs=1e-9)
    assert values(atoms).min() > -1e-9 - atoms.gap  # what a certified gap leaves open
    assert 0 <= atoms.gap < 1e-6


@given(TABLES, st.permutations(range(3)), st.permutations(range(4)), st.permutations(range(3)))
@settings(max_examples=20, deadline=None)
def test_swapping_and_relabelling(table, first, second, labels):
    joint = table / table.sum()
    atoms = values(broja_atoms(joint))
    np.testing.assert_allclose(values(broja_atoms(joint.transpose(1, 0, 2)))[[0, 2, 1, 3]], atoms, atol=1e-7)
    np.testing.assert_allclose(values(broja_atoms(joint[first][:, second][:, :, labels])), atoms, atol=1e-7)


@given(TABLES)
@settings(max_examples=20, deadline=None)
def test_splitting_a_source_value_changes_nothing(table):
    joint = table / table.sum()
    split = np.concatenate([joint * 0.25, joint * 0.75])
    np.testing.assert_allclose(values(broja_atoms(split)), values(broja_atoms(joint)), atol=1e-7)


def test_the_lower_bound_is_a_bound():
    rng = np.random.default_rng(0)
    for joint in rng.dirichlet(np.full(27, 0.4), size=10).reshape(10, 3, 3, 3):
        value, bound = coupling_information_nats(joint.sum(axis=1), joint.sum(axis=0))
        assert value - 1e-9 <= bound <= value + 1e-15
        assert value <= mutual_information_nats(joint.reshape(-1, 3))  # the table itself is a coupling


@pytest.mark.filterwarnings("ignore")  # dit's own
def test_same_atoms_as_dit():
    import dit
    from dit.pid import PID_BROJA

    rng = np.random.default_rng(1)
    for joint in (KNOWN["and"][0], rng.dirichlet(np.full(12, 0.7)).reshape(2, 3, 2)):
        cells = list(itertools.product(*map(range, joint.shape)))
        distribution = dit.Distribution(["".join(map(str, cell)) for cell in cells], joint.ravel())
        ours = values(broja_atoms(joint))
        for seed in range(12):  # dit starts at random, sometimes ends early, and is then above the optimum
            np.random.seed(seed)  # noqa: NPY002  its optimiser draws from numpy's global generator
            found = PID_BROJA(distribution)
            theirs = np.array([found[node] for node in (((0,), (1,)), ((0,),), ((1,),), ((0, 1),))])
            assert theirs[0] <= ours[0] + 2e-3  # the smallest coupling information has the largest redundancy
            if np.allclose(theirs, ours, rtol=0, atol=2e-3):
                break
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-3)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_the_atoms_it_is_made_for(task):
    atoms = values(true_atoms(get_task(task)))
    if task == "blend":
        assert atoms.min() >= 0.2
    else:
        expected = {"agreement": 0, "sight": 1, "knowledge": 2, "fusion": 3}[task]
        np.testing.assert_allclose(atoms, 2.0 * np.eye(4)[expected], atol=1e-9)


@pytest.mark.parametrize("joint", [np.full((2, 2), 0.25), np.full((2, 2, 2), 0.5), -np.ones((1, 1, 1))])
def test_what_is_not_a_table_is_refused(joint):
    with pytest.raises(ValueError, match="sums to 1"):
        broja_atoms(joint)
