"""The item browser: the items that rules choose in turn, as many as the page can hold, as one section of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import markupsafe
import polars as pl

from pid_lvlm.analysis.figures.cards import SEEN, Scale, make_cards, render_cards, style
from pid_lvlm.analysis.figures.markup import environment
from pid_lvlm.analysis.frames.case_rules import RULES, taking_turns
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.items import Items
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.bounds import CARD_MODELS, CARDS_BYTES, FIGURE_DATASETS
from pid_lvlm.data.command.shown import count

BY_DEFAULT: Final = 48
"""Items of each dataset, unless that is more than the page can hold."""

AT_ONCE: Final = 12
"""Items that are shown before a reader asks for more."""


@dataclass(frozen=True)
class Browser:
    """The items on the page.

    Attributes:
        cards: the HTML of each, in the order in which the rules chose them.
        said: what is shown, of how many, chosen how.
        models, datasets, rules: what they can be filtered by.
    """

    cards: Sequence[markupsafe.Markup]
    said: str
    models: Sequence[str]
    datasets: Sequence[str]
    rules: Sequence[str]


def item_browser(items: Items, most: int | None = None) -> Browser:
    """Choose items and lay them out.

    Args:
        items: all items.
        most: how many of each dataset; by default `BY_DEFAULT`, and fewer where the page would become too large.
    """
    frame, left_out = _shown_rows(items.frame)
    chosen = taking_turns(frame, BY_DEFAULT if most is None else most)
    rows = frame.join(chosen, on=["dataset", "sample_id"], maintain_order="left")
    order = rows.select("dataset").unique(maintain_order=True).with_row_index("_place")
    rows = rows.join(order, on="dataset", maintain_order="left").sort("turn", "_place", maintain_order=True)
    rows = items.with_questions(rows)
    scale = Scale.of(rows)
    titles = {(row["dataset"], row["sample_id"]): _title(row["rule"]) for row in chosen.to_dicts()}
    html: list[markupsafe.Markup] = []
    used: set[str] = set()
    size = turns = 0
    for turn in rows.partition_by("turn", maintain_order=True):
        cards = make_cards(turn, titles, scale)
        more = render_cards(cards, scale)
        size += sum(len(each.encode()) for each in more)
        if most is None and html and size > CARDS_BYTES.most:
            break
        html += more
        used |= {card.rule for card in cards}
        turns += 1
    names = labelled(frame)
    return Browser(
        cards=html,
        said=" ".join([_said(frame, chosen.filter(pl.col("turn") < turns)), *left_out]),
        models=names["model"].unique(maintain_order=True).to_list(),
        datasets=names["dataset"].unique(maintain_order=True).to_list(),
        rules=[rule.title for rule in RULES.values() if rule.title in used],
    )


def render_browser(browser: Browser, items: Items) -> markupsafe.Markup:
    """The section of the page; without its script it shows every item."""
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
    """The first models and datasets, and what is said about the others."""
    said = []
    for column, bound in (("model", CARD_MODELS), ("dataset", FIGURE_DATASETS)):
        names = frame[column].unique(maintain_order=True)
        if len(names) > bound.most:
            frame = frame.filter(pl.col(column).is_in(names.head(bound.most).implode()))
            said.append(f"The first {bound.most} of {count(len(names), column)}.")
    return frame, said


def _title(rule: str | None) -> str:
    return "" if rule is None else RULES[rule].title


def _said(frame: pl.DataFrame, shown: pl.DataFrame) -> str:
    total = frame.group_by("dataset").agg(pl.col("sample_id").n_unique()).to_series(1)
    of_each = shown.group_by("dataset").len().to_series(1)
    return (
        f"{_range(of_each)} of {_range(total)} items of each dataset, as answered by "
        f"{count(frame['model'].n_unique(), 'model')}."
    )


def _range(numbers: pl.Series) -> str:
    ordered = sorted(numbers)
    least, most = ordered[0], ordered[-1]
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"
