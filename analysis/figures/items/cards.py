"""Items as cards: picture, question and options once, and how each model answered (paper, Fig. 6 and 7)."""

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import markupsafe
import polars as pl

from pid_lvlm.analysis.figures.items.markup import environment
from pid_lvlm.analysis.figures.theme import COLOURS
from pid_lvlm.analysis.frames.items.scores import PROBABILITIES, TOTALS
from pid_lvlm.analysis.frames.labels import LEGEND, SYMBOLS, bits
from pid_lvlm.data.bounds import CARD_OPTIONS, CARD_PICTURE, CARD_TEXT
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.names import ATOMS, BOTH, LANGUAGE_ONLY, NO_IMAGE, OPTION_LETTERS, VISION_ONLY

SEEN: Final = {
    BOTH: "picture + question",
    VISION_ONLY: "picture only",
    LANGUAGE_ONLY: "question only",
    NO_IMAGE: "text-only prompt",
}
"""The names of conditions on a card."""

BAR_HEIGHT: Final = 22
ATOM_WIDTH: Final = 92
ATOM_ROW: Final = 16
"""Pixels. The style sheet uses the same heights for probability bars and rows of atoms, and half a row for bars of
atoms."""
_PITCH, _BARS_WIDTH = 14, 140
_KINDS: Final = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"))


@dataclass(frozen=True)
class Option:
    """An answer option: its letter, its text (empty if it was not kept), and whether it is the right one."""

    letter: str
    text: str
    right: bool


@dataclass(frozen=True)
class Bars:
    """The probabilities of one condition.

    Attributes:
        condition: its name on the card.
        path: the bars of all options except the most probable, as an SVG path: lines as wide as a bar (`Answer.bar`),
        or outlines (hollow bars) if `total` is not empty.
        top: the bar of the most probable option.
        said: all probabilities in words.
        best: the most probable option and its probability.
        total: the options' total probability in % if it is below τ and the estimate treats them as equally probable;
            else empty.
    """

    condition: str
    path: str
    top: str
    said: str
    best: str
    total: str


@dataclass(frozen=True)
class AtomBar:
    """A pointwise atom: its value in bits (– if unknown), and the start and length of its bar."""

    name: str
    symbol: str
    value: str
    start: float
    length: float


@dataclass(frozen=True)
class Answer:
    """How one model answered the item; empty parts are unknown.

    Attributes:
        width: width of all bars of a condition, in pixels.
        bar: width of one bar.
    """

    model: str
    verdict: str
    correct: bool | None
    dominating: str
    values: str
    atoms: tuple[AtomBar, ...]
    conditions: tuple[Bars, ...]
    width: float
    bar: float


@dataclass(frozen=True)
class Card:
    """An item as it is shown.

    Attributes:
        picture: data URI of its thumbnail; empty without one.
        more_options: how many options are not shown.
        rule: why it was chosen; empty if no rule chose it.
    """

    dataset: str
    sample_id: str
    question: str
    options: tuple[Option, ...]
    more_options: int
    picture: str
    rule: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Scale:
    """The range of pointwise atoms in bits shared by cards shown together; it includes 0."""

    least: float
    most: float

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Scale":
        """The scale for the atoms in a frame."""
        values = [value for atom in ATOMS for value in frame[atom].drop_nulls()]
        return cls(min([0.0, *values]), max([0.1, *values]))

    def bar(self, value: float) -> tuple[float, float]:
        """Start and length of a value's bar, in pixels."""
        unit = ATOM_WIDTH / (self.most - self.least)
        return round((min(value, 0.0) - self.least) * unit, 1), round(abs(value) * unit, 1)

    @property
    def zero(self) -> float:
        """Where 0 is, in pixels."""
        return self.bar(0.0)[0]


def make_cards(frame: pl.DataFrame, rules: Mapping[tuple[str, str], str], scale: Scale) -> list[Card]:
    """One card per dataset and item, in order of their first rows; answers in row order.

    Args:
        frame: rows of `Items.with_questions`, with printable names (`labelled`).
        rules: why each item was chosen, by dataset and sample id.
        scale: scale of the bars of the atoms.
    """
    groups = frame.partition_by("dataset", "sample_id", maintain_order=True)
    return [
        _card(group.to_dicts(), rules.get((group["dataset"][0], group["sample_id"][0]), ""), scale) for group in groups
    ]


def render_cards(cards: Sequence[Card], scale: Scale) -> list[markupsafe.Markup]:
    """The HTML of each card."""
    return [
        _macro()(
            card,
            zero=scale.zero,
            colours=COLOURS,
            atom_width=ATOM_WIDTH,
            row=ATOM_ROW,
            legend=LEGEND,
        )
        for card in cards
    ]


@functools.cache
def _macro() -> Callable[..., markupsafe.Markup]:
    return environment(Path(__file__).parent).get_template("cards.html.j2").module.card  # type: ignore[attr-defined]


