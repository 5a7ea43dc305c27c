"""A finding, and how its numbers are written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.labels import interval, p_value
from pid_lvlm.analysis.statistics import Correlation, SignTest

LISTED: Final = 6
"""How many datasets, models or families a sentence names."""


class NotEnoughError(NothingToShowError):
    """A finding cannot be stated; the text says what is missing."""


@dataclass(frozen=True)
class PaperFinding:
    """One of the paper's findings, for the table at hand.

    Attributes:
        number: 1 to 6, as in the paper.
        title: what it is about.
        sentence: what it would be, with its numbers, or `not enough data: …` with what is missing.
        test: the test and what the intervals cover; empty where there is not enough data.
        count: how many models, families or steps the numbers are over, such as `26 models`.
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
    """What a finding is for a table: sentence, test and count of a `PaperFinding`."""

    sentence: str
    test: str
    count: str


def finding(number: int, title: str, state: Callable[[], Stated]) -> PaperFinding:
    """A finding, or what it lacks."""
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
    """The sign test as `p = 0.125`; of one value, which no test can judge, and of none nothing."""
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
    """The first few names, and how many more there are."""
    every = list(names)
    more = [f"{len(every) - LISTED} more"] if len(every) > LISTED else []
    return separator.join([*every[:LISTED], *more])


def medians(frame: pl.DataFrame, of: str, columns: Sequence[str]) -> pl.DataFrame:
    """A row per value of `of` with the median of each column; empty values do not count."""
    return frame.group_by(of, maintain_order=True).agg(pl.col(name).median() for name in columns)
