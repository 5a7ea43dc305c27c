"""How an atom depends on τ and pooling: one row per model and dataset, one column per setting."""

import json
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import final_checkpoint, final_layer, in_reading_order, reported, with_series
from pid_lvlm.data.names import ATOMS, DEFAULT_POOLING, DEFAULT_TAU, POOLINGS

_KEYS: Final = ("series", "dataset", "estimator")
_OF_ABLATIONS: Final = ("taus", "poolings")
"""Names of the two settings in a recipe."""


def ablations(
    results: pl.DataFrame, atom: str = "synergy", *, tau: float = DEFAULT_TAU, pooling: str = DEFAULT_POOLING
) -> pl.DataFrame:
    """An atom in bits (clipped at 0) by pooling and by τ, one row per model, dataset and estimator (Tables 4 and 5).

    Poolings are compared at the default τ, values of τ at the default pooling. Only settings that vary in the table
    have columns, and only models with two or more settings have rows. All estimators are shown; `exact` uses no
    features, so its pooling columns are empty. A setting is empty for a model that was not measured with it, whose fit
    failed, or whose atom is unknown.

    Args:
        results: the result table.
        atom: the atom, such as `synergy` or `unique_language`.
        tau: the default τ.
        pooling: the default pooling.

    Returns:
        `model`, `dataset`, `estimator`; `mean pooling (default)`, `last pooling`, …, `τ 0.3 (default)`, `τ 0.2`, …;
        `range`, the largest minus the smallest of these values.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model was measured with two settings.
        ValueError: `atom` is not the name of an atom.
    """
    if atom not in ATOMS:
        raise ValueError(f"`atom` is {atom!r}; expected one of {', '.join(ATOMS)}")
    frame = _finals_of_every_setting(given(results))
    frame = frame.filter(pl.struct("tau", "pooling").n_unique().over(_KEYS) > 1)
    at_tau, at_pooling = pl.col("tau") == tau, pl.col("pooling").fill_null(pooling) == pooling
    by_pooling = _wide(frame.filter(at_tau & pl.col("pooling").is_not_null()), "pooling", atom, pooling, "{} pooling")
    by_tau = _wide(frame.filter(at_pooling), "tau", atom, tau, "τ {}")
    names = [name for wide in (by_pooling, by_tau) for name in wide.columns if name not in _KEYS]
    if not names:
        raise NothingToShowError(
            "No model was measured with two values of τ or two poolings; repeat `--tau` or `--pooling` of "
            "`pid-estimate`, and keep the default of the other."
        )
    rows = frame.select(_KEYS).unique(maintain_order=True)
    for wide in (by_pooling, by_tau):
        rows = rows.join(wide, on=_KEYS, how="left", maintain_order="left")
    extent = pl.max_horizontal(names) - pl.min_horizontal(names)
    return rows.with_columns(extent.alias("range")).rename({"series": "model"})


def _wide(frame: pl.DataFrame, setting: str, atom: str, default: object, name: str) -> pl.DataFrame:
    """One column for each value of a setting, the default first; none if the setting has only one value."""
    values = frame[setting].unique().sort().to_list()
    values.sort(key=lambda value: (value != default, POOLINGS.index(value) if value in POOLINGS else 0))
    if len(values) < 2:
        return frame.select(_KEYS).unique(maintain_order=True)
    columns = [pl.col(atom).filter(pl.col(setting) == value).first() for value in values]
    titles = [name.format(value) + (" (default)" if value == default else "") for value in values]
    grouped = frame.group_by(_KEYS, maintain_order=True)
    return grouped.agg(column.alias(title) for column, title in zip(columns, titles, strict=True))


def _finals_of_every_setting(results: pl.DataFrame) -> pl.DataFrame:
    """`finals` of each estimator with all its values of τ and pooling, which are not part of series names."""
    return pl.concat(
        [_finals(part) for part in results.partition_by("estimator", maintain_order=True)] or [_finals(results)]
    )


def _finals(results: pl.DataFrame) -> pl.DataFrame:
    kept = {f"_{name}": name for name in ("tau", "pooling", "recipe")}
    recipes = results["recipe"].unique()
    others = pl.col("recipe").replace_strict(recipes, recipes.map_elements(_without_both, pl.String), default=None)
    same = results.with_columns(pl.col(name).alias(copy) for copy, name in kept.items()).with_columns(
        pl.lit(None, pl.Float64).alias("tau"), pl.lit(None, pl.String).alias("pooling"), others.alias("recipe")
    )
    final = reported(final_layer(final_checkpoint(with_series(same))))
    return in_reading_order(final.drop(kept.values()).rename(kept))


def _without_both(recipe: str) -> str:
    settings = json.loads(recipe)
    return json.dumps({name: value for name, value in settings.items() if name not in _OF_ABLATIONS})