def style() -> markupsafe.Markup:
    """The style sheet of the cards; colours defined by the page (`--rule`, `--muted`, …) take precedence."""
    return markupsafe.Markup((Path(__file__).parent / "cards.css").read_text(encoding="utf-8"))


def _card(rows: Sequence[Mapping[str, Any]], rule: str, scale: Scale) -> Card:
    kept = next((row for row in rows if row["question"] is not None), rows[0])
    number = max(row["num_options"] or len(row["options"] or ()) for row in rows)
    letters = next((row["letters"] for row in rows if row["letters"]), None)
    label = next((row["label"] for row in rows if row["label"] is not None), None)
    texts = kept["options"] or [""] * number
    shown = [
        Option(_letter(position, letters), displayable(text, CARD_TEXT.most, keep="\n"), position == label)
        for position, text in enumerate(texts[: CARD_OPTIONS.most])
    ]
    return Card(
        dataset=rows[0]["dataset"],
        sample_id=displayable(rows[0]["sample_id"], 80),
        question=displayable(kept["question"] or "", CARD_TEXT.most, keep="\n"),
        options=tuple(shown),
        more_options=len(texts) - len(shown),
        picture=_data_uri(next((row["thumbnail"] for row in rows if row["thumbnail"]), None)),
        rule=rule,
        answers=tuple(_answer(row, letters, scale) for row in rows),
    )


def _answer(row: Mapping[str, Any], letters: str | None, scale: Scale) -> Answer:
    some = any(row[atom] is not None for atom in ATOMS)
    atoms = [AtomBar(atom, SYMBOLS[atom], _signed(row[atom]), *scale.bar(row[atom] or 0.0)) for atom in ATOMS if some]
    pitch = _pitch(row["num_options"] or 1)
    return Answer(
        model=row["model"],
        verdict=_verdict(row, letters),
        correct=row["correct"],
        dominating=row["dominating"] or "",
        values=",".join("" if row[atom] is None else f"{row[atom]:.4f}" for atom in ATOMS),
        atoms=tuple(atoms),
        conditions=tuple(
            _bars(seen, row[PROBABILITIES[name]], row[TOTALS[name]], row["tau"], letters)
            for name, seen in SEEN.items()
            if row[PROBABILITIES[name]] is not None
        ),
        width=round(pitch * min(row["num_options"] or 1, CARD_OPTIONS.most), 1),
        bar=_bar_width(pitch),
    )


def _verdict(row: Mapping[str, Any], letters: str | None) -> str:
    if row["predicted"] is None:
        return "answer not known"
    said = _letter(row["predicted"], letters)
    if row["correct"] is None:
        return f"answers {said}"
    return f"right: {said}" if row["correct"] else f"wrong: {said}, not {_letter(row['label'], letters)}"


def _bars(seen: str, probabilities: Sequence[float], total: float, tau: float, letters: str | None) -> Bars:
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    drawn = probabilities[: CARD_OPTIONS.most]
    pitch = _pitch(len(probabilities))
    draw = _outline if total < tau else _line
    bars = [draw(position, value, pitch) for position, value in enumerate(drawn)]
    return Bars(
        condition=seen,
        path="".join(bar for position, bar in enumerate(bars) if position != best),
        top=bars[best] if best < len(bars) else "",
        said=", ".join(f"{_letter(position, letters)} {value:.2f}" for position, value in enumerate(drawn)),
        best=f"{_letter(best, letters)} {probabilities[best]:.2f}",
        total=f"{100 * total:.0f} %" if total < tau else "",
    )


def _line(position: int, value: float, pitch: float) -> str:
    return f"M{round(position * pitch + _bar_width(pitch) / 2, 2):g} {BAR_HEIGHT}v-{_bar_height(value):g}"


def _outline(position: int, value: float, pitch: float) -> str:
    height = _bar_height(value)
    return f"M{round(position * pitch, 1):g} {BAR_HEIGHT}v-{height:g}h{_bar_width(pitch):g}v{height:g}z"


def _bar_height(value: float) -> float:
    return round(max(value * (BAR_HEIGHT - 2), 0.5), 1)


def _bar_width(pitch: float) -> float:
    return round(0.75 * pitch, 1)


def _pitch(number: int) -> float:
    return min(_PITCH, _BARS_WIDTH / min(number, CARD_OPTIONS.most))


def _letter(position: int, letters: str | None) -> str:
    known = letters or OPTION_LETTERS
    return known[position] if position < len(known) else f"option {position + 1}"


def _signed(value: float | None) -> str:
    return "–" if value is None else bits(value).replace("-", "\N{MINUS SIGN}")


def _data_uri(picture: bytes | None) -> str:
    if picture is None or len(picture) > CARD_PICTURE.most:
        return ""
    kind = next((kind for magic, kind in _KINDS if picture.startswith(magic)), None)
    return "" if kind is None else f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
