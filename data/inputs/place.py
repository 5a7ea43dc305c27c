"""Where a value is inside nested lists and mappings, in words."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import printable


def spell_place(place: Sequence[int | str]) -> str:
    """Where a value is.

    Example:
        >>> spell_place(["models", 2, "step"])
        'models[2].step'
    """
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + printable(part)
    return cut(text)


def find_place(value: Any, wanted: Callable[[Any], bool]) -> str:
    """Place of the first text or number, or key of a mapping, that is wanted; empty if none is."""
    return next((spell_place(place) for place, leaf in _leaves(value, ()) if wanted(leaf)), "")


def _leaves(value: Any, place: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*place, key), key
            yield from _leaves(child, (*place, key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _leaves(child, (*place, index))
    else:
        yield place, value


def is_half(value: Any) -> bool:
    """Whether a text has a lone surrogate, half of a character, which cannot be written."""
    return isinstance(value, str) and any("\ud800" <= mark <= "\udfff" for mark in value)
