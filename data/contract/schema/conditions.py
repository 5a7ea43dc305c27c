"""Names of conditions: which sources a condition ablates, and what replaces them.

`both`, `vision_only`, `language_only` and `no_image` are the paper's; their ablation is noise. Others are called
`ROLE.ABLATION`, such as `vision_only.mean` or `neither.noise`, and draws of `other` `ROLE.other.1`, `ROLE.other.2`, ….
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.bounds import OTHER_DRAWS
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.data.names import (
    ABLATIONS,
    BOTH,
    CONDITIONS,
    LANGUAGE_ONLY,
    NEITHER,
    NO_IMAGE,
    NOISE,
    OTHER,
    REQUIRED_CONDITIONS,
    ROLES,
    SOURCES,
    VISION_ONLY,
)

ABLATED: Final = {VISION_ONLY: SOURCES[1:], LANGUAGE_ONLY: SOURCES[:1], NEITHER: SOURCES}
"""Role -> the sources its conditions ablate."""

FORM: Final = f"ROLE.ABLATION with a role of {', '.join(ROLES)} and an ablation of {', '.join(ABLATIONS)}"


class ConditionNameError(PidError):
    """A name does not name a condition."""


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        role: `both`, `vision_only`, `language_only`, `neither` or `no_image`.
        ablation: what replaces the ablated sources, one of `ABLATIONS`; None for `both` and `no_image`.
        draw: number of the draw, from 1; only for `other`.
    """

    role: str
    ablation: str | None = None
    draw: int | None = None

    @property
    def name(self) -> str:
        """Its name in the manifest, in tables and in messages.

        Example:
            >>> Condition("vision_only", "noise").name, Condition("neither", "other", 2).name
            ('vision_only', 'neither.other.2')
        """
        if self.ablation is None or (self.ablation == NOISE and self.role in CONDITIONS):
            return self.role
        return ".".join([self.role, self.ablation, *([] if self.draw is None else [str(self.draw)])])

    @property
    def ablates(self) -> tuple[str, ...]:
        """The sources that are replaced, in the order of `SOURCES`."""
        return ABLATED.get(self.role, ())


def parse_condition(name: str) -> Condition:
    """Parse the name of a condition. `ROLE.other` without a number is the first draw.

    Raises:
        ConditionNameError: no condition has this name.

    Example:
        >>> parse_condition("language_only")
        Condition(role='language_only', ablation='noise', draw=None)
        >>> parse_condition("vision_only.other.2").draw
        2
    """
    if name in (BOTH, NO_IMAGE):
        return Condition(name)
    if name in REQUIRED_CONDITIONS:
        return Condition(name, NOISE)
    role, _, rest = name.partition(".")
    ablation, _, number = rest.partition(".")
    condition = Condition(role, ablation, _draw(number) if ablation == OTHER else None)
    exact = condition.name == name or (name == f"{role}.{OTHER}" and condition.draw == 1)
    if role not in ROLES or ablation not in ABLATIONS or condition.draw == 0 or not exact:
        raise ConditionNameError(_unknown(name))
    return condition


def _draw(number: str) -> int:
    """Number of a draw; 0, which is never a draw, for anything else."""
    if not number:
        return 1
    is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(OTHER_DRAWS.most))
    return int(number) if is_number and int(number) <= OTHER_DRAWS.most else 0


def _unknown(name: str) -> str:
    fixed = f"other conditions than {', '.join(CONDITIONS)} are {FORM}"
    known = [condition.name for condition in ablated_conditions(ABLATIONS, draws=1)]
    guess = suggestion(name, [*CONDITIONS, *known]).partition("?")
    return f"unknown condition `{cut(name)}`; {f'{guess[0]}? ' if guess[1] else ''}{fixed}"


def ablated_conditions(ablations: Iterable[str], draws: int) -> list[Condition]:
    """Conditions of some ablations in addition to the original four, in the order in which `pid-extract` measures them.

    Args:
        ablations: names from `ABLATIONS`; `noise` adds only `neither.noise`, since its others are among the four.
        draws: number of draws for `other`.
    """
    return [
        condition
        for ablation in ABLATIONS
        if ablation in set(ablations)
        for draw in (range(1, draws + 1) if ablation == OTHER else (None,))
        for role in ROLES
        if (condition := Condition(role, ablation, draw)).name not in CONDITIONS
    ]


def condition_faults(names: Sequence[str]) -> list[str]:
    """Why names are not a valid condition axis of a run, as sentences."""
    faults = []
    further = [name for name in names if name not in CONDITIONS]
    known = [parse_condition(name) for name in names if name in CONDITIONS]
    for name in further:
        try:
            known.append(parse_condition(name))
        except ConditionNameError as error:
            faults.append(f"`conditions`: {error}")
    if len(set(known)) != len(known):
        faults.append(f"`conditions` names a condition twice: {shown(names)}")
    elif list(names) != [*(name for name in CONDITIONS if name in names), *further]:
        faults.append(f"`conditions` should begin with those of {CONDITIONS} in this order, found {shown(names)}")
    if missing := [name for name in REQUIRED_CONDITIONS if name not in names]:
        faults.append(f"`conditions` lacks {missing[0]!r}, which the decomposition needs")
    return faults
