"""Information terms and atoms: identities, known answers, units."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_jax.information import (
    InformationTerms,
    atoms_from_terms,
    bits_from_nats,
    coupling_loss,
    information_terms,
    source_information,
)

FINITE = st.floats(0, 5, width=32)


@given(FINITE, FINITE, FINITE, FINITE)
@settings(deadline=None)
def test_identities(i1, i2, i12, iq):
    r, u1, u2, s = atoms_from_terms(InformationTerms(*map(np.float64, (i1, i2, i12, iq))))
    np.testing.assert_allclose([r + u1, r + u2, r + u1 + u2 + s], [i1, i2, i12], atol=1e-9)


def test_swapping_the_sources_swaps_the_unique_atoms():
    one = atoms_from_terms(InformationTerms(0.3, 0.7, 1.1, 0.8))
    other = atoms_from_terms(InformationTerms(0.7, 0.3, 1.1, 0.8))
    assert (one.unique1, one.unique2) == (other.unique2, other.unique1)
    assert (one.redundancy, one.synergy) == (other.redundancy, other.synergy)


def test_bits():
    assert bits_from_nats(np.log(4)) == pytest.approx(2)
    np.testing.assert_allclose(bits_from_nats(np.log([2.0, 8.0])), [1, 3])


@pytest.mark.parametrize("k", [2, 3, 4])
def test_certain_answers_carry_log2_k_bits(k):
    p = jnp.eye(k)
    mask = jnp.ones(k, dtype=bool)
    assert float(bits_from_nats(source_information(p, p.mean(0), mask))) == pytest.approx(np.log2(k), abs=1e-6)
    flat = jnp.full((k, k), 1 / k)
    assert float(source_information(flat, p.mean(0), mask)) == pytest.approx(0, abs=1e-6)


def matched_coupling(match: np.ndarray) -> jnp.ndarray:
    """q (k, a, b) that spreads every row over the columns that `match` allows for the option."""
    return jnp.asarray(match / match.sum(-1, keepdims=True))


def test_known_coupling_of_redundant_sources():
    """Both sources equal the answer: the coupling that pairs equal rows gives I_q = log K and redundancy only."""
    k, copies = 4, 8
    y = np.repeat(np.arange(k), copies)
    p = jnp.eye(k)[y]
    q = matched_coupling(np.stack([np.tile(y == label, (len(y), 1)) for label in range(k)]).astype(float))
    mask = jnp.ones(len(y), dtype=bool)
    loss = coupling_loss(q, p, mask)
    terms = information_terms(loss, p, p, p, p.mean(0), mask)
    np.testing.assert_allclose(bits_from_nats(np.array(atoms_from_terms(terms))), [2, 0, 0, 0], atol=1e-5)


def test_known_coupling_of_xor():
    """Unimodal rows are uniform, so the independent coupling carries nothing: all of it is synergy."""
    n = 16
    flat, sharp = jnp.full((n, 2), 0.5), jnp.eye(2)[np.arange(n) % 2]
    mask = jnp.ones(n, dtype=bool)
    loss = coupling_loss(jnp.full((2, n, n), 1 / n), flat, mask)
    terms = information_terms(loss, flat, flat, sharp, sharp.mean(0), mask)
    np.testing.assert_allclose(bits_from_nats(np.array(atoms_from_terms(terms))), [0, 0, 0, 1], atol=1e-5)
