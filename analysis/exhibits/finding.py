"""A finding, and the format of its numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.labels import interval, p_value
from pid_lvlm.analysis.statistics import Correlation, SignTest

LISTED: Final = 6
"""Maximum number of datasets, models or families named in a sentence."""


class NotEnoughError(NothingToShowError):
    """A finding cannot be stated; the text says what is missing."""


@dataclass(frozen=True)
class PaperFinding:
    """One of the paper's findings, recomputed for a result table.

    Attributes:
        number: 1 to 6, as in the paper.
        title: what it is about.
        sentence: the finding with its numbers, or `not enough data: …` with what is missing.
        test: the test and what the intervals cover; empty if there is not enough data.
        count: number of models, families or steps that the numbers cover, such as `26 models`.
        enough: whether there is enough data.
    """

    number: int
    title: str
    sentence: str
    test: str = ""
    count: str = ""
    enough: bool = True


@dataclass(frozen=True)
class Stated:
    """A finding for a table: sentence, test and count of a `PaperFinding`."""

    sentence: str
    test: str
    count: str


def finding(number: int, title: str, state: Callable[[], Stated]) -> PaperFinding:
    """A finding, or what is missing for it."""
    try:
        stated = state()
    except NothingToShowError as missing:
        text = str(missing)
        clause = text if text.startswith("I(") else f"{text[0].lower()}{text[1:]}"
        return PaperFinding(number, title, f"not enough data: {clause}", enough=False)
    sentence = f"{stated.sentence[0].upper()}{stated.sentence[1:]}"
    return PaperFinding(number, title, sentence, stated.test, stated.count)


def correlation(found: Correlation) -> str:
    """Such as `ρ = 0.75 [0.49, 0.88], p < 0.001`."""
    if found.rho is None or found.p is None:
        return "no correlation"
    ends = interval(found.low, found.high)
    return f"ρ = {rounded(found.rho)}{f' {ends}' if ends else ''}, {p_value(found.p)}"


def signs(found: SignTest) -> str:
    """The sign test as `p = 0.125`; empty for fewer than two values, which no test can judge."""
    return "" if found.p is None or found.above + found.below < 2 else f", {p_value(found.p)}"


def rounded(value: float) -> str:
    """Two decimals, without a negative zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def change(value: float, digits: int = 2) -> str:
    """A difference with its sign.

    >>> change(0.123), change(-0.001), change(-12.34, 0)
    ('+0.12', '+0.00', '-12')
    """
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def listed(names: Iterable[str], separator: str = ", ") -> str:
    """The first few names, and the number of the rest."""
    every = list(names)
    more = [f"{len(every) - LISTED} more"] if len(every) > LISTED else []
    return separator.join([*every[:LISTED], *more])


def medians(frame: pl.DataFrame, of: str, columns: Sequence[str]) -> pl.DataFrame:
    """A row per value of `of` with the median of each column; empty values are ignored."""
    return frame.group_by(of, maintain_order=True).agg(pl.col(name).median() for name in columns)
