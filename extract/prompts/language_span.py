"""The language span: which tokens of a prompt are the user's text, found without knowing the chat template.

The prompt is rendered again with two sentinel texts in place of the user's. Tokens that all three renderings share
at the start and at the end belong to the template; the rest is the span. There are two sentinels, since one could
begin or end like the text itself. Spans are counted from the end of the prompt, so that neither the picture's
expansion nor left padding moves them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from pid_lvlm.extract.config import SPAN_ALL
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.prompts.templates import UserText

SENTINELS: Final = ("Zebra 7 quix", "meow, 0 jump!")
"""Texts that share neither their first nor their last characters."""

Tokenize = Callable[[Sequence[str]], list[list[int]]]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Span:
    """A run of tokens, counted from the end of a prompt.

    Attributes:
        ids: token ids of the span.
        tail: tokens after it.
    """

    ids: tuple[int, ...]
    tail: int

    def bounds(self, total: int) -> tuple[int, int]:
        """Start and end (exclusive) in a sequence of `total` tokens that ends with the prompt."""
        end = total - self.tail
        return end - len(self.ids), end


class SpanFinder:
    """Finds the language spans of one model's prompts.

    Args:
        render: user text -> whole prompt.
        tokenize: prompts -> token ids, without expanding the picture's placeholder.
        decode: token ids -> text, without special tokens.
        setting: `all` of the user's text, or `question_options`.
    """

    def __init__(self, render: Callable[[str], str], tokenize: Tokenize, decode: Decode, setting: str) -> None:
        self._render = render
        self._tokenize = tokenize
        self._decode = decode
        self._setting = setting
        self._frames: dict[tuple[str, str], list[list[int]]] = {}

    def find(self, texts: Sequence[UserText], prompts: Sequence[Sequence[int]]) -> list[Span]:
        """Spans of texts in their tokenised prompts.

        Args:
            texts: the user's texts in their parts.
            prompts: token ids of the rendered prompts.

        Raises:
            ModelError: a span is empty, or decodes to something other than the text.
        """
        parts = [self._parts(text) for text in texts]
        bodies = [body for _, body, _ in parts]
        spans = [
            _span(ids, self._frame_ids(before, after)) for (before, _, after), ids in zip(parts, prompts, strict=True)
        ]
        for span, body, ids in zip(spans, bodies, self._tokenize(bodies), strict=True):
            self._check(span, body, ids)
        return spans

    def _parts(self, text: UserText) -> tuple[str, str, str]:
        if self._setting == SPAN_ALL:
            return "", text.full, ""
        return text.before, text.core, text.after

    def _frame_ids(self, before: str, after: str) -> list[list[int]]:
        """Prompts with the sentinels in place of the text; the same for all items unless the frame contains a hint."""
        key = (before, after)
        if key not in self._frames:
            self._frames[key] = self._tokenize([self._render(before + sentinel + after) for sentinel in SENTINELS])
        return self._frames[key]

    def _check(self, span: Span, body: str, ids: Sequence[int]) -> None:
        """Check that the span decodes to the text. Both go through the tokenizer, which may change case or spaces."""
        expected = _squeezed(self._decode(ids))
        found = _squeezed(self._decode(span.ids))
        if not found or expected not in found:
            message = (
                f"the language span was not found in the prompt: expected {body[:60]!r}, "
                f"the tokens there read {self._decode(span.ids)[:60]!r}; this chat template needs its own adapter"
            )
            raise ModelError(message)


def _span(ids: Sequence[int], frames: Sequence[Sequence[int]]) -> Span:
    """The part between the ends that a prompt shares with all frames."""
    start = min(common_prefix(ids, frame) for frame in frames)
    tail = min(common_prefix(ids[::-1], frame[::-1]) for frame in frames)
    tail = min(tail, len(ids) - start)
    return Span(tuple(ids[start : len(ids) - tail]), tail)


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common prefix of two sequences."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _squeezed(text: str) -> str:
    return "".join(text.split())
