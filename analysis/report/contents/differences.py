"""What differs between models, layers and checkpoints that answered the same items."""

from collections.abc import Callable
from functools import partial
from typing import Final

import polars as pl

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.frames.differences import Between
from pid_lvlm.analysis.frames.influences import Influences
from pid_lvlm.analysis.report.contents.kinds import FigurePart, TablePart
from pid_lvlm.analysis.report.laid_out.reliability import differences_table

_NAMES: Final[dict[Between, str]] = {
    "checkpoints": "neighbouring checkpoints",
    "models": "models on the same items",
    "layers": "neighbouring layers",
}
_WHAT: Final = {
    "checkpoints": "Each training checkpoint minus the previous one, at the output layer, in bits",
    "models": "Every pair of models that answered the same items of a dataset, the first minus the second, in bits; "
    "final checkpoints, output layer",
    "layers": "Each recorded layer minus the previous one, read through the logit lens, in bits",
}


def _draw(between: Between) -> Callable[..., Figure]:
    def draw(results: pl.DataFrame, _estimator: str, influences: Influences) -> Figure:
        return figures.differences(results, influences, between)

    return draw


def _make(results: pl.DataFrame, influences: Influences, between: Between) -> pl.DataFrame:
    return tables.differences(results, influences, between)


def _parts(between: Between) -> tuple[FigurePart, TablePart]:
    return (
        FigurePart(
            f"what_differs_{between}",
            f"What differs: {_NAMES[between]}",
            f"{_WHAT[between]}. Dot: the difference of the exact estimates (corrected ones where available). Line: its "
            "95 % interval over items, paired item by item, which cancels what makes an item hard for both. Filled: "
            "significant (p < 0.05) after Holm's correction over all differences in the table of this figure; hollow: "
            "not significant, which does not show that there is no difference. A significant difference can be small: "
            "read the axis. The interval does not cover retraining a model, another prompt or another probe.",
            _draw(between),
            optional=True,
            takes="influences",
            needed=True,
        ),
        TablePart(
            f"differences_{between}",
            f"What differs in numbers: {_NAMES[between]}",
            "The same differences, “to” minus “from”, with their intervals. Bold: significant after Holm's correction "
            "over all of them. A single interval that excludes 0 is not enough: where nothing differs, 1 of 20 does so "
            "by chance.",
            partial(_make, between=between),
            differences_table,
            optional=True,
            takes="influences",
            needed=True,
        ),
    )


_BETWEEN: Final[tuple[Between, ...]] = ("checkpoints", "models", "layers")

DIFFERENCES: Final[tuple[FigurePart | TablePart, ...]] = tuple(part for between in _BETWEEN for part in _parts(between))
"""Figures and tables of paired differences, for reports with atoms per item."""
