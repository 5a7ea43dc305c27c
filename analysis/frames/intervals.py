"""What each interval in a result table covers, and what it does not."""

from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.contract.table.results import INTERVALS

SEEDS, ITEMS, ITEMS_UNCORRECTED = INTERVALS
"""Values of the column `interval`. If it is empty (older tables), an interval covers the seeds."""

CERTIFIED: Final = "certified"
RECONCILIATION: Final = "reconciliation"


@dataclass(frozen=True)
class Coverage:
    """An interval in words.

    Attributes:
        covers: what varies within it.
        not_covered: what can still put the truth outside it.
        low: name of the column of its lower end, with `{}` for the atom; empty for a range without ends.
        high: the same for its upper end; for a range without ends, the column of its width.
        caption: description for the caption of a figure that draws it.
    """

    covers: str
    not_covered: str
    low: str
    high: str
    caption: str = ""


_ENDS: Final = ("{}_low", "{}_high")

COVERAGES: Final = {
    CERTIFIED: Coverage(
        "the optimisation: the optimum for these items is certainly inside",
        "other items; reconciliation, noise, prompt",
        "{}_certified_low",
        "{}_certified_high",
    ),
    ITEMS: Coverage(
        "the sampling of items, in 95 of 100 samples, for infinitely many items; its centre is the corrected estimate",
        "reconciliation, noise, prompt",
        *_ENDS,
        "95 % interval over items, for infinitely many of them. Its centre is corrected for finite-sample bias and so "
        "differs from the value for these items",
    ),
    ITEMS_UNCORRECTED: Coverage(
        "the sampling of equally many items, in 95 of 100 samples",
        "finite-sample bias; reconciliation, noise, prompt",
        *_ENDS,
        "95 % interval over items, not corrected for finite-sample bias",
    ),
    SEEDS: Coverage(
        "split, batches and initial weights of BATCH on the same items: 95 % interval of the mean over seeds",
        "other items; the bias of BATCH, which all seeds share; reconciliation, noise, prompt",
        *_ENDS,
        "95 % interval of the mean over seeds, if there are several",
    ),
    RECONCILIATION: Coverage(
        "the ways to bring the sources to one P(Y): the largest range of an atom over them",
        "optimisation, other items, noise, prompt",
        "",
        "marginals_spread",
    ),
}
"""Every interval and range: of the optimisation, over items, over seeds, over reconciliations."""
