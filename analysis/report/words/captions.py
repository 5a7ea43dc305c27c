"""Captions that depend on the table: whose numbers are shown, and what their intervals cover."""

from collections.abc import Sequence

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import is_checkpoint
from pid_lvlm.analysis.frames.estimators import PROBLEM, one_estimator
from pid_lvlm.analysis.frames.intervals import COVERAGES, ITEMS, ITEMS_UNCORRECTED, SEEDS
from pid_lvlm.analysis.frames.labels import rounded_up
from pid_lvlm.analysis.frames.load import successful
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS


def interval_caption(
    results: pl.DataFrame, estimator: str, mark: str, *, centre: str = "", of: Sequence[str] = PROBLEM
) -> str:
    """What the intervals of the shown rows cover, how far their values are certified, what a value below 0 means.

    Args:
        results: the result table.
        estimator: the preferred estimator.
        mark: how an interval is drawn, such as `Band`.
        centre: how the corrected value is drawn.
        of: see `one_estimator`.
    """
    shown = successful(one_estimator(results, estimator, of))
    sentences = [*_intervals(shown, mark, centre), *_certified(shown)]
    if (shown["estimator"] != EXACT).any() or shown.is_empty():
        sentences.append("Values below 0 are estimation error.")
    return " ".join(sentences)


def onset_caption(results: pl.DataFrame, estimator: str) -> str:
    """The intervals that decide onsets."""
    shown = successful(one_estimator(results, estimator)).filter(is_checkpoint())
    kinds = [kind for kind in (ITEMS, ITEMS_UNCORRECTED) if (shown["interval"] == kind).any()]
    said = [f"Interval: {COVERAGES[kind].caption}." for kind in kinds]
    said += ["This bias alone can put an atom above 0."] if ITEMS_UNCORRECTED in kinds else []
    return " ".join(said)


def summary_caption(results: pl.DataFrame, estimator: str) -> str:
    """What the cells of the summary show."""
    shown = successful(one_estimator(results, estimator))
    over_seeds = shown.is_empty() or shown["interval"].fill_null(SEEDS).eq(SEEDS).any()
    spread = ["± standard deviation over seeds"] if over_seeds else []
    over_items = shown.filter(pl.col("interval").fill_null(SEEDS) != SEEDS)
    covers = [COVERAGES[name].caption for name in over_items["interval"].unique().sort() if name in COVERAGES]
    spread += [f"in brackets the {text}" for text in covers]
    return (
        f"Final checkpoint, output layer. Atoms and I(X1,X2;Y) in bits, {'; '.join(spread)}. Vision gain: accuracy "
        "with the picture minus accuracy without it. Circular accuracy, for benchmarks that repeat a question with its "
        "options reordered: the share of questions answered correctly every time."
    )


def _intervals(shown: pl.DataFrame, mark: str, centre: str) -> list[str]:
    with_interval = shown.filter(pl.any_horizontal(pl.col(f"{atom}_low").is_not_null() for atom in ATOMS))
    kinds = (
        with_interval.select("estimator", pl.col("interval").fill_null(SEEDS)).unique().sort("interval", "estimator")
    )
    if kinds.is_empty():
        return []
    groups = kinds.group_by("interval", maintain_order=True).agg("estimator").rows()
    dot = f" {centre}: the corrected value." if centre and _known(shown, "corrected") else ""
    if len(groups) == 1:
        return [f"{mark}: {COVERAGES[groups[0][0]].caption}.{dot}"]
    parts = [f"f {' and '.join(map(_quoted, names))}: {COVERAGES[kind].caption}." for kind, names in groups]
    return [f"{mark} o{' O'.join(parts)}{dot}"]


def _certified(shown: pl.DataFrame) -> list[str]:
    widths = [shown[f"{atom}_certified_high"] - shown[f"{atom}_certified_low"] for atom in ATOMS]
    known = [width.max() for width in widths if width.null_count() < len(width)]
    if not known:
        return []
    most = max(width for width in known if isinstance(width, float))
    whose = "" if (shown["estimator"] == EXACT).all() else f" of {_quoted(EXACT)}"
    return [f"Certified: each value{whose} is within {rounded_up(most)} bits of the optimum for these items."]


def _known(shown: pl.DataFrame, part: str) -> bool:
    return any(shown[f"{atom}_{part}"].is_not_null().any() for atom in ATOMS)


def _quoted(name: str) -> str:
    return f"“{name}”"
