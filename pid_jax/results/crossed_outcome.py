"""A problem of crossed pairs as a row of the result table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pid_jax.config import EstimatorConfig
from pid_jax.estimators.exact.crossed.estimates import CrossedItems, atoms_in_bits
from pid_jax.estimators.exact.crossed.pairs import CrossedSolution
from pid_jax.information import AtomsInBits, InformationTerms, bits_from_nats
from pid_jax.results.columns import Columns, atom_columns, term_columns
from pid_jax.results.solution import Result


@dataclass(frozen=True)
class CrossedOutcome:
    """Certified bounds, and the atoms with most of their 1/M bias removed.

    Attributes:
        solution: the certified optimum.
        items: corrected atoms and their interval over items, or None.
        pairs: questions per picture, M.
        config: settings.
    """

    solution: CrossedSolution
    items: CrossedItems | None
    pairs: int
    config: EstimatorConfig

    @property
    def result(self) -> Result:
        """Whether the certified interval is as narrow as requested; the marginals agree by construction."""
        wide = bits_from_nats(self.solution.high - self.solution.low) > self.config.tol_bits
        return Result.WIDE_INTERVAL if wide else Result.SUCCESSFUL

    def columns(self, ground_truth: Mapping[str, float] | None) -> Columns:
        """Midpoints and ends of the certified intervals, corrected atoms and the interval over items, bits.

        The ground truth of a dataset is left out: it holds for its own pairs of pictures and questions, which crossing
        replaces by independent ones.
        """
        solution, items = self.solution, self.items
        ends = [atoms_in_bits(np.array([*solution.terms[:3], iq])) for iq in (solution.low, solution.high)]
        parts: dict[str, AtomsInBits | None] = dict.fromkeys(("low", "high", "corrected"))
        settings: Columns = {"marginals": "as-given", "strata": self.config.strata}
        if items is not None:
            settings["interval"] = "items" if items.corrected else "items-uncorrected"
            parts = {"low": items.low, "high": items.high, "corrected": items.estimate if items.corrected else None}
        terms = InformationTerms(*map(float, solution.terms)).in_bits()
        return {
            **atom_columns(
                atoms_in_bits(solution.terms),
                None,
                certified_low=AtomsInBits(*map(min, *ends)),
                certified_high=AtomsInBits(*map(max, *ends)),
                **parts,
            ),
            **term_columns(terms),
            **settings,
            "pairs": self.pairs,
            "redundancy_mmi": min(terms.i_y_x1, terms.i_y_x2),
            "gap": bits_from_nats(solution.high - solution.low),
        }
