"""Tables: functions from a result table to a frame, used by notebooks and by the report.

`summary`, `ground_truth`, `batch_and_exact`, `failed`, `diagnostics` and `issues` take the whole table and select
what they show. So do the tables within models (`layer_phases`, `onset` and `ablations`), over models (`regimes`,
`correlations`, `image_removal` and `scaling`), about the estimator (`interval_meanings`, `uncertainties`,
`other_measures` and `surviving_conclusions`) and over ablations (`sensitivity`, `sensitivity_conclusions` and
`sensitivity_ranks`). `batch_sizes` has BATCH by batch size. `differences` also takes the table of atoms per item, and
`receipts` the run folders.
"""

from pid_lvlm.analysis.tables.ablations import ablations
from pid_lvlm.analysis.tables.batch_and_exact import batch_and_exact
from pid_lvlm.analysis.tables.batch_sizes import batch_sizes
from pid_lvlm.analysis.tables.correlations import correlations, image_removal
from pid_lvlm.analysis.tables.diagnostics import diagnostics, failed, issues
from pid_lvlm.analysis.tables.differences import differences
from pid_lvlm.analysis.tables.ground_truth import ground_truth
from pid_lvlm.analysis.tables.layer_phases import EMERGED, layer_phases
from pid_lvlm.analysis.tables.measures import other_measures, surviving_conclusions
from pid_lvlm.analysis.tables.onset import onset
from pid_lvlm.analysis.tables.receipts import receipts
from pid_lvlm.analysis.tables.regimes import regimes
from pid_lvlm.analysis.tables.scaling import scaling
from pid_lvlm.analysis.tables.sensitivity import sensitivity, sensitivity_conclusions, sensitivity_ranks
from pid_lvlm.analysis.tables.summary import summary
from pid_lvlm.analysis.tables.uncertainty import interval_meanings, uncertainties

__all__ = [
    "EMERGED",
    "ablations",
    "batch_and_exact",
    "batch_sizes",
    "issues",
    "correlations",
    "diagnostics",
    "differences",
    "failed",
    "ground_truth",
    "image_removal",
    "interval_meanings",
    "layer_phases",
    "onset",
    "other_measures",
    "receipts",
    "regimes",
    "scaling",
    "sensitivity",
    "sensitivity_conclusions",
    "sensitivity_ranks",
    "summary",
    "surviving_conclusions",
    "uncertainties",
]
