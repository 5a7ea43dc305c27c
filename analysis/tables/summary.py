"""The headline numbers: one row per model and dataset."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.data.names import ATOMS


def summary(results: pl.DataFrame) -> pl.DataFrame:
    """Atoms (bits, cut at 0), their sd over seeds, total information and accuracies at the final checkpoint and layer.

    Raises:
        NothingToShowError: no fit succeeded at the final layer of a model.
    """
    final = finals(given(results))
    if final.is_empty():
        raise NothingToShowError("No fit succeeded at the final layer of a model.")
    atoms = [name for atom in ATOMS for name in (atom, f"{atom}_sd")]
    return final.select(
        pl.col("series").alias("model"),
        "dataset",
        *atoms,
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
