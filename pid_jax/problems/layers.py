"""Which layers of a run are decomposed, from text and the run's manifest."""

import re
from typing import Any, Final, Literal, TypeAlias

from pid_jax.setting import ArgumentError, ArgumentTypeError, spell
from pid_lvlm.data import Manifest, PidError
from pid_lvlm.data.bounds import LAYERS

Layers: TypeAlias = tuple[int | Literal["last"], ...]
"""Requested layers; empty means all."""

SHOWN: Final = 100
"""Maximum number of layers listed in a message."""

_NUMBER: Final = re.compile("[0-9]{1,9}")


def parse_layers(text: Any) -> Layers:
    """Layers from `all`, `last` or a list such as `1,8,last`; empty means all.

    Raises:
        ArgumentError: it is none of these.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError("layers", f"expected text such as 1,8,last, found {spell(text)}")
    if text.strip() == "all":
        return ()
    words = [word.strip() for word in text.split(",", LAYERS.most)]
    if wrong := [word for word in words if word != "last" and not _NUMBER.fullmatch(word)]:
        found = "" if text.strip() == wrong[0] else f" with {spell(wrong[0])}"
        raise ArgumentError(
            "layers", f"expected `all`, `last` or a list such as `1,8,last`, found {spell(text)}{found}"
        )
    return tuple("last" if word == "last" else int(word) for word in words)


def select_layers(manifest: Manifest, layers: Layers) -> tuple[int, ...]:
    """The chosen layers of a run.

    Raises:
        PidError: the run lacks one.
    """
    recorded = manifest.layers
    if not layers:
        return recorded
    chosen = {recorded[-1] if layer == "last" else layer for layer in layers}
    if missing := sorted(chosen - set(recorded)):
        held = ", ".join(map(str, recorded[:SHOWN])) + (f", … {recorded[-1]}" if len(recorded) > SHOWN else "")
        raise PidError(f"run `{manifest.run}` has no layer `{missing[0]}`; it has {held}")
    return tuple(sorted(chosen))
