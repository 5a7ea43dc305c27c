"""Rules that choose items worth a look, and the choice itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.items.scores import PROBABILITIES, TOTALS
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import BOTH, LANGUAGE_ONLY, VISION_ONLY

PREFERRED: Final = 0.5
"""Probability above which an option counts as preferred and not just as slightly more probable."""


@dataclass(frozen=True)
class Rule:
    """A rule that orders items.

    Attributes:
        name: its name in code and options.
        title: its name on a page.
        definition: which items come first, as a caption.
        score: the score of an item of one model; the largest comes first, and empty means that the rule does not apply.
    """

    name: str
    title: str
    definition: str
    score: pl.Expr


def _largest(atom: str) -> pl.Expr:
    return pl.when(pl.col(atom) > NEXT_TO_NOTHING).then(pl.col(atom))


def _preference(condition: str) -> pl.Expr:
    """Probability of the option that a condition prefers; empty if it prefers none or is below τ."""
    most = pl.col(PROBABILITIES[condition]).list.max()
    return pl.when((most > PREFERRED) & (pl.col(TOTALS[condition]) >= pl.col("tau"))).then(most)


def _conflict() -> pl.Expr:
    seen, read = (pl.col(PROBABILITIES[name]).list.arg_max() for name in (VISION_ONLY, LANGUAGE_ONLY))
    vision, language = _preference(VISION_ONLY), _preference(LANGUAGE_ONLY)
    both_prefer = vision.is_not_null() & language.is_not_null()
    return pl.when(both_prefer & (seen != read)).then(pl.min_horizontal(vision, language))


RULES: Final = {
    rule.name: rule
    for rule in (
        Rule(
            "synergy",
            "most synergistic",
            f"the largest pointwise synergy S, above {NEXT_TO_NOTHING} bits",
            _largest("synergy"),
        ),
        Rule(
            "language-prior",
            "strongest language prior",
            f"the largest pointwise language-unique information U2, above {NEXT_TO_NOTHING} bits",
            _largest("unique_language"),
        ),
        Rule(
            "conflict",
            "sources in conflict",
            "picture only and question only each give more than half of the probability to one option, but to "
            "different ones; ranked by the less certain of the two",
            _conflict(),
        ),
        Rule(
            "confident-mistake",
            "wrong with high confidence",
            "with picture and question, a wrong option gets more than half of the probability; largest first",
            pl.when(~pl.col("correct")).then(_preference(BOTH)),
        ),
        Rule(
            "vision",
            "strongest vision-unique",
            f"the largest pointwise vision-unique information U1, above {NEXT_TO_NOTHING} bits",
            _largest("unique_vision"),
        ),
        Rule(
            "redundancy",
            "most redundant",
            f"the largest pointwise redundancy R, above {NEXT_TO_NOTHING} bits",
            _largest("redundancy"),
        ),
    )
}
"""Rules by name, in the order in which they take turns."""


def rule_named(name: str) -> Rule:
    """A rule by name.

    Raises:
        PidError: no rule has this name.
    """
    if name not in RULES:
        raise PidError(unknown_name("unknown rule", name, RULES))
    return RULES[name]


def ranked(frame: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Items to which a rule applies, in its order within each dataset: `dataset`, `sample_id`, `score`, `rank` from 0.

    An item's score is the largest over the models in the frame; ties are ordered by id.

    Args:
        frame: rows of `Items.frame`.
        rule: the rule.
    """
    scores = frame.select("dataset", "sample_id", score=rule.score).drop_nulls()
    return (
        scores.group_by("dataset", "sample_id")
        .agg(pl.col("score").max())
        .sort("dataset", pl.col("score").round(9), "sample_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(pl.len()).over("dataset"))
    )


def pick(frame: pl.DataFrame, rule: str, most: int) -> list[str]:
    """Ids of the items of one dataset that a rule puts first.

    Args:
        frame: rows of `Items.frame` of one dataset, of the models that count.
        rule: name of a rule in `RULES`.
        most: how many.

    Raises:
        PidError: no rule has this name.
        NothingToShowError: the rule applies to no item.
    """
    found = ranked(frame, rule_named(rule))["sample_id"].head(most).to_list()
    if not found:
        raise NothingToShowError(f"No item matches the rule `{rule}` ({RULES[rule].definition}).")
    return found


def taking_turns(frame: pl.DataFrame, most: int, rules: Sequence[str] = tuple(RULES)) -> pl.DataFrame:
    """Items of each dataset that the rules choose in turn: first one item per rule, then the second, and so on.

    Rules skip items that are already chosen. If the rules apply to too few items, the first of the others follow.

    Args:
        frame: rows of `Items.frame`.
        most: how many items per dataset.
        rules: names of the rules.

    Returns:
        `dataset`, `sample_id`, `turn` from 0, and the `rule` that chose it, empty if none did.
    """
    by_rule = {
        name: {
            str(dataset): part["sample_id"].to_list()
            for (dataset,), part in ranked(frame, rule_named(name)).group_by("dataset", maintain_order=True)
        }
        for name in rules
    }
    rows: list[tuple[str, str, int, str | None]] = []
    for (dataset,), part in frame.group_by("dataset", maintain_order=True):
        queues = {name: iter(of.get(str(dataset), ())) for name, of in by_rule.items()}
        rest = iter(part["sample_id"].unique(maintain_order=True))
        rows += [(str(dataset), name, turn, rule) for turn, (name, rule) in enumerate(_in_turn(queues, rest, most))]
    return pl.DataFrame(
        rows, schema={"dataset": pl.String, "sample_id": pl.String, "turn": pl.Int64, "rule": pl.String}, orient="row"
    )


def _in_turn(queues: dict[str, Iterator[str]], rest: Iterator[str], most: int) -> list[tuple[str, str | None]]:
    chosen: dict[str, str | None] = {}
    waiting = dict(queues)
    while waiting and len(chosen) < most:
        for rule, queue in list(waiting.items()):
            fresh = next((name for name in queue if name not in chosen), None)
            if fresh is None:
                del waiting[rule]
            elif len(chosen) < most:
                chosen[fresh] = rule
    for name in rest:
        if len(chosen) >= most:
            break
        chosen.setdefault(name, None)
    return list(chosen.items())
