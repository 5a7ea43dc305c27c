"""From one size of a family to the next: accuracy and shares of atoms (the paper's Table 3)."""

import polars as pl

from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.analysis.frames.over_models.regimes import SYNERGY_DRIVEN
from pid_lvlm.analysis.frames.over_models.steps import steps
from pid_lvlm.data.contract.table.results import EXACT


def scaling(
    results: pl.DataFrame, estimator: str = EXACT, regime: str | None = SYNERGY_DRIVEN, accuracy: str = "accuracy"
) -> pl.DataFrame:
    """Changes of accuracy and of the shares of S and U2 from one size of a family to the next (Table 3).

    Models count once per dataset, as in `across_models`. A step is between neighbouring sizes that were measured on the
    same dataset; its changes are means over the datasets. Models of one family and size are averaged. These are
    differences of two models without any uncertainty: `num_datasets` is not a number of repetitions.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        regime: the regime of the datasets; None for all datasets.
        accuracy: the column; `accuracy_strict` counts the first greedy token, as the paper does.

    Returns:
        `family`, `from_size`, `to_size` (1e9 parameters), `from_model`, `to_model`, `delta_accuracy`, `delta_synergy`,
        `delta_unique_language` (of the shares) in percentage points, `num_datasets`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no family has two sizes, or no dataset has the regime.
    """
    return steps(across_models(given(results), estimator).frame, regime, accuracy)
