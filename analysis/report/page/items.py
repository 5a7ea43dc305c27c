"""The item browser, a section of the page: items that rules choose in turn, as many as the page can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import markupsafe
import polars as pl

from pid_lvlm.analysis.figures.items.cards import SEEN, Scale, make_cards, render_cards, style
from pid_lvlm.analysis.figures.items.markup import environment
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.items.joined import Items
from pid_lvlm.analysis.frames.items.rules import RULES, taking_turns
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.bounds import CARD_MODELS, CARDS_BYTES, FIGURE_DATASETS
from pid_lvlm.data.command.shown import count

BY_DEFAULT: Final = 48
"""Items per dataset, unless that is more than the page can hold."""

AT_ONCE: Final = 12
"""Items that are shown before the reader asks for more."""


@dataclass(frozen=True)
class Browser:
    """The items on the page.

    Attributes:
        cards: the HTML of each item, in the order in which the rules chose them.
        said: how many items are shown, of how many, and how they were chosen.
        others: whether some of them were not chosen by any rule.
        models, datasets, rules: the filters.
    """

    cards: Sequence[markupsafe.Markup]
    said: str
    others: bool
    models: Sequence[str]
    datasets: Sequence[str]
    rules: Sequence[str]


def item_browser(items: Items, most: int | None = None) -> Browser:
    """Choose items and lay them out.

    Args:
        items: all items.
        most: how many per dataset; by default `BY_DEFAULT`, or fewer if the page would become too large.
    """
    frame, left_out = _shown_rows(items.frame)
    rows = labelled(items.with_questions(_chosen(frame, BY_DEFAULT if most is None else most)))
    cards, turns = _cards(rows, CARDS_BYTES.most if most is None else None)
    shown = rows.filter(pl.col("turn") < turns)
    used = set(shown["rule"])
    return Browser(
        cards=cards,
        said=" ".join([_said(frame, shown), *left_out]),
        others=shown["rule"].has_nulls(),
        models=shown["model"].unique(maintain_order=True).to_list(),
        datasets=shown["dataset"].unique(maintain_order=True).to_list(),
        rules=[rule.title for name, rule in RULES.items() if name in used],
    )


def render_browser(browser: Browser, items: Items) -> markupsafe.Markup:
    """The section of the page; without scripts it shows every item."""
    folder = Path(__file__).parent
    return markupsafe.Markup(
        environment(folder)
        .get_template("items.html.j2")
        .render(
            browser=browser,
            missing=items.missing,
            notes=items.notes,
            definitions=[rule for rule in RULES.values() if rule.title in browser.rules],
            seen=tuple(SEEN.values()),
            legend=LEGEND,
            at_once=AT_ONCE,
            style=style(),
            script=markupsafe.Markup((folder / "items.js").read_text(encoding="utf-8")),
        )
    )


def _shown_rows(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The first models and datasets, and sentences about those left out."""
    said = []
    for column, bound in (("model", CARD_MODELS), ("dataset", FIGURE_DATASETS)):
        names = frame[column].unique(maintain_order=True)
        if len(names) > bound.most:
            frame = frame.filter(pl.col(column).is_in(names.head(bound.most).implode()))
            said.append(f"The first {bound.most} of {count(len(names), column)}.")
    return frame, said


def _chosen(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    """The rows of the chosen items with `turn` and `rule`: the first of each dataset, then the second of each."""
    rows = frame.join(taking_turns(frame, most), on=["dataset", "sample_id"], maintain_order="left")
    places = rows.select("dataset").unique(maintain_order=True).with_row_index("place")
    return rows.join(places, on="dataset", maintain_order="left").sort("turn", "place", maintain_order=True)


def _cards(rows: pl.DataFrame, most_bytes: int | None) -> tuple[list[markupsafe.Markup], int]:
    """The cards of as many whole turns as fit, at least one, and the number of turns."""
    scale = Scale.of(rows)
    keys = rows.select("dataset", "sample_id", "rule").iter_rows()
    titles = {(dataset, name): RULES[rule].title for dataset, name, rule in keys if rule is not None}
    cards: list[markupsafe.Markup] = []
    size = turns = 0
    for turn in rows.partition_by("turn", maintain_order=True):
        more = render_cards(make_cards(turn, titles, scale), scale)
        size += sum(len(each.encode()) for each in more)
        if cards and most_bytes is not None and size > most_bytes:
            break
        cards += more
        turns += 1
    return cards, turns


def _said(frame: pl.DataFrame, shown: pl.DataFrame) -> str:
    total, of_each = (
        each.group_by("dataset").agg(pl.col("sample_id").n_unique()).to_series(1) for each in (frame, shown)
    )
    return (
        f"{_range(of_each)} of {_range(total)} items of each dataset, as answered by "
        f"{count(frame['model'].n_unique(), 'model')}."
    )


def _range(numbers: pl.Series) -> str:
    ordered = sorted(numbers)
    least, most = ordered[0], ordered[-1]
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"
