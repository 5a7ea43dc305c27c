"""Information terms and atoms. Everything is computed in nats and converted to bits for reporting."""

from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pid_lvlm.data.names import NATS_PER_BIT

Quantity = TypeVar("Quantity", bound=Any)


def bits_from_nats(nats: Quantity) -> Quantity:
    """Convert an information quantity (a number or an array) from nats to bits.

    Example:
        >>> import math
        >>> bits_from_nats(math.log(4))
        2.0
    """
    return nats / NATS_PER_BIT


Nats: TypeAlias = Float[Any, "*p"] | float
"""jax arrays in a compiled program, numpy arrays of the same shapes on the host, or plain numbers."""

Bits: TypeAlias = Nats
"""Values of the same kinds, in bits."""

LOG_EPS = 1e-8
"""As published: added inside the loss's logarithms, and replaces a probability of exactly 0 inside a logarithm."""


class InformationTerms(NamedTuple):
    """I(X1;Y), I(X2;Y), I(X1,X2;Y) and the information of the coupling I_q(X1,X2;Y), nats, any shape."""

    i_y_x1: Nats
    i_y_x2: Nats
    i_y_x1x2: Nats
    iq_y_x1x2: Nats

    def in_bits(self) -> "TermsInBits":
        """The same in bits."""
        return TermsInBits(*map(bits_from_nats, self))


class Atoms(NamedTuple):
    """The four atoms in nats, unclipped: a small negative value is estimation error."""

    redundancy: Nats
    unique1: Nats
    unique2: Nats
    synergy: Nats

    def in_bits(self) -> "AtomsInBits":
        """The same in bits."""
        return AtomsInBits(*map(bits_from_nats, self))


class TermsInBits(NamedTuple):
    """`InformationTerms` in bits."""

    i_y_x1: Bits
    i_y_x2: Bits
    i_y_x1x2: Bits
    iq_y_x1x2: Bits


class AtomsInBits(NamedTuple):
    """`Atoms` in bits."""

    redundancy: Bits
    unique1: Bits
    unique2: Bits
    synergy: Bits


def atoms_from_terms(terms: InformationTerms) -> Atoms:
    """R = I1 + I2 - I_q, U1 = I_q - I2, U2 = I_q - I1, S = I12 - I_q (paper, eqs. 20-22; eq. 19 is a misprint).

    Example:
        >>> xor = InformationTerms(0.0, 0.0, NATS_PER_BIT, 0.0)  # only the pair is informative
        >>> atoms_from_terms(xor).in_bits()
        AtomsInBits(redundancy=0.0, unique1=0.0, unique2=0.0, synergy=1.0)
    """
    return Atoms(
        redundancy=terms.i_y_x1 + terms.i_y_x2 - terms.iq_y_x1x2,
        unique1=terms.iq_y_x1x2 - terms.i_y_x2,
        unique2=terms.iq_y_x1x2 - terms.i_y_x1,
        synergy=terms.i_y_x1x2 - terms.iq_y_x1x2,
    )


def guarded_log(p: Float[Any, "*n"]) -> Float[Array, "*n"]:
    """Logarithm with exact zeros read as 1e-8, as published, so that 0 log 0 is 0."""
    return jnp.log(jnp.where(p == 0, LOG_EPS, p))


def mean_over_rows(values: Float[Any, " n"], mask: Bool[Any, " n"]) -> Float[Array, ""]:
    """Mean over rows that are not padding."""
    return jnp.where(mask, values, 0.0).sum() / mask.sum()


def source_information(p: Float[Any, "n k"], p_y: Float[Any, " k"], mask: Bool[Any, " n"]) -> Float[Array, ""]:
    """Mean KL(p(y|x_i) ‖ P(y)) over the rows, nats: I(X;Y) for the P(Y) given."""
    return mean_over_rows((p * (guarded_log(p) - guarded_log(p_y))).sum(axis=-1), mask)


def coupling_loss(q: Float[Any, "k a b"], p_y_x1: Float[Any, "a k"], mask: Bool[Any, " a"]) -> Float[Array, ""]:
    """BATCH's loss in nats (paper, eq. 18): I_q(X1,X2;Y) minus I(X1;Y), that is, unique2 under the coupling.

    mean_i Σ_j Σ_y p1 q [log(q + 1e-8) - log(Σ_y' q p1 + 1e-8)], with q = q(x2_j | x1_i, y), p1 = p(y | x1_i).
    """
    weighted = p_y_x1.T[:, :, None] * q
    mixture = weighted.sum(axis=0)
    by_row = (weighted * (jnp.log(q + LOG_EPS) - jnp.log(mixture + LOG_EPS))).sum(axis=(0, 2))
    return mean_over_rows(by_row, mask)


def information_terms(
    loss: Float[Any, ""],
    p_y_x1: Float[Any, "n k"],
    p_y_x2: Float[Any, "n k"],
    p_y_x1x2: Float[Any, "n k"],
    p_y: Float[Any, " k"],
    mask: Bool[Any, " n"],
) -> InformationTerms:
    """The four terms of one batch, given the loss of its coupling.

    I_q adds log p1 - log P(Y) to the loss's bracket; since q sums to 1 over x2, that addition is I(X1;Y).
    """
    i_y_x1 = source_information(p_y_x1, p_y, mask)
    return InformationTerms(
        i_y_x1=i_y_x1,
        i_y_x2=source_information(p_y_x2, p_y, mask),
        i_y_x1x2=source_information(p_y_x1x2, p_y, mask),
        iq_y_x1x2=loss + i_y_x1,
    )
