"""From conditionals to solved problems: reconcile, merge and solve, with potentials for every original row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.penalty.bounds import information
from pid_jax.estimators.exact.rows import Marginals, Reconciled, merge_rows, reconcile
from pid_jax.estimators.exact.solver.solve import solve_many
from pid_jax.information import Atoms, InformationTerms, atoms_from_terms
from pid_lvlm.data.names import NATS_PER_BIT

LEAST_DEFICIT: Final = 0.01
"""Synergy is left out only if the joint conditionals know less by more than this, in bits; smaller deficits count as
0."""

REACHED: Final = 1e-9
"""Largest total variation between a source's mean and P(Y) that counts as equal."""


@dataclass(frozen=True)
class GivenRows:
    """Conditionals as measured, before reconciling their P(Y).

    Attributes:
        p_y_x1: float64, rows sum to 1.
        p_y_x2: the same for source 2.
        p_y_x1x2: the same for the pairs.
        weights: weights of the rows; they sum to 1.
        labels: stratum labels, any integers; None: one stratum.
    """

    p_y_x1: Float[np.ndarray, "n k"]
    p_y_x2: Float[np.ndarray, "n k"]
    p_y_x1x2: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"] | None = None

    @property
    def conditionals(self) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
        """Conditionals of source 1, source 2 and the pairs."""
        return self.p_y_x1, self.p_y_x2, self.p_y_x1x2

    @property
    def p_y(self) -> list[Float[np.ndarray, " k"]]:
        """The three P(Y)."""
        return [self.weights @ p for p in self.conditionals]

    @property
    def marginal_mismatch(self) -> float:
        """Largest total variation between two of the three P(Y)."""
        p_y = self.p_y
        return max(float(np.abs(a - b).sum() / 2) for a in p_y for b in p_y)


@dataclass(frozen=True)
class ExactProblem:
    """What the BROJA optimum and the four information terms depend on.

    Attributes:
        sources: conditionals of both sources with one P(Y), and the weights of their rows.
        p_y_x1x2: conditionals of the pairs.
        weights: weights of the pairs; they sum to 1.
        marginal_mismatch: largest total variation between two of the three P(Y) before they were reconciled.
        pairs: each pair's rows of source 1 and source 2; None: pair s is row s of both.
    """

    sources: tuple[Reconciled, Reconciled]
    p_y_x1x2: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"]
    marginal_mismatch: float
    pairs: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]] | None = None

    @classmethod
    def of(cls, rows: GivenRows, marginals: Marginals) -> "ExactProblem":
        """Bring both sources to the P(Y) of the pairs, ignoring strata.

        Args:
            rows: the measured rows.
            marginals: the method.
        """
        target = rows.p_y[2]
        first, second = (reconcile(p, rows.weights, target, marginals) for p in (rows.p_y_x1, rows.p_y_x2))
        return cls((first, second), rows.p_y_x1x2, rows.weights, rows.marginal_mismatch)

    @property
    def residual(self) -> float:
        """Remaining total variation between a source and P(Y); above `REACHED`, P(Y) is out of reach."""
        return max(source.residual for source in self.sources)

    @property
    def rows_of_pairs(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Each pair's rows of source 1 and source 2."""
        return self.pairs or (np.arange(len(self.weights)),) * 2

    @property
    def i_joint(self) -> float:
        """I(X1,X2;Y), nats."""
        p, p_y = self.p_y_x1x2, self.weights @ self.p_y_x1x2
        ratio = np.divide(
            p, p_y, out=np.ones_like(p), where=(p > 0) & (p_y > 0)
        )  # a row of weight 0 may have more options
        return float(self.weights @ (p * np.log(ratio)).sum(1))


@dataclass(frozen=True)
class ExactSolution:
    """A solved problem, nats.

    Attributes:
        i1: I(X1;Y) of the reconciled rows.
        i2: I(X2;Y).
        i12: I(X1,X2;Y).
        low: certified lower bound on I_q.
        high: certified upper bound.
        dual_low: lower bound from the potentials alone; at most `low`.
        potentials: dual variables A (n, k) and B (n, k) of every row, a feasible point.
    """

    i1: float
    i2: float
    i12: float
    low: float
    high: float
    dual_low: float
    potentials: tuple[Float[np.ndarray, "n1 k"], Float[np.ndarray, "n2 k"]]

    @property
    def gap_bits(self) -> float:
        """Width of the certified interval, bits."""
        return (self.high - self.low) / NATS_PER_BIT

    @property
    def iq(self) -> float:
        """Midpoint of the certified interval, nats."""
        return (self.low + self.high) / 2

    def joint_knows_less(self, tol_bits: float) -> bool:
        """Whether the pairs' conditionals know less about Y than the sources imply, which makes the synergy negative.

        The other bounds on the atoms hold for all reconciled problems; this one depends on a third measurement. A
        synergy of 0 is measured as slightly more or less: down to `LEAST_DEFICIT` below 0, it counts as 0.

        Args:
            tol_bits: maximum width of the certified interval, bits; smaller deficits mean nothing.
        """
        return self.i12 < self.low - max(tol_bits, LEAST_DEFICIT) * NATS_PER_BIT

    def atoms(self, iq: float | None = None) -> Atoms:
        """The atoms, nats, at the midpoint of the certified interval or at a given I_q."""
        return atoms_from_terms(InformationTerms(self.i1, self.i2, self.i12, self.iq if iq is None else iq))


def solve_problems(problems: Sequence[ExactProblem], tol_bits: float, devices: int = 1) -> list[ExactSolution]:
    """Solve problems of any shapes; equal rows are merged first.

    Args:
        problems: reconciled problems.
        tol_bits: maximum width of the certified intervals, bits.
        devices: on a CPU, number of problems solved at a time.
    """
    merged = [[merge_rows(source.p, source.weights) for source in problem.sources] for problem in problems]
    optima = solve_many([(first.masses, second.masses) for first, second in merged], tol_bits, devices=devices)
    return [
        ExactSolution(
            i1=information(first.masses),
            i2=information(second.masses),
            i12=problem.i_joint,
            low=optimum.low,
            high=optimum.high,
            dual_low=optimum.dual_low,
            potentials=(optimum.first[first.inverse], optimum.second[second.inverse]),
        )
        for problem, (first, second), optimum in zip(problems, merged, optima, strict=True)
    ]
