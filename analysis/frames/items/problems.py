"""Which problems of a result table have atoms per item, and which of them are shown."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.data.command.shown import backticked
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import ATOMS

AGREEING: Final = 0.005
"""Tolerance in bits between the means of atoms per item and the result table's atoms, in addition to the certified
gap."""

_SAME: Final = ("run", "layer", "tau")


@dataclass(frozen=True)
class ItemProblems:
    """Problems whose items are shown.

    Attributes:
        frame: rows of the result table, one per model and dataset, with `item_problem`: the problem's id in the table
            of atoms per item, empty without such a table.
        other: runs whose atoms per item do not have the means of the result table.
    """

    frame: pl.DataFrame
    other: tuple[str, ...] = ()


def item_problems(results: pl.DataFrame, pointwise: pl.DataFrame | None) -> ItemProblems:
    """The problems that have atoms per item; each model counts once per dataset (`across_models`).

    A problem is found by its id. If the result table has another id (for example, the items were solved more finely),
    it is found by run, layer and τ among the exact estimator's rows, provided the means over its items match that row's
    atoms.

    Args:
        results: the result table.
        pointwise: the table of atoms per item; without it, all problems are used.

    Raises:
        PidError: the two tables have no problem in common, or none whose items can be shown.
    """
    if pointwise is None:
        return ItemProblems(across_models(results).frame.with_columns(item_problem=pl.lit(None, pl.String)))
    matches, other = item_matches(results, pointwise)
    if matches.is_empty():
        runs = backticked(pointwise["run"].unique(maintain_order=True))
        raise PidError(
            f"the table of atoms per item shares no problem with the result tables (its runs: {runs}); expected one of "
            "the same runs, layers and settings"
        )
    chosen = across_models(results.join(matches, on="problem_id", maintain_order="left")).frame
    if chosen.is_empty():
        raise PidError("no problem with atoms per item is a successful fit at a model's output layer")
    return ItemProblems(chosen, other)


def item_matches(results: pl.DataFrame, pointwise: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """`problem_id` of the result table with `item_problem`, and the runs that only appear to match.

    If one row of the result table has several solutions, the one with the smallest certified gap counts.
    """
    means = pointwise.group_by("problem_id", *_SAME, maintain_order=True).agg(
        *(pl.col(atom).mean().alias(f"_{atom}") for atom in ATOMS), pl.col("gap").first().alias("_gap")
    )
    own = means.join(results.select("problem_id"), on="problem_id", how="semi", maintain_order="left")
    others = means.join(own, on="problem_id", how="anti", maintain_order="left").rename({"problem_id": "item_problem"})
    exact = results.filter(pl.col("estimator") == EXACT)
    paired = exact.join(others, on=list(_SAME), maintain_order="left")
    off = [(pl.col(f"_{atom}") - pl.col(f"{atom}_raw")).abs() for atom in ATOMS]
    agrees = pl.max_horizontal(off) <= AGREEING + pl.col("gap").fill_null(0.0)
    agrees = agrees.fill_null(value=False)
    by_id = own.select("problem_id", "_gap", item_problem=pl.col("problem_id"))
    by_place = paired.filter(agrees).select("problem_id", "_gap", "item_problem")
    finest = pl.concat([by_id, by_place]).sort("_gap", nulls_last=True, maintain_order=True)
    matches = finest.unique("problem_id", keep="first", maintain_order=True).drop("_gap")
    other = paired.filter(~agrees & ~pl.col("item_problem").is_in(matches["item_problem"].implode()))
    return matches, tuple(other["run"].unique(maintain_order=True))
