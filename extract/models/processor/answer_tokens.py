"""Which tokens a model would answer with: the option letters as its tokenizer encodes them after this prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.config import LETTERS_AUTO
from pid_lvlm.extract.errors import ModelError

SEPARATORS: Final = ("", " ")
"""A letter follows the prompt directly or after a space, depending on the tokenizer's training."""


@dataclass(frozen=True)
class Spelling:
    """Token ids of each option letter after the prompt, for one spelling of the letter.

    Attributes:
        separator: text between prompt and letter.
        ids: token ids per letter, at least one each.
    """

    separator: str
    ids: tuple[tuple[int, ...], ...]

    @property
    def first_ids(self) -> tuple[int, ...]:
        """First token of each letter."""
        return tuple(tokens[0] for tokens in self.ids)

    @property
    def longest(self) -> int:
        """Maximum number of tokens of a letter."""
        return max(map(len, self.ids))

    def describe(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        letters = dict(zip(OPTION_LETTERS, map(list, self.ids), strict=False))
        return {"separator": self.separator, "token_ids": letters}

    def listed(self, letters: str) -> str:
        """The token ids of these letters, for display."""
        pairs = zip(OPTION_LETTERS, self.ids, strict=False)
        tokens = (f"{letter} {'+'.join(map(str, ids))}" for letter, ids in pairs if letter in letters)
        return ", ".join(tokens) + (" (after a space)" if self.separator else "")


@dataclass(frozen=True)
class Candidates:
    """The spellings of the letters that count as answers; a letter's probability is the sum over its spellings.

    Attributes:
        spellings: one, or several whose letters are distinct single tokens.
    """

    spellings: tuple[Spelling, ...]

    @property
    def longest(self) -> int:
        """Maximum number of tokens of a letter."""
        return max(spelling.longest for spelling in self.spellings)

    def describe(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        described = [spelling.describe() for spelling in self.spellings]
        return described[0] if len(described) == 1 else {"spellings": described}

    def listed(self, letters: str = OPTION_LETTERS) -> str:
        """The token ids of these letters, for display."""
        return " and ".join(one.listed(letters) for one in self.spellings) + " (token ids)"


def chosen_spellings(spellings: Sequence[Spelling], letters: str) -> Candidates:
    """The spellings that a setting of `LETTERS` counts.

    `auto` depends only on the tokenizer and the prompt, so it is the same for all checkpoints of a training and for
    every dataset: the letter with and without a space before it, if both are single tokens; otherwise the spelling with
    fewer tokens.

    Args:
        spellings: all possible ones after the prompt, at least one.
        letters: the setting.

    Raises:
        ModelError: the letters cannot follow this prompt in that way.
    """
    if letters == LETTERS_AUTO:
        shortest = min(spellings, key=lambda one: sum(map(len, one.ids)))
        single = [one for one in spellings if one.longest == 1]
        tokens = [token for one in single for token in one.first_ids]
        return Candidates(tuple(single) if single and len(set(tokens)) == len(tokens) else (shortest,))
    wanted = {"plain": "", "space": " "}[letters]
    found = tuple(spelling for spelling in spellings if spelling.separator == wanted)
    if not found:
        other = "space" if letters == "plain" else "plain"
        message = (
            f"--letters {letters}: after this prompt the tokenizer has only one spelling of the option letters, "
            f"`{other}`; leave --letters out"
        )
        raise ModelError(message)
    return Candidates(found)


def letter_spellings(
    tokenize: Callable[[Sequence[str]], list[list[int]]], prompt: str, count: int
) -> tuple[Spelling, ...]:
    """All distinct ways in which the first `count` letters can follow `prompt`.

    Raises:
        ModelError: letters merge with the prompt's last token, so they cannot be scored after it.
    """
    base = tokenize([prompt])[0]
    spellings: dict[tuple[tuple[int, ...], ...], Spelling] = {}
    for separator in SEPARATORS:
        if separator and prompt.endswith(separator):
            continue  # the letter would follow two spaces
        extended = tokenize([prompt + separator + letter for letter in OPTION_LETTERS[:count]])
        if any(ids[: len(base)] != base or len(ids) == len(base) for ids in extended):
            continue
        tails = tuple(tuple(ids[len(base) :]) for ids in extended)
        if len(set(tails)) == count:
            spellings.setdefault(tails, Spelling(separator, tails))
    if not spellings:
        message = (
            f"the option letters merge with the end of the prompt ({prompt[-20:]!r}) or are unknown to the tokenizer; "
            "the prompt must end where an answer can start, without a trailing space: fix the checkpoint's "
            "chat template"
        )
        raise ModelError(message)
    return tuple(spellings.values())
