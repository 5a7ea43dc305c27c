"""Conclusions of a table under several ablations: which hold, which change, and which are undecided."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.labels import SYMBOLS
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING
from pid_lvlm.analysis.frames.probes import ABLATION, ablations_in, one_ablation
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.analysis.statistics import LEAST, Correlation, spearman
from pid_lvlm.data.names import ATOMS, NOISE

HOLDS: Final = "holds"
CHANGES: Final = "changes"
UNDECIDED: Final = "undecided"
VERDICTS: Final = (CHANGES, UNDECIDED, HOLDS)

_NOTHING: Final = "The runs of this table were measured under only one ablation."


@dataclass(frozen=True)
class Conclusion:
    """A conclusion under one ablation, compared with the first one.

    Attributes:
        dataset: its name.
        model: its name; empty for a conclusion over models.
        conclusion: what it is about, such as `S or U2`.
        reference: the first ablation.
        ablation: the other one.
        by_reference: what holds under the first; `undecided` if intervals overlap.
        by_ablation: what holds under the other.
        verdict: `holds` or `changes` if both decide, else `undecided`.
    """

    dataset: str
    model: str
    conclusion: str
    reference: str
    ablation: str
    by_reference: str
    by_ablation: str
    verdict: str


def compared_values(results: pl.DataFrame) -> pl.DataFrame:
    """Final checkpoints at the output, solved by one estimator under two or more ablations, by exact if possible.

    Returns:
        A row for each ablation: `series`, `dataset`, `ablation`, `pairs`, `num_test`, `accuracy`, and for every atom
        `{atom}` (corrected if available, else before clipping at 0), `{atom}_low`, `{atom}_high` in bits.

    Raises:
        NothingToShowError: none were found.
    """
    parts = [finals(one_ablation(results, name)) for name in ablations_in(results)]
    values = pl.concat(
        part.select(
            *("series", "dataset", "estimator", "pairs", "num_test", "accuracy"),
            pl.col(ABLATION).fill_null(NOISE),
            *(pl.coalesce(f"{atom}_corrected", f"{atom}_raw").alias(atom) for atom in ATOMS),
            *(f"{atom}_{end}" for atom in ATOMS for end in ("low", "high")),
        )
        for part in parts
    )
    kept = values.filter(pl.col(ABLATION).n_unique().over("series", "dataset", "estimator") > 1)
    if kept.is_empty():
        raise NothingToShowError(_NOTHING)
    return kept


def conclusions(values: pl.DataFrame) -> list[Conclusion]:
    """Every conclusion under every ablation, against the first ablation.

    Args:
        values: from `compared_values`.
    """
    found = [*_of_models(values), *_over_models(values)]
    return sorted(found, key=lambda one: VERDICTS.index(one.verdict))


def rank_correlations(values: pl.DataFrame) -> list[dict[str, Any]]:
    """Spearman's correlation over models between an atom's values under two ablations, for datasets with enough models.

    Args:
        values: from `compared_values`.
    """
    rows = []
    for dataset, first, second, models in _pairs(values):
        for atom in ATOMS:
            both = models.drop_nulls([atom, f"{atom}_other"])
            found = spearman(both[atom].to_list(), both[f"{atom}_other"].to_list())
            if found.count >= LEAST:
                named = {"dataset": dataset, "atom": SYMBOLS[atom], "ablation": first, "other": second}
                rows.append(named | {"rho": found.rho, "p": found.p, "num_models": found.count})
    return rows


def _of_models(values: pl.DataFrame) -> Iterator[Conclusion]:
    for group in values.partition_by("series", "dataset", maintain_order=True):
        first, *others = group.to_dicts()
        for other in others:
            for name, decide in (("S or U2", _s_or_u2), ("largest atom", _largest)):
                one, two = decide(first), decide(other)
                yield Conclusion(
                    *(first["dataset"], first["series"], name, first["ablation"], other["ablation"], one, two),
                    verdict=_verdict(one, two),
                )


def _over_models(values: pl.DataFrame) -> Iterator[Conclusion]:
    """The sign of the correlation of S and of U2 with accuracy, over models with values under both ablations."""
    references: dict[str, str] = {}
    for dataset, first, second, models in _pairs(values):
        if references.setdefault(dataset, first) != first:
            continue
        known = models.drop_nulls("accuracy")
        for atom in ("synergy", "unique_language"):
            both = known.drop_nulls([atom, f"{atom}_other"])
            if both.height < LEAST:
                continue
            accuracy = both["accuracy"].to_list()
            one, two = (_sign(spearman(accuracy, both[name].to_list())) for name in (atom, f"{atom}_other"))
            name = f"correlation of {SYMBOLS[atom]} with accuracy"
            yield Conclusion(dataset, "", name, first, second, one, two, _verdict(one, two))


def _pairs(values: pl.DataFrame) -> Iterator[tuple[str, str, str, pl.DataFrame]]:
    """Two ablations of a dataset, and the models with values under both; the second's values are `{atom}_other`."""
    for group in values.sort("dataset", maintain_order=True).partition_by("dataset", maintain_order=True):
        parts = {part.item(0, ABLATION): part for part in group.partition_by(ABLATION, maintain_order=True)}
        for first, second in combinations(parts, 2):
            renamed = parts[second].select("series", *(pl.col(atom).alias(f"{atom}_other") for atom in ATOMS))
            joined = parts[first].join(renamed, on="series", maintain_order="left")
            if not joined.is_empty():
                yield group.item(0, "dataset"), first, second, joined


def _s_or_u2(row: dict[str, Any]) -> str:
    return _larger(row, "synergy", "unique_language")


def _larger(row: dict[str, Any], one: str, two: str) -> str:
    """Which of two atoms is larger by more than next to nothing; their intervals, if any, must not overlap."""
    if row[one] is None or row[two] is None:
        return UNDECIDED
    first, second = (one, two) if row[one] >= row[two] else (two, one)
    low, high = row[f"{first}_low"], row[f"{second}_high"]
    apart = row[first] - row[second] > NEXT_TO_NOTHING and (low is None or high is None or low > high)
    return SYMBOLS[first] if apart else UNDECIDED


def _largest(row: dict[str, Any]) -> str:
    known = sorted((atom for atom in ATOMS if row[atom] is not None), key=lambda atom: -row[atom])
    if len(known) < len(ATOMS):
        return UNDECIDED
    found = {_larger(row, known[0], other) for other in known[1:]}
    return found.pop() if len(found) == 1 else UNDECIDED


def _sign(found: Correlation) -> str:
    """The sign of a correlation whose 95 % interval excludes 0."""
    if found.rho is None:
        return UNDECIDED
    low, high = (found.rho if end is None else end for end in (found.low, found.high))
    return "positive" if low > 0 else "negative" if high < 0 else UNDECIDED


def _verdict(one: str, two: str) -> str:
    if UNDECIDED in (one, two):
        return UNDECIDED
    return HOLDS if one == two else CHANGES
