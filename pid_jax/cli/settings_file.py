"""Settings from a preset, a TOML file and the command line; later ones take precedence."""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from annotated_types import MinLen

from pid_jax.cli.options import OPTIONS
from pid_jax.config import PRESETS, SETTINGS, EstimatorConfig, make_config
from pid_jax.setting import TEXT, ArgumentError, Rule, one_of
from pid_lvlm.data import PidError
from pid_lvlm.data.bounds import FIT_SEED
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, checked, shown
from pid_lvlm.data.inputs.text import TextError, parse_toml, read_text

OTHER_KEYS: Final[Mapping[str, Rule]] = {"preset": one_of(*PRESETS), "layers": TEXT}
"""Keys of a settings file in addition to the estimator options."""

KEYS: Final = (*OTHER_KEYS, *OPTIONS)
"""Every key of a settings file."""


def _schema() -> type:
    """A dataclass whose fields are the keys, with types from the rules of the options."""
    types: dict[str, Any] = {name: rule.annotation for name, rule in OTHER_KEYS.items()}
    for name, option in OPTIONS.items():
        one = option.rule.annotation
        types[name] = Annotated[tuple.__class_getitem__((one, ...)), MinLen(1)] if option.several else one
    fields = [(name.replace("-", "_"), kind, field(default=None)) for name, kind in types.items()]
    return make_dataclass("Settings", fields, frozen=True, namespace={"__pydantic_config__": STRICT})


SCHEMA: Final = _schema()


def read_settings(path: Path) -> dict[str, Any]:
    """Settings of a TOML file, by the names of their options (`batch-size` or `batch_size`).

    Raises:
        PidError: the file does not exist, is not TOML, or has an unknown name or an invalid value.
    """
    try:
        content = parse_toml(read_text(path))
    except FileNotFoundError:
        raise PidError(f"--settings: `{path}` does not exist; check the path") from None
    except TextError as error:
        raise PidError(f"--settings: `{path}` {error}") from None
    given: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name in given:
            raise PidError(f"--settings: `{path}` gives {shown(key)} twice; keep one")
        option = OPTIONS.get(name.replace("_", "-"))
        given[name] = [value] if option is not None and option.several and not isinstance(value, list) else value
    try:
        found: Any = checked(SCHEMA, given)
    except SchemaError as error:
        raise PidError(f"--settings: `{path}`: {error}") from None
    settings = {name.replace("_", "-"): getattr(found, name) for name in given}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def make_settings(file: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[EstimatorConfig, str]:
    """The settings and the choice of layers.

    Args:
        file: from `read_settings`.
        line: values from the command line, by option; None if not given.

    Raises:
        PidError: an unknown preset or an invalid value; the message names the option.
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
    if (last := first + count - 1) > FIT_SEED.most:
        raise PidError(
            f"--seed: {count} seeds from {first} end with {last}; the largest possible one is {FIT_SEED.most}"
        )
    field_of = {setting.option: setting.name for setting in SETTINGS.values()}
    changes = {field_of[name]: value for name, value in given.items()}
    return make_config(preset, seeds=range(first, first + count), **changes), layers
