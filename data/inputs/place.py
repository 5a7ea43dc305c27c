"""Describes where a value is inside nested lists and mappings."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import printable


def spell_place(place: Sequence[int | str]) -> str:
    """The location of a value.

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
    """Location of the first text, number or mapping key that matches; empty if none does."""
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
    """Whether a text contains a lone surrogate, half of a character, which cannot be encoded."""
    return isinstance(value, str) and any("\ud800" <= mark <= "\udfff" for mark in value)
