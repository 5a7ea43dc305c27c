"""Which tokens a model would answer with: the option letters as its tokenizer really continues this prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.config import LETTERS_AUTO
from pid_lvlm.extract.errors import ModelError

SEPARATORS: Final = ("", " ")
"""A letter follows the prompt directly or after a space, as the tokenizer was trained to see it."""


@dataclass(frozen=True)
class Candidates:
    """Token ids of each option letter after the prompt, for one way of writing the letter.

    Attributes:
        separator: text between prompt and letter.
        ids: per letter its token ids, at least one.
    """

    separator: str
    ids: tuple[tuple[int, ...], ...]

    @property
    def first_ids(self) -> tuple[int, ...]:
        """First token of each letter."""
        return tuple(tokens[0] for tokens in self.ids)

    @property
    def longest(self) -> int:
        """Tokens of the letter that has most."""
        return max(map(len, self.ids))

    def describe(self) -> dict[str, Any]:
        """What the manifest records."""
        letters = dict(zip(OPTION_LETTERS, map(list, self.ids), strict=False))
        return {"separator": self.separator, "token_ids": letters}


def pinned_variants(variants: Sequence[Candidates], letters: str) -> tuple[Candidates, ...]:
    """The ways to write the letters that a setting of `LETTERS` allows.

    Raises:
        ModelError: the letters cannot follow this prompt in that way.
    """
    if letters == LETTERS_AUTO:
        return tuple(variants)
    wanted = {"plain": "", "space": " "}[letters]
    found = tuple(variant for variant in variants if variant.separator == wanted)
    if not found:
        other = "space" if letters == "plain" else "plain"
        message = (
            f"--letters {letters}: after this prompt the tokenizer has the option letters in one way only, which is "
            f"`{other}`; leave --letters out"
        )
        raise ModelError(message)
    return found


def candidate_variants(
    tokenize: Callable[[Sequence[str]], list[list[int]]], prompt: str, count: int
) -> tuple[Candidates, ...]:
    """Every distinct way in which the first `count` letters can follow `prompt`.

    Raises:
        ModelError: letters merge with the prompt's last token, so that they cannot be scored after it.
    """
    base = tokenize([prompt])[0]
    variants: dict[tuple[tuple[int, ...], ...], Candidates] = {}
    for separator in SEPARATORS:
        if separator and prompt.endswith(separator):
            continue  # the letter would follow two spaces
        extended = tokenize([prompt + separator + letter for letter in OPTION_LETTERS[:count]])
        if any(ids[: len(base)] != base or len(ids) == len(base) for ids in extended):
            continue
        tails = tuple(tuple(ids[len(base) :]) for ids in extended)
        if len(set(tails)) == count:
            variants.setdefault(tails, Candidates(separator, tails))
    if not variants:
        message = (
            f"the option letters merge with the end of the prompt ({prompt[-20:]!r}) or are unknown to the tokenizer; "
            "the prompt must end where an answer can start, without a trailing space: fix the checkpoint's "
            "chat template"
        )
        raise ModelError(message)
    return tuple(variants.values())
