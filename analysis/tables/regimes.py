"""Task regimes: per dataset the mean shares of synergy and language-unique information (the paper's Fig. 2)."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.over_models import regimes as of_models
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.analysis.statistics import Mean
from pid_lvlm.data.contract.table.results import EXACT


def regimes(results: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """Mean shares of S and U2 over models, one row per dataset (Fig. 2), and the regime that they suggest.

    A share is an atom over R + U1 + U2 + S, all clipped at 0. Models count once per dataset, as in `across_models`;
    those whose synergy is unknown or whose four atoms total less than 0.05 bits are left out. Intervals are 95 %
    percentile bootstrap intervals of the mean over models, treated as independent: they say how much the mean depends
    on which models were measured, and nothing about the items.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.

    Returns:
        `dataset`, `regime` (`synergy-driven`, `knowledge-driven`, `mixed`, `neither` or `not enough data`); `synergy`,
        `unique_language` and their `difference`, each with `_low` and `_high`, in %; `num_models` and
        `num_left_out`. Intervals are empty for fewer than four models.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no usable fit at the final layer of a model has shares.
    """
    found = of_models.regimes(across_models(given(results), estimator).frame)
    if not found:
        raise NothingToShowError("No usable fit at the final layer of a model has shares of the atoms.")
    return pl.DataFrame(
        {
            "dataset": each.dataset,
            "regime": each.name,
            **_columns("synergy", each.synergy),
            **_columns("unique_language", each.language),
            **_columns("difference", each.difference),
            "num_models": each.num_models,
            "num_left_out": each.left_out,
        }
        for each in found
    )


def _columns(name: str, mean: Mean) -> dict[str, float | None]:
    return {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
