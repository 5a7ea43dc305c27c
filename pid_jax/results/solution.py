"""What a fit ends as: a code per problem that survives vmap, and the sentence that belongs to it."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from jaxtyping import Float

from pid_jax.information import InformationTerms


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
    Result.SINKHORN_UNCONVERGED: "the couplings miss their marginals; raise --sinkhorn-sweeps",
    Result.NONFINITE_LOSS: "the training loss became NaN or infinite; look for extreme features, lower --learning-rate",
    Result.INVALID_RUN: "the run folder cannot be used; `pid-extract --check RUN` lists every problem",
}

SINKHORN_ERROR_LIMIT: Final = 0.01
"""L1 marginal error (mass 1) above which a coupling counts as not converged."""


@dataclass(frozen=True)
class Solution:
    """All seeds of one problem, on the host.

    Attributes:
        terms: information terms (seeds,), nats, averaged over the test batches.
        loss: training loss of every step, nats.
        sinkhorn_error: largest L1 marginal error over the test batches.
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
        if self.sinkhorn_error.max() > SINKHORN_ERROR_LIMIT:
            return Result.SINKHORN_UNCONVERGED
        return Result.SUCCESSFUL
