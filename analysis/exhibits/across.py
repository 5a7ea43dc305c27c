"""Findings 1 to 4: what holds over models."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.exhibits.finding import (
    NotEnoughError,
    Stated,
    change,
    correlation,
    listed,
    signs,
)
from pid_lvlm.analysis.frames.over_models.correlates import QUANTITIES, Correlate, correlates
from pid_lvlm.analysis.frames.over_models.families import families_and_models
from pid_lvlm.analysis.frames.over_models.models import of_enough_models, with_total, with_values
from pid_lvlm.analysis.frames.over_models.regimes import (
    KNOWLEDGE_DRIVEN,
    REGIMES,
    SYNERGY_DRIVEN,
    UNDECIDED,
    Regime,
    datasets_of,
    regimes,
)
from pid_lvlm.analysis.frames.over_models.steps import steps
from pid_lvlm.analysis.statistics import FEW, LEAST, paired_means, sign_test, spearman
from pid_lvlm.data.command.shown import count

_OF_MODELS = "over models, treated as independent"
_TOO_NARROW = f"; such intervals are too narrow for fewer than {FEW} models (for 4, they cover 80 %)"
_RANK = f"Spearman's correlation with 95 % intervals (Fisher's z, variance of Bonett and Wright) {_OF_MODELS}"


def task_regimes(models: pl.DataFrame) -> Stated:
    """Finding 1: the datasets of each regime, and how accuracies differ between the two."""
    known = with_total(models)
    found = [] if of_enough_models(known).is_empty() else regimes(models)
    if all(each.name == UNDECIDED for each in found):
        most = max(known.group_by("dataset").len()["len"].to_list(), default=0)
        raise NotEnoughError(f"a dataset needs {LEAST} models with shares of the atoms; the most is {most}.")
    parts = []
    for name in REGIMES:
        members = [each for each in found if each.name == name]
        if members:
            shown = [each.dataset if name == UNDECIDED else _shares(each) for each in members]
            parts.append(f"{name}: {listed(shown)}")
    counted = [each.num_models for each in found if each.name != UNDECIDED]
    return Stated(
        f"{'; '.join(parts)}{_accuracies(models, found)}.",
        f"95 % percentile bootstrap intervals of means {_OF_MODELS}; a regime is named if the interval of the paired "
        f"difference of shares excludes 0{_TOO_NARROW if min(counted) < FEW else ''}",
        _range(counted),
    )


def _shares(each: Regime) -> str:
    ends = f"{change(each.difference.low or 0, 0)} to {change(each.difference.high or 0, 0)}"
    return f"{each.dataset} (S {each.synergy.value:.0f} %, U2 {each.language.value:.0f} %; difference {ends} points)"


def _accuracies(models: pl.DataFrame, found: list[Regime]) -> str:
    """How much lower accuracy is on knowledge-driven datasets, for models with both regimes; empty for too few."""
    accuracy = pl.col("accuracy").cast(pl.Float64)
    mean = {
        name: models.filter(pl.col("dataset").is_in(datasets_of(found, name)) & accuracy.is_finite())
        .group_by("model")
        .agg(accuracy.mean() * 100)
        for name in (SYNERGY_DRIVEN, KNOWLEDGE_DRIVEN)
    }
    both = mean[KNOWLEDGE_DRIVEN].join(mean[SYNERGY_DRIVEN], on="model", suffix="_other").sort("model")
    if both.height < LEAST:
        return ""
    gap = paired_means(both["accuracy"].to_list(), both["accuracy_other"].to_list()).difference
    ends = f"[{change(gap.low or 0, 0)}, {change(gap.high or 0, 0)}]"
    return (
        f"; accuracy on knowledge-driven datasets differs from that on synergy-driven ones by {change(gap.value, 0)} "
        f"points {ends}"
    )


def accuracy_correlates(models: pl.DataFrame) -> Stated:
    """Finding 2: what correlates with accuracy, and on how many datasets S is the strongest positive correlate."""
    compared = of_enough_models(with_values(models, ["accuracy"]))
    found = (
        []
        if compared.is_empty()
        else [each for each in correlates(compared, "accuracy", tuple(QUANTITIES)) if each.correlation.rho is not None]
    )
    by_dataset: dict[str, list[Correlate]] = {}
    for each in found:
        by_dataset.setdefault(each.dataset, []).append(each)
    if not by_dataset:
        raise NotEnoughError(f"a correlation needs {LEAST} models with different accuracies on one dataset.")
    named = {each.dataset: each.name for each in regimes(compared)}
    driven = [dataset for dataset in by_dataset if named.get(dataset) == SYNERGY_DRIVEN]
    others = [dataset for dataset in by_dataset if dataset not in driven]
    leads = [
        f"{_led(by_dataset, group)} of {len(group)} {text}"
        for group, text in (
            (driven, "synergy-driven datasets"),
            (others, "other datasets" if driven else "datasets (none is synergy-driven)"),
        )
        if group
    ]
    numbers = [
        f"{dataset}: {', '.join(f'{QUANTITIES[each.column]} {correlation(each.correlation)}' for each in group)}"
        for dataset, group in (
            (dataset, [each for each in by_dataset[dataset] if each.column in ("synergy", "unique_language")])
            for dataset in [*driven, *others]
        )
        if group
    ]
    return Stated(
        f"S is the strongest positive correlate of accuracy on {' and '.join(leads)} ({listed(numbers, '; ')}).",
        f"{_RANK}; two-sided p, not corrected for {count(len(found), 'test')}",
        _range([each.correlation.count for each in found]),
    )


def _led(by_dataset: dict[str, list[Correlate]], datasets: list[str]) -> int:
    """Datasets on which S has the largest coefficient, and a positive one."""
    best = [max(by_dataset[name], key=lambda each: each.correlation.rho or 0.0) for name in datasets]
    return sum(each.column == "synergy" and (each.correlation.rho or 0.0) > 0 for each in best)


def family_strategies(models: pl.DataFrame) -> Stated:
    """Finding 3: whether families that lean on synergy in one regime do so in the other."""
    families = families_and_models(models).filter((pl.col("kind") == "family") & pl.col("lead").is_not_null())
    sides = {name: families.filter(pl.col("regime") == name) for name in (SYNERGY_DRIVEN, KNOWLEDGE_DRIVEN)}
    for name, side in sides.items():
        if side.is_empty():
            raise NotEnoughError(f"no dataset is {name}; families are compared across both regimes.")
    both = sides[SYNERGY_DRIVEN].join(sides[KNOWLEDGE_DRIVEN], on="family", suffix="_other").sort("family")
    if both.height < LEAST:
        raise NotEnoughError(
            f"comparing families across regimes takes {LEAST} of them with both; there are {both.height}."
        )
    found = spearman(both["lead"].to_list(), both["lead_other"].to_list())
    middles = (pl.col("lead") - pl.col("lead").median(), pl.col("lead_other") - pl.col("lead_other").median())
    fusion = both.filter((middles[0] > 0) & (middles[1] > 0))["family"].to_list()
    language = both.filter((middles[0] < 0) & (middles[1] < 0))["family"].to_list()
    return Stated(
        "the lead of S over U2 (difference of shares, family medians) on synergy-driven datasets correlates with "
        f"that on knowledge-driven ones by {correlation(found)}; above the median family in both: "
        f"{listed(fusion) or 'none'}; below it in both: {listed(language) or 'none'}.",
        _RANK.replace("models", "families"),
        f"{both.height:,} families",
    )


def scaling_steps(models: pl.DataFrame) -> Stated:
    """Finding 4: what grows along with accuracy from one size of a family to the next."""
    try:
        found, where = steps(models, SYNERGY_DRIVEN), "synergy-driven datasets"
    except NothingToShowError:
        found, where = steps(models), "all datasets"
    if found.height < LEAST:
        raise NotEnoughError(f"it takes {LEAST} steps from one size of a family to the next; there are {found.height}.")
    accuracy = found["delta_accuracy"].to_list()
    parts = []
    for symbol, column in (("S", "delta_synergy"), ("U2", "delta_unique_language")):
        values = found[column].to_list()
        same = sum(one * other > 0 for one, other in zip(accuracy, values, strict=True))
        parts.append(
            f"{symbol} by {correlation(spearman(accuracy, values))} (same sign in {same} of {found.height})",
        )
    grew = sign_test(found["delta_unique_language"].to_list())
    return Stated(
        f"from one size to the next on {where}, the change of accuracy correlates with that of the share of {parts[0]} "
        f"and of {parts[1]}; the share of U2 rises in {grew.above} of {count(found.height, 'step')}{signs(grew)}.",
        f"{_RANK.replace('models', 'steps')}; exact two-sided sign test of the steps of U2",
        f"{count(found.height, 'step')} of {_families(found)}",
    )


def _families(found: pl.DataFrame) -> str:
    number = found["family"].n_unique()
    return "1 family" if number == 1 else f"{number:,} families"


def _range(numbers: list[int]) -> str:
    least, most = min(numbers), max(numbers)
    return count(most, "model") if least == most else f"{least:,} to {most:,} models"
