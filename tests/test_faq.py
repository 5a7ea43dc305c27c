"""The FAQ quotes messages: each must still be one that the code prints."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests import ROOT

QUOTE = re.compile(r"^> `` (.*) ``$", re.MULTILINE)
LEAST = 12
"""Letters that a text of the code must have to count as a message: `{a}: {b}` would be anything."""


def quotes() -> list[str]:
    return QUOTE.findall((ROOT / "docs" / "faq.md").read_text(encoding="utf-8"))


def texts(node: ast.AST) -> Iterator[list[str | None]]:
    """Every text of the code, in pieces; None for what it is filled with."""
    if isinstance(node, ast.JoinedStr):
        pieces = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
        yield [*pieces, None] if (pieces[-1] or "").endswith(" ") else pieces  # continued elsewhere
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield [node.value]
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


@cache
def messages() -> list[list[str | None]]:
    """Every text in the code that may be a message."""
    packages = ("data", "extract", "pid_jax", "pid_lvlm", "analysis")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    found = [pieces for path in files for pieces in texts(ast.parse(path.read_text(encoding="utf-8")))]
    return [pieces for pieces in found if sum(len(piece) for piece in pieces if piece) >= LEAST]


def is_printed(quote: str) -> bool:
    for pieces in messages():
        if all(piece is None or piece in quote for piece in pieces):
            pattern = "".join(".+" if piece is None else re.escape(piece) for piece in pieces)
            if re.fullmatch(pattern, quote):
                return True
    return False


@pytest.mark.parametrize("quote", quotes())
def test_every_message_quoted_is_one_of_the_code(quote):
    assert is_printed(quote)


def test_a_message_that_nothing_prints_is_noticed():
    assert not is_printed("out of memory at batch size …; buy a larger machine")
    assert len(quotes()) > 30
