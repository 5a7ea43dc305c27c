"""The estimator options of `pid-estimate`, also keys of settings files; derived from the settings."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

import typer

from pid_jax.config import PRESETS, SETTINGS, EstimatorConfig
from pid_jax.setting import Rule, Setting, check_entries, integer
from pid_lvlm.data.bounds import FIT_SEED, SEEDS

PANEL: Final = "Estimator settings (by default the preset's)"

METAVARS: Final = {int: "N", float: "NUMBER", str: "NAME"}
WIDEST_METAVAR: Final = 13
"""Maximum width of the value column on a terminal of 80 columns."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: without leading dashes, as in settings files.
        meaning: what it is, in a phrase.
        rule: valid values.
        value_in: the value of an `EstimatorConfig`.
        several: whether it may be repeated.
        opposite: the option that switches a switch off.
        unset: what it means to give no value.
    """

    name: str
    meaning: str
    rule: Rule
    value_in: Callable[[EstimatorConfig], Any]
    several: bool = False
    opposite: str = ""
    unset: str = ""

    @classmethod
    def of(cls, setting: Setting) -> "Option":
        """The option of a setting with its own option."""
        return cls(
            setting.option,
            setting.meaning,
            setting.rule,
            lambda config: getattr(config, setting.name),
            setting.several,
            setting.opposite,
            setting.unset,
        )

    @property
    def parameter(self) -> str:
        """Name of the command's parameter."""
        return self.name.replace("-", "_")

    @property
    def choices_fit(self) -> bool:
        """Whether the valid names are short enough to be the placeholder in `--help`."""
        return 0 < len("|".join(self.rule.choices)) <= WIDEST_METAVAR

    @property
    def metavar(self) -> str | None:
        """The placeholder of the value in `--help`; None for a switch."""
        if self.opposite:
            return None
        return "|".join(self.rule.choices) if self.choices_fit else METAVARS[self.rule.kind]

    @property
    def help(self) -> str:
        """The line of `--help`: meaning, range, and the value in each preset if they differ."""
        text = self.meaning[0].upper() + self.meaning[1:]
        if self.rule.choices and not self.choices_fit:
            text += f" ({self.rule.expected})"
        if self.several:
            text += "; repeat to compare"
        default, *others = ((name, self._shown(config)) for name, config in PRESETS.items())
        shown = [default[1], *(f"{name} {value}" for name, value in others if value != default[1])]
        return f"{text}.  [preset: {', '.join(shown)}]"

    def _shown(self, config: EstimatorConfig) -> str:
        value = self.value_in(config)
        if value is None:
            return self.unset
        if isinstance(value, bool):
            return "yes" if value else "no"
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

    def annotation(self) -> Any:
        """The type of the command's parameter, including its help."""
        kind: Any = self.rule.kind
        if self.several:
            kind = list[kind]
        elif self.rule.choices:
            kind = Literal.__getitem__(self.rule.choices)
        names = (f"--{self.name}/--{self.opposite}",) if self.opposite else ()
        return Annotated[kind | None, typer.Option(*names, metavar=self.metavar, help=self.help, rich_help_panel=PANEL)]

    def check(self, value: Any) -> None:
        """Check a value, or each of several.

        Raises:
            ArgumentError: it is not valid; `argument` is the option's name.
        """
        check_entries(self.name, value if self.several else [value], self.rule)


def _options() -> list[Option]:
    found = []
    for setting in SETTINGS.values():
        if setting.name == "seeds":  # on the command line: the number of seeds and the first one
            found += [
                Option(
                    "seeds", "number of seeds, counted from --seed", integer(1, SEEDS), lambda config: len(config.seeds)
                ),
                Option("seed", "first seed", integer(0, FIT_SEED), lambda config: config.seeds[0]),
            ]
        else:
            found.append(Option.of(setting))
    return found


OPTIONS: Final = {option.name: option for option in _options()}
"""Every option that sets the estimator, by name."""


def with_settings(before: str) -> Callable[[Function], Function]:
    """A decorator that replaces a command's `**settings` by the estimator options.

    Args:
        before: the parameter before which they appear in `--help`.
    """

    def decorate(function: Function) -> Function:
        given = inspect.signature(function).parameters.values()
        parameters = [item for item in given if item.kind is not inspect.Parameter.VAR_KEYWORD]
        place = [item.name for item in parameters].index(before)
        parameters[place:place] = [
            inspect.Parameter(
                option.parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option.annotation()
            )
            for option in OPTIONS.values()
        ]
        keyword = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in parameters]
        vars(function)["__signature__"] = inspect.Signature(keyword)
        function.__annotations__ = {item.name: item.annotation for item in keyword} | {"return": None}
        return function

    return decorate
