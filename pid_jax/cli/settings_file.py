"""Settings from a preset, a TOML file and the command line: later ones win."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pid_jax.config import PRESETS, EstimatorConfig, field_of, make_config, nearest
from pid_lvlm.data import PidError

_NUMBER: Final = (int, float)
KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "preset": ((str,), "text"),
    "layers": ((str,), "text"),
    "tau": (_NUMBER, "a number, or a list of numbers"),
    "pooling": ((str,), "text, or a list of texts"),
    "seeds": ((int,), "an integer"),
    "seed": ((int,), "an integer"),
    "epochs": ((int,), "an integer"),
    "batch-size": ((int,), "an integer"),
    "learning-rate": (_NUMBER, "a number"),
    "hidden": ((int,), "an integer"),
    "hidden-layers": ((int,), "an integer"),
    "embedding": ((int,), "an integer"),
    "train-share": (_NUMBER, "a number"),
    "split": ((str,), "text"),
    "split-seed": ((int,), "an integer"),
    "fallback": ((str,), "text"),
    "drop-incomplete": ((bool,), "true or false"),
    "anchor": ((str,), "text"),
    "language-condition": ((str,), "text"),
    "sinkhorn-threshold": (_NUMBER, "a number"),
    "sinkhorn-sweeps": ((int,), "an integer"),
    "matmul-precision": ((str,), "text"),
}
"""Every setting by the name of its option: what a file may hold for it, and how to say so."""

LISTS: Final = ("tau", "pooling")
"""Settings with alternatives that are fitted side by side."""


def read_settings(path: Path) -> dict[str, Any]:
    """Settings of a TOML file, by the names of their options (`batch-size` or `batch_size`).

    Raises:
        PidError: no such file, no TOML, an unknown name or a wrong kind of value.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise PidError(f"--settings: cannot read `{path}`: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PidError(f"--settings: `{path}` is no TOML file: {error}") from error
    found = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in KINDS:
            raise PidError(f"--settings: `{path}` holds the unknown setting `{key}`{nearest(name, KINDS)}")
        found[name] = _checked(path, name, value)
    return found


def _checked(path: Path, name: str, value: Any) -> Any:
    kinds, expected = KINDS[name]
    values = value if name in LISTS and isinstance(value, list) else [value]
    if not values or not all(isinstance(one, kinds) and (bool in kinds or not isinstance(one, bool)) for one in values):
        raise PidError(f"--settings: `{path}`: `{name}` should be {expected}, found {value!r}")
    return values if name in LISTS else value


def make_settings(file: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[EstimatorConfig, str]:
    """The settings and the choice of layers.

    Args:
        file: from `read_settings`.
        line: what the command line gave, by option; None where it gave nothing.

    Raises:
        PidError: unknown preset, or a setting out of range.
    """
    given = {**file, **{name: value for name, value in line.items() if value is not None}}
    preset, layers = given.pop("preset", "default"), given.pop("layers", "all")
    base = PRESETS.get(preset, PRESETS["default"])
    first = given.pop("seed", base.seeds[0])
    count = given.pop("seeds", len(base.seeds))
    changes = {field_of(name): tuple(value) if name in LISTS else value for name, value in given.items()}
    return make_config(preset, seeds=tuple(range(first, first + count)), **changes), layers
