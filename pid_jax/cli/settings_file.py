"""Settings from a preset, a TOML file and the command line; later ones take precedence."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pid_jax.cli.options import OPTIONS
from pid_jax.config import PRESETS, SETTINGS, EstimatorConfig, make_config
from pid_jax.setting import TEXT, ArgumentError, Rule, one_of, spell
from pid_lvlm.data import PidError
from pid_lvlm.data.command.suggest import suggestion

OTHER_KEYS: Final[Mapping[str, Rule]] = {"preset": one_of(*PRESETS), "layers": TEXT}
"""What a settings file may hold besides the options of the estimator."""

KEYS: Final = (*OTHER_KEYS, *OPTIONS)
"""Every key of a settings file."""


def read_settings(path: Path) -> dict[str, Any]:
    """Settings of a TOML file, by the names of their options (`batch-size` or `batch_size`).

    Raises:
        PidError: there is no such file, it is not TOML, or it holds an unknown name or a value that is not valid.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise PidError(f"--settings: cannot read `{path}`: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PidError(f"--settings: `{path}` is not a TOML file: {error}") from error
    found = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in KEYS:
            raise PidError(f"--settings: `{path}` holds the unknown setting `{key}`; {suggestion(name, KEYS)}")
        found[name] = _checked(path, name, value)
    return found


def _checked(path: Path, name: str, value: Any) -> Any:
    several = name in OPTIONS and OPTIONS[name].several
    rule = OTHER_KEYS[name] if name in OTHER_KEYS else OPTIONS[name].rule
    values = value if several and isinstance(value, list) else [value]
    wrong = [entry for entry in values if not rule.accepts(entry)]
    if wrong or not values:
        expected = rule.expected + (", or a list of such" if several else "")
        raise PidError(
            f"--settings: `{path}`: `{name}`: expected {expected}, found {spell(wrong[0] if wrong else value)}"
        )
    return values if several else value


def make_settings(file: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[EstimatorConfig, str]:
    """The settings and the choice of layers.

    Args:
        file: from `read_settings`.
        line: what the command line gave, by option; None where it gave nothing.

    Raises:
        PidError: an unknown preset, or a value that is not valid; the message names the option.
    """
    given = {**file, **{name: value for name, value in line.items() if value is not None}}
    preset, layers = given.pop("preset", "default"), given.pop("layers", "all")
    try:
        for name, value in given.items():
            OPTIONS[name].check(value)
        base = make_config(preset)
    except ArgumentError as error:
        raise error.of_option() from error
    first, count = given.pop("seed", base.seeds[0]), given.pop("seeds", len(base.seeds))
    field_of = {setting.option: setting.name for setting in SETTINGS.values()}
    changes = {field_of[name]: value for name, value in given.items()}
    return make_config(preset, seeds=range(first, first + count), **changes), layers
