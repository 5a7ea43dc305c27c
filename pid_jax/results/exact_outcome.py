"""A problem solved by the exact estimator, as a row of the result table and as a row per item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Shaped

from pid_jax.config import EstimatorConfig
from pid_jax.estimators.exact.other_measures import other_redundancies
from pid_jax.estimators.exact.over_items.intervals import ItemInterval
from pid_jax.estimators.exact.spread import MarginalsSpread
from pid_jax.estimators.exact.strata import StratifiedProblem, StratifiedSolution, pointwise_stratified
from pid_jax.information import AtomsInBits, InformationTerms, bits_from_nats
from pid_jax.results.columns import Columns, atom_columns, term_columns
from pid_jax.results.solution import Result
from pid_lvlm.data.contract.table.item_table import INFLUENCES, ITEM_TERMS, SINCE_INFLUENCES
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES
from pid_lvlm.data.names import ATOMS

_ITEM_SCHEMA: Final = pl.Schema(
    {
        "sample_id": pl.String(),
        **dict.fromkeys((*ATOMS, *ITEM_TERMS), pl.Float64()),
        **{name: POLARS_TYPES[kind] for name, kind in SINCE_INFLUENCES.items()},
    }
)


@dataclass(frozen=True)
class ExactOutcome:
    """Certified bounds and related results.

    Attributes:
        problem: the reconciled rows of each stratum.
        solution: the certified optimum; None if the sources cannot be brought to one P(Y).
        config: settings.
        sample_ids: names of the rows.
        items: interval over items, or None.
        spread: atoms for each way to bring the sources to one P(Y); None if not compared.
    """

    problem: StratifiedProblem
    solution: StratifiedSolution | None
    config: EstimatorConfig
    sample_ids: Shaped[np.ndarray, " _"]
    items: ItemInterval | None = None
    spread: MarginalsSpread | None = None

    @property
    def interval(self) -> str | None:
        """What the interval over items covers; None if there is none."""
        if self.items is None:
            return None
        return "items" if self.items.corrected else "items-uncorrected"

    @property
    def result(self) -> Result:
        """The outcome; the most serious one takes precedence."""
        if self.solution is None:
            return Result.MARGINALS_UNREACHABLE
        if self.solution.joint_knows_less(self.config.tol_bits):
            return Result.JOINT_KNOWS_LESS
        if self.solution.gap_bits > self.config.tol_bits:
            return Result.WIDE_INTERVAL
        return Result.SUCCESSFUL

    def columns(self, ground_truth: Mapping[str, float] | None) -> Columns:
        """Midpoints and ends of the certified intervals, the interval over items, and other redundancies, bits."""
        settings: Columns = {"marginals": self.config.marginals, "strata": self.config.strata}
        if self.solution is None:
            return settings
        solution, items = self.solution, self.items
        ends = [solution.atoms(iq).in_bits() for iq in (solution.low, solution.high)]
        terms = InformationTerms(solution.i1, solution.i2, solution.i12, solution.iq).in_bits()
        others = other_redundancies(self.problem).in_bits()
        parts: dict[str, AtomsInBits | None] = dict.fromkeys(("low", "high", "corrected"))
        if items is not None:
            settings["interval"] = self.interval
            parts = {"low": items.low, "high": items.high, "corrected": items.estimate if items.corrected else None}
        return {
            **atom_columns(
                solution.atoms().in_bits(),
                ground_truth,
                certified_low=AtomsInBits(*map(min, *ends)),
                certified_high=AtomsInBits(*map(max, *ends)),
                **parts,
            ),
            **term_columns(terms),
            **settings,
            "redundancy_mmi": others.mmi,
            "redundancy_imin": others.imin,
            "gap": bits_from_nats(solution.high - solution.low),
            "marginals_spread": None if self.spread is None else self.spread.largest,
        }

    def item_rows(self) -> pl.DataFrame:
        """Atoms, terms and influence values of each item, bits; no rows without a solution."""
        if self.solution is None:
            return pl.DataFrame(schema=_ITEM_SCHEMA)
        found = pointwise_stratified(self.problem, self.solution)
        atoms = (found.redundancy, found.unique1, found.unique2, found.synergy)
        terms = (found.i1, found.i2, found.i12, found.iq)
        values = dict(zip((*ATOMS, *ITEM_TERMS), (*atoms, *terms), strict=True))
        if self.items is not None:
            values |= {"group": self.items.groups, **dict(zip(INFLUENCES, self.items.values.T, strict=True))}
        frame = pl.DataFrame({"sample_id": self.sample_ids.astype(str)} | values).fill_nan(None)
        known = {"gap": bits_from_nats(self.solution.high - self.solution.low), "interval": self.interval}
        of_problem = [pl.lit(value, _ITEM_SCHEMA[name]).alias(name) for name, value in known.items()]
        missing = [pl.lit(None, kind).alias(name) for name, kind in _ITEM_SCHEMA.items() if name not in frame.columns]
        return frame.with_columns(missing).with_columns(of_problem).cast(_ITEM_SCHEMA).select(list(_ITEM_SCHEMA))
