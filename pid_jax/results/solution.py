"""The outcome of a fit: a code for each problem, and the advice that belongs to it."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from jaxtyping import Float

from pid_jax.information import InformationTerms
from pid_lvlm.data.contract.limits import SINKHORN_ERROR


class Result(IntEnum):
    """Outcome of a problem; the worst of its seeds."""

    SUCCESSFUL = 0
    SINKHORN_UNCONVERGED = 1
    NONFINITE_LOSS = 2
    INVALID_RUN = 3

    @property
    def label(self) -> str:
        """How the result table spells it."""
        return self.name.lower()


ADVICE: Final = {
    Result.SINKHORN_UNCONVERGED: "the couplings miss their marginals; raise sinkhorn_sweeps (--sinkhorn-sweeps)",
    Result.NONFINITE_LOSS: "the training loss became NaN or infinite; look for extreme values in the features",
    Result.INVALID_RUN: "left out for the reason given when the run was read; fix that and run the same command again",
}


@dataclass(frozen=True)
class Solution:
    """All seeds of one problem, on the host.

    Attributes:
        terms: information terms (seeds,), nats, averaged over the test batches.
        loss: training loss of every step, nats.
        sinkhorn_error: largest L1 error of a marginal of mass 1 over the test batches.
    """

    terms: InformationTerms
    loss: Float[np.ndarray, "seeds s"]
    sinkhorn_error: Float[np.ndarray, " seeds"]

    def with_sources_swapped(self) -> "Solution":
        """The same with source 1 and source 2 exchanged."""
        i1, i2, i12, iq = self.terms
        return replace(self, terms=InformationTerms(i2, i1, i12, iq))

    @property
    def result(self) -> Result:
        """The worst outcome among the seeds."""
        if not (np.isfinite(self.loss).all() and np.isfinite(np.stack(self.terms)).all()):
            return Result.NONFINITE_LOSS
        if self.sinkhorn_error.max() > SINKHORN_ERROR:
            return Result.SINKHORN_UNCONVERGED
        return Result.SUCCESSFUL
