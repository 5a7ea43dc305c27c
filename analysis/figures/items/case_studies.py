"""Single items, as in the paper's Fig. 6 and 7: the picture, the question, and how each model answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.items.cards import Scale, make_cards, render_cards, style
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.items.joined import Items
from pid_lvlm.analysis.frames.items.rules import pick, rule_named
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError


@dataclass(frozen=True)
class CaseStudies:
    """Items as HTML, for notebooks.

    Attributes:
        frame: the rows of `Items.with_questions` that are shown.
        html: a fragment that loads nothing, with all texts escaped.
    """

    frame: pl.DataFrame
    html: str

    def _repr_html_(self) -> str:
        return self.html


def case_studies(
    items: Items,
    chosen: str | Sequence[str] = "synergy",
    *,
    dataset: str | None = None,
    models: Sequence[str] | None = None,
    most: int = 3,
) -> CaseStudies:
    """Items with picture, question and options, and each model's probabilities and pointwise atoms.

    Args:
        items: the result of `pid_lvlm.analysis.items`.
        chosen: a rule of `pid_lvlm.analysis.RULES` (`synergy`, `language-prior`, `conflict`, `confident-mistake`,
            `vision`, `redundancy`), or the ids of items.
        dataset: the dataset; by default the first one, or, with ids, the first one that has the first id.
        models: models to show, in this order; a rule looks only at these. By default all.
        most: how many items a rule chooses.

    Raises:
        PidError: no such rule, item, dataset or model.
        NothingToShowError: the rule applies to no item, or there are no items.
    """
    frame = _of_models(items.frame, models)
    if frame.is_empty():
        raise NothingToShowError("The table has no items.")
    by_id = not isinstance(chosen, str)
    frame = _of_dataset(frame, dataset, chosen[0] if by_id and chosen else None)
    if by_id:
        ids = list(chosen)
        if unknown := [name for name in ids if name not in set(frame["sample_id"])]:
            where = f"no item of dataset `{frame['dataset'][0]}` has the id"
            raise PidError(unknown_name(where, unknown[0], frame["sample_id"].unique(maintain_order=True)))
        title = ""
    else:
        ids, title = pick(frame, str(chosen), most), rule_named(str(chosen)).title
    order = pl.col("sample_id").replace_strict(ids, range(len(ids)), return_dtype=pl.Int64)
    rows = items.with_questions(frame.filter(pl.col("sample_id").is_in(ids)).sort(order, maintain_order=True))
    scale = Scale.of(rows)
    shown = labelled(rows)
    rules = {(shown["dataset"][0], name): title for name in ids}
    cards = render_cards(make_cards(shown, rules, scale), scale)
    return CaseStudies(rows, "\n".join([f"<style>\n{style()}</style>", *map(str, cards)]))


def _of_models(frame: pl.DataFrame, models: Sequence[str] | None) -> pl.DataFrame:
    if models is None:
        return frame
    known = frame["model"].unique(maintain_order=True)
    for name in models:
        if name not in set(known):
            raise PidError(unknown_name("no model with items is called", name, known))
    order = pl.col("model").replace_strict(list(models), range(len(models)), return_dtype=pl.Int64)
    return frame.filter(pl.col("model").is_in(list(models))).sort(order, maintain_order=True)


def _of_dataset(frame: pl.DataFrame, dataset: str | None, with_id: str | None) -> pl.DataFrame:
    if dataset is None:
        having = frame.filter(pl.col("sample_id") == with_id) if with_id is not None else frame
        dataset = (frame if having.is_empty() else having)["dataset"][0]
    known = frame["dataset"].unique(maintain_order=True)
    if dataset not in set(known):
        raise PidError(unknown_name("no dataset with items is called", dataset, known))
    return frame.filter(pl.col("dataset") == dataset)
