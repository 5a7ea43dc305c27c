"""Where in the decoder information arises, in numbers: where synergy emerges, where atoms peak, and the last step."""

import polars as pl

from pid_lvlm.analysis.frames.depth import layered
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS

EMERGED = 0.1
"""Synergy counts as present above this share of its maximum."""

_CURVE = ("series", "dataset")


def layer_phases(results: pl.DataFrame, estimator: str = EXACT, *, share: float = EMERGED) -> pl.DataFrame:
    """What the atoms do over the decoder's layers, one row per model and dataset (finding 5 of the paper).

    Atoms are taken before clipping at 0. Synergy has emerged at a layer if it is above `share` of its maximum at this
    and all later layers; it never emerges if the interval of the maximum (or the maximum, without an interval) reaches
    0. Layers where an atom is unknown do not count; `layers_without_synergy` counts them.

    Args:
        results: the result table.
        estimator: the estimator to use if it has as many layers of a run as any other.
        share: of the maximum of synergy, 0 to 1.

    Returns:
        `model`, `dataset`, `estimator`, `num_layers`, `layers` (how many were measured), `layers_without_synergy`;
        `synergy_emerges` (a layer) and `synergy_emerges_depth` (that layer over `num_layers`); for each atom
        `{atom}_peak`, `{atom}_peak_depth`, `{atom}_peak_bits`; `before_output`, the last layer measured before the
        output, and for each atom its change from there to the output in bits, `{atom}_change`, with the certified
        interval `{atom}_change_certified_low` and `_high`, which says nothing about other items. Changes are empty if
        the output was not measured.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no run has more than one layer.
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"`share` is {share}; expected a share of the maximum, from 0 to below 1")
    frame = layered(given(results), estimator).with_columns(pl.int_range(pl.len()).alias("_place"))
    curves = frame.sort("layer", maintain_order=True).group_by(_CURVE, maintain_order=True)
    return (
        curves.agg(
            pl.col("_place").min(),
            pl.col("estimator", "num_layers").first(),
            pl.len().alias("layers"),
            pl.col("synergy_raw").null_count().alias("layers_without_synergy"),
            _emerges(share).alias("synergy_emerges"),
            *(_at_peak(atom, "layer").alias(f"{atom}_peak") for atom in ATOMS),
            *(pl.col(f"{atom}_raw").max().alias(f"{atom}_peak_bits") for atom in ATOMS),
            pl.when(_reaches_output()).then(pl.col("layer").get(-2)).alias("before_output"),
            *(each for atom in ATOMS for each in _change(atom)),
        )
        .sort("_place")
        .with_columns(
            (pl.col(name) / pl.col("num_layers")).alias(f"{name}_depth")
            for name in ("synergy_emerges", *(f"{atom}_peak" for atom in ATOMS))
        )
        .select(
            pl.col("series").alias("model"),
            *("dataset", "estimator", "num_layers", "layers", "layers_without_synergy"),
            *("synergy_emerges", "synergy_emerges_depth"),
            *(f"{atom}_peak{part}" for atom in ATOMS for part in ("", "_depth", "_bits")),
            "before_output",
            *(f"{atom}_change{part}" for atom in ATOMS for part in ("", "_certified_low", "_certified_high")),
        )
    )


def _at_peak(atom: str, column: str) -> pl.Expr:
    known = pl.col(f"{atom}_raw").is_not_null()
    return pl.col(column).filter(known).get(pl.col(f"{atom}_raw").filter(known).arg_max(), null_on_oob=True)


def _emerges(share: float) -> pl.Expr:
    """The first known layer after the last one at which synergy is at most `share` of its maximum."""
    synergy = pl.col("synergy_raw")
    above = synergy > share * synergy.max()
    last_below = pl.col("layer").filter(~above).max().fill_null(-1)
    first = pl.col("layer").filter(above & (pl.col("layer") > last_below)).min()
    least = pl.coalesce(_at_peak("synergy", "synergy_low"), synergy.max())
    return pl.when(least > 0).then(first)


def _reaches_output() -> pl.Expr:
    return pl.col("layer").last() == pl.col("num_layers").last()


def _change(atom: str) -> list[pl.Expr]:
    """Output minus the layer before it; the certified interval of a difference comes from the extremes of its parts."""
    ends = {"": ("_raw", "_raw"), "_certified_low": ("_certified_low", "_certified_high")}
    ends["_certified_high"] = ends["_certified_low"][::-1]
    return [
        pl.when(_reaches_output())
        .then(pl.col(f"{atom}{at_output}").last() - pl.col(f"{atom}{before}").get(-2))
        .alias(f"{atom}_change{part}")
        for part, (at_output, before) in ends.items()
    ]
