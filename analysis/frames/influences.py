"""Influence values of the items, from which the intervals of atom differences between result rows are computed.

The estimate of an atom, corrected or not depending on its interval, is the mean of the influence values of its items
(docs/method.md). On the same items, the difference of two estimates is the mean of the itemwise differences.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.items.pointwise import given_pointwise, read_pointwise
from pid_lvlm.analysis.frames.items.problems import item_matches
from pid_lvlm.data.contract.table.item_table import INFLUENCES

_FEWEST_GROUPS: Final = 2


@dataclass(frozen=True)
class Influence:
    """What is needed to compare a problem with others on the same items.

    Attributes:
        items: fingerprint of the items' names and groups; equal for the same items.
        num_items: how many items there are.
        sums: (groups, 4), for each group the sum over its items of (value - mean) / number of items, bits.
        estimate: (4,), R, U1, U2, S in bits, the centre of the interval over items.
        half_gap: half the width of the certified interval, bits.
        interval: what the interval covers: `items` (corrected) or `items-uncorrected`.
    """

    items: int
    num_items: int
    sums: npt.NDArray[np.float64]
    estimate: npt.NDArray[np.float64]
    half_gap: float
    interval: str


@dataclass(frozen=True, eq=False, repr=False)
class Influences:
    """Influence values by `problem_id` of the result table."""

    of_problem: Mapping[str, Influence]


def influences(results: pl.DataFrame, pointwise: pl.DataFrame | str | PathLike[str] | None = None) -> Influences:
    """Influence values for the rows of a result table.

    Args:
        results: the result table.
        pointwise: a file of `pid-estimate --pointwise`, or `read_pointwise` of several.

    Raises:
        ResultTableError: this is not a result table.
        ItemTableError: this is not a table of atoms per item.
        NothingToShowError: there is no such table, or it has no influence values for any row of the result table.
    """
    results = given(results)
    if pointwise is None:
        raise NothingToShowError("No table of atoms per item was given (`pid-estimate --pointwise` writes one).")
    frame = read_pointwise(pointwise) if isinstance(pointwise, str | PathLike) else given_pointwise(pointwise)
    known = frame.filter(pl.col("interval").is_not_null())
    matches, _ = item_matches(results, known)
    parts = dict(_parts(known.join(matches, left_on="problem_id", right_on="item_problem", how="semi")))
    pairs = ((row["problem_id"], parts.get(row["item_problem"])) for row in matches.iter_rows(named=True))
    found = {problem: influence for problem, influence in pairs if influence is not None}
    if not found:
        raise NothingToShowError(
            "The table of atoms per item has no influence values for these results; run `pid-estimate --pointwise` "
            "with an interval over items (`--interval items` or `items-uncorrected`)."
        )
    return Influences(found)


def _parts(frame: pl.DataFrame) -> Iterator[tuple[str, Influence]]:
    for (problem,), part in frame.partition_by("problem_id", as_dict=True, maintain_order=True).items():
        if part.select("group", "gap", *INFLUENCES).null_count().sum_horizontal()[0] == 0:
            influence = _influence(part.sort("sample_id"))
            if len(influence.sums) >= _FEWEST_GROUPS:
                yield str(problem), influence


def _influence(part: pl.DataFrame) -> Influence:
    """Influence values from the rows of one problem, sorted by item."""
    _, first, member = np.unique(part["group"].to_numpy(), return_index=True, return_inverse=True)
    member = np.argsort(np.argsort(first))[member]  # in order of appearance: equal groups get equal numbers
    values = part.select(INFLUENCES).to_numpy()
    estimate = values.mean(0)
    sums = np.zeros((len(first), len(INFLUENCES)))
    np.add.at(sums, member, (values - estimate) / len(values))
    items = hash((tuple(part["sample_id"]), member.tobytes()))
    return Influence(items, len(values), sums, estimate, part["gap"][0] / 2, part["interval"][0])
