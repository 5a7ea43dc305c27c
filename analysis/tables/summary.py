"""The headline numbers: one row per model and dataset."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS

_PARTS: Final = ("sd", "corrected", "low", "high")


def summary(results: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """Atoms in bits, total information and accuracies at the final checkpoint and layer.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.

    Returns:
        `model`, `dataset`, `estimator`; each atom (clipped at 0), its sd over seeds, its corrected value, and
        `{atom}_low` and `_high` of the interval named by `interval`; the terms, accuracies and number of rows. An atom
        that is not reported is empty.

    Raises:
        NothingToShowError: no fit succeeded at the final layer of a model.
    """
    final = finals(given(results), estimator)
    if final.is_empty():
        raise NothingToShowError("No fit succeeded at the final layer of a model.")
    atoms = [name for atom in ATOMS for name in (atom, *(f"{atom}_{part}" for part in _PARTS))]
    return final.select(
        pl.col("series").alias("model"),
        "dataset",
        "estimator",
        *atoms,
        "interval",
        "i_joint",
        "i_vision",
        "i_language",
        "coinformation",
        "accuracy",
        "accuracy_circular",
        "accuracy_no_image",
        "d_vision",
        "num_test",
    )
