"""The meaning and valid values of a setting, from which options, settings files, help and errors are derived."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le

from pid_lvlm.data import PidError
from pid_lvlm.data.bounds import FIT_SEED, SEEDS, Bound
from pid_lvlm.data.command.shown import cut


@dataclass(frozen=True)
class Rule:
    """Which values are valid.

    Attributes:
        kind: Python type of a value.
        expected: how an error describes the valid values.
        least: the smallest number.
        most: the largest number; non-finite numbers are never valid.
        choices: the valid values if they are a few names.
    """

    kind: type
    expected: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Whether the value has this kind (numpy numbers count, booleans are not numbers) and is in range."""
        abstract = {int: Integral, float: Real}.get(self.kind, self.kind)
        if not isinstance(value, abstract) or (self.kind is not bool and isinstance(value, bool)):
            return False
        if self.choices:
            return value in self.choices
        number: Any = value
        return self.least is None or self.most is None or self.least <= number <= self.most

    @property
    def annotation(self) -> Any:
        """The type of a valid value, for a schema."""
        if self.choices:
            return Literal.__getitem__(self.choices)
        if self.least is None or self.most is None:
            return self.kind
        return Annotated[self.kind, Ge(self.least), Le(self.most)]


def integer(least: int, bound: Bound) -> Rule:
    """Integers from `least` to a bound."""
    return Rule(int, f"an integer from {least} to {bound.most}", least, bound.most)


def one_of(*names: str) -> Rule:
    """One of a few names."""
    return Rule(str, " or ".join([", ".join(names[:-1]), names[-1]]), choices=names)


SMALLEST: Final = 1e-12
PROBABILITY: Final = Rule(float, "a number from 0 to 1", 0, 1)
SHARE: Final = Rule(float, "a number above 0 and below 1", SMALLEST, 1 - SMALLEST)
POSITIVE: Final = Rule(float, f"a positive number, from {SMALLEST:g} to 1000", SMALLEST, 1000)
SEED: Final = integer(0, FIT_SEED)
TOLERANCE: Final = Rule(float, "a number of bits from 1e-6 to 1", 1e-6, 1)
SWITCH: Final = Rule(bool, "true or false")
TEXT: Final = Rule(str, "text")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: the field and Python argument, such as `taus`.
        default: its default.
        meaning: what it is, in a phrase.
        rule: valid values, or valid entries if it takes `several`.
        option: name on the command line and in settings files, such as `tau`.
        opposite: the option that switches a switch off.
        unset: what a default of None stands for.
        estimator: the only estimator that uses it; all by default.
    """

    name: str
    default: Any
    meaning: str
    rule: Rule
    option: str
    opposite: str = ""
    unset: str = ""
    estimator: str = ""

    @property
    def several(self) -> bool:
        """Whether it takes alternatives."""
        return isinstance(self.default, tuple)

    @property
    def expected(self) -> str:
        """The valid values in words."""
        if self.several:
            return f"a tuple, each entry {self.rule.expected}"
        return self.rule.expected + (f", or None: {self.unset}" if self.unset else "")

    def check(self, value: Any) -> None:
        """Check a value.

        Raises:
            ArgumentError: it is invalid.
        """
        if value is None and self.default is None:
            return
        if self.several and not isinstance(value, tuple | list):
            raise ArgumentError(self.name, f"expected {self.expected}, found {spell(value)}")
        if self.several and not value:
            raise ArgumentError(self.name, "expected at least one value, found none")
        check_entries(self.name, value if self.several else [value], self.rule)


def check_entries(name: str, entries: Sequence[Any], rule: Rule) -> None:
    """Check the values of one argument.

    Raises:
        ArgumentError: one is invalid or repeated, or there are too many.
    """
    if len(entries) > SEEDS.most:
        raise ArgumentError(name, f"expected at most {SEEDS.most:,} values, found {len(entries):,}")
    for entry in entries:
        if not rule.accepts(entry):
            raise ArgumentError(name, f"expected {rule.expected}, found {spell(entry)}")
    if len(set(entries)) < len(entries):
        twice = next(entry for entry in entries if list(entries).count(entry) > 1)
        raise ArgumentError(name, f"expected different values, found {spell(twice)} twice")


class ArgumentError(PidError, ValueError):
    """An argument has an invalid value.

    Attributes:
        argument: its name.
        fault: what was expected and what was found.
    """

    def __init__(self, argument: str, fault: str) -> None:
        self.argument, self.fault = argument, fault
        super().__init__(f"{argument}: {fault}")

    def of_option(self) -> PidError:
        """The same error, naming the command-line option."""
        return PidError(f"--{self.argument.replace('_', '-')}: {self.fault}")


def setting(
    default: Any,
    meaning: str,
    rule: Rule,
    *,
    option: str | None = None,
    opposite: str = "",
    unset: str = "",
    estimator: str = "",
) -> Any:
    """A dataclass field that is a setting; the arguments are the attributes of `Setting`."""
    told = {"meaning": meaning, "rule": rule, "option": option, "opposite": opposite, "unset": unset}
    told["estimator"] = estimator
    return field(default=default, metadata=told)


def settings_of(cls: type) -> dict[str, Setting]:
    """The settings of a dataclass by field name, in order."""
    found = {}
    for item in fields(cls):
        if item.metadata:
            option = item.metadata["option"] or item.name.replace("_", "-")
            found[item.name] = Setting(item.name, item.default, **(dict(item.metadata) | {"option": option}))
    return found


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument has the wrong type."""


def spell(value: Any) -> str:
    """A value as one would type it: 7 for 7.0, words in backticks; shortened if long."""
    if isinstance(value, str):
        return f"`{cut(value)}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(short := f"{value:g}") == value:
        return short
    try:
        return cut(str(value))
    except Exception:  # the value's own method may raise anything
        return f"a {type(value).__name__}"
