"""What a setting means and which values it takes: options, settings files, help and errors derive from it."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Final

from pid_lvlm.data import PidError


@dataclass(frozen=True)
class Rule:
    """Which values are valid.

    Attributes:
        kind: Python type of a value.
        expected: how an error describes the valid values.
        is_valid: whether a value of this kind is in range.
        choices: the valid values where they are a few names.
    """

    kind: type
    expected: str
    is_valid: Callable[[Any], bool] = lambda _: True
    choices: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Whether the value has this kind (numpy's numbers count, booleans are not numbers) and is in range."""
        abstract = {int: Integral, float: Real}.get(self.kind, self.kind)
        is_kind = isinstance(value, abstract) and (self.kind is bool or not isinstance(value, bool))
        return is_kind and self.is_valid(value)


def integer(least: int) -> Rule:
    """Integers from `least` on."""
    return Rule(int, f"an integer of at least {least}", lambda value: value >= least)


def one_of(*names: str) -> Rule:
    """One of a few names."""
    return Rule(str, " or ".join([", ".join(names[:-1]), names[-1]]), lambda value: value in names, names)


PROBABILITY: Final = Rule(float, "a number from 0 to 1", lambda value: 0 <= value <= 1)
SHARE: Final = Rule(float, "a number above 0 and below 1", lambda value: 0 < value < 1)
POSITIVE: Final = Rule(float, "a positive number", lambda value: value > 0)
SWITCH: Final = Rule(bool, "true or false")
TEXT: Final = Rule(str, "text")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: the field and Python argument, such as `taus`.
        default: its default.
        meaning: what it is, in a phrase.
        rule: valid values; of each entry if it takes `several`.
        option: name on the command line and in settings files, such as `tau`.
        opposite: the option that switches a switch off.
        unset: what a default of None stands for.
    """

    name: str
    default: Any
    meaning: str
    rule: Rule
    option: str
    opposite: str = ""
    unset: str = ""

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
            ArgumentError: it is not valid.
        """
        if value is None and self.default is None:
            return
        if self.several and not isinstance(value, tuple | list):
            raise ArgumentError(self.name, f"expected {self.expected}, found {spell(value)}")
        if self.several and not value:
            raise ArgumentError(self.name, "expected at least one value, found none")
        for entry in value if self.several else [value]:
            if not self.rule.accepts(entry):
                raise ArgumentError(self.name, f"expected {self.rule.expected}, found {spell(entry)}")


class ArgumentError(PidError):
    """An argument has a value that is not valid.

    Attributes:
        argument: its name.
        fault: what was expected and what was found.
    """

    def __init__(self, argument: str, fault: str) -> None:
        self.argument, self.fault = argument, fault
        super().__init__(f"{argument}: {fault}")

    def of_option(self) -> PidError:
        """The same about the option of the command line."""
        return PidError(f"--{self.argument.replace('_', '-')}: {self.fault}")


def setting(
    default: Any, meaning: str, rule: Rule, *, option: str | None = None, opposite: str = "", unset: str = ""
) -> Any:
    """A dataclass field that is a setting; the arguments are the attributes of `Setting`."""
    told = {"meaning": meaning, "rule": rule, "option": option, "opposite": opposite, "unset": unset}
    return field(default=default, metadata=told)


def settings_of(cls: type) -> dict[str, Setting]:
    """The settings of a dataclass by field name, in order."""
    found = {}
    for item in fields(cls):
        if item.metadata:
            option = item.metadata["option"] or item.name.replace("_", "-")
            found[item.name] = Setting(item.name, item.default, **(dict(item.metadata) | {"option": option}))
    return found


def spell(value: Any) -> str:
    """A value as one would type it: 7 for 7.0, words in backticks."""
    if isinstance(value, str):
        return f"`{value}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(short := f"{value:g}") == value:
        return short
    return str(value)


def count(number: int, noun: str) -> str:
    """A number and its noun, such as `1 run` or `3 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
