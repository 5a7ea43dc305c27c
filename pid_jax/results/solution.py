"""The outcome of a fit: a code for each problem, with advice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from pid_jax.information import AtomsInBits, InformationTerms, atoms_from_terms, bits_from_nats
from pid_jax.results.columns import Columns, atom_columns, seed_spread, term_columns
from pid_lvlm.data.contract.table.limits import SINKHORN_ERROR
from pid_lvlm.data.contract.table.results import USABLE


class Result(IntEnum):
    """Outcome of a problem: the worst over its seeds."""

    SUCCESSFUL = 0
    SINKHORN_UNCONVERGED = 1
    NONFINITE_LOSS = 2
    INVALID_RUN = 3
    WIDE_INTERVAL = 4
    JOINT_KNOWS_LESS = 5
    MARGINALS_UNREACHABLE = 6

    @property
    def label(self) -> str:
        """Its spelling in the result table."""
        return self.name.lower()

    @property
    def usable(self) -> bool:
        """Whether the numbers of such a row are usable."""
        return self.label in USABLE


ADVICE: Final = {
    Result.SINKHORN_UNCONVERGED: "the couplings miss their marginals; raise sinkhorn_sweeps (--sinkhorn-sweeps)",
    Result.NONFINITE_LOSS: "the training loss became NaN or infinite; look for extreme values in the features",
    Result.INVALID_RUN: "left out for the reason given when the run was read; fix that and run the same command again",
    Result.MARGINALS_UNREACHABLE: "the sources cannot be brought to one P(Y): too many rows are certain, or "
    "marginals=as-given was asked for and they disagree; choose marginals=rescale (--marginals rescale)",
}


@runtime_checkable
class Solved(Protocol):
    """What an estimator returns for a problem."""

    @property
    def result(self) -> Result:
        """The outcome."""

    def columns(self, ground_truth: Mapping[str, float] | None) -> Columns:
        """The estimator's results as columns of the result table, converting nats to bits."""


@dataclass(frozen=True)
class Solution:
    """All seeds of one problem by BATCH, on the host.

    Attributes:
        terms: information terms (seeds,), nats, averaged over the test batches.
        loss: training loss of every step, nats.
        sinkhorn_error: largest L1 error of a marginal (mass 1) over the test batches.
        optimum: certified bounds on the minimum of terms.iq_y_x1x2, nats, mean over seeds; None if not computed.
    """

    terms: InformationTerms
    loss: Float[np.ndarray, "seeds s"]
    sinkhorn_error: Float[np.ndarray, " seeds"]
    optimum: tuple[float, float] | None = None

    def with_sources_swapped(self) -> "Solution":
        """The same with source 1 and source 2 swapped."""
        i1, i2, i12, iq = self.terms
        return replace(self, terms=InformationTerms(i2, i1, i12, iq))

    @property
    def result(self) -> Result:
        """The worst outcome over the seeds."""
        if not (np.isfinite(self.loss).all() and np.isfinite(np.stack(self.terms)).all()):
            return Result.NONFINITE_LOSS
        if self.sinkhorn_error.max() > SINKHORN_ERROR:
            return Result.SINKHORN_UNCONVERGED
        return Result.SUCCESSFUL

    def columns(self, ground_truth: Mapping[str, float] | None) -> Columns:
        """Means over seeds with standard deviation and Student interval, and the excess over the optimum, bits."""
        seeds = [np.asarray(atom, dtype=np.float64) for atom in atoms_from_terms(self.terms).in_bits()]
        means = [float(values.mean()) for values in seeds]
        spread = [seed_spread(values) for values in seeds]
        known = [each for each in spread if each is not None]
        parts: dict[str, AtomsInBits | None] = dict.fromkeys(("low", "high", "sd"))
        if len(known) == len(seeds):
            halves = [half for _, half in known]
            parts = {
                "low": AtomsInBits(*(mean - half for mean, half in zip(means, halves, strict=True))),
                "high": AtomsInBits(*(mean + half for mean, half in zip(means, halves, strict=True))),
                "sd": AtomsInBits(*(sd for sd, _ in known)),
            }
        return {
            **atom_columns(means, ground_truth, **parts),
            **term_columns(self.terms.in_bits()),
            **self._optimum_columns(),
            "interval": "seeds",
            "sinkhorn_error": float(self.sinkhorn_error.max()),
            "loss_first": float(self.loss[:, 0].mean()),
            "loss_last": float(self.loss[:, -1].mean()),
        }

    def _optimum_columns(self) -> Columns:
        if self.optimum is None:
            return {}
        low, high = self.optimum
        found = float(np.mean(np.asarray(self.terms.iq_y_x1x2, np.float64)))
        return {"excess": bits_from_nats(found - (low + high) / 2), "gap": bits_from_nats(high - low)}
