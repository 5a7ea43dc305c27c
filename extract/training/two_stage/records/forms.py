"""Formats a conversation: LLaVA's two forms, or the checkpoint's own chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.training.two_stage.errors import RecipeError, RecordError
from pid_lvlm.extract.training.two_stage.records.turns import ASSISTANT, USER, Turn

VICUNA_SYSTEM: Final = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
"""System text at the start of every LLaVA-1.5 conversation (`conv_vicuna_v1` of its `llava/conversation.py`)."""
_HOLE: Final = "\x00"
_KEPT: Final = 1000


@dataclass(frozen=True)
class Written:
    """A conversation as text.

    Attributes:
        text: the whole text, with one placeholder of the processor for the picture.
        answers: start and end (exclusive) of each answer in characters, including its end mark.
        asked: the same for the user's own texts.
    """

    text: str
    answers: tuple[tuple[int, int], ...]
    asked: tuple[tuple[int, int], ...]


Writer = Callable[[Sequence[Turn], Any], Written]
"""Takes turns and the processor of the model."""


def plain(turns: Sequence[Turn], processor: Any) -> Written:
    """The picture, then its caption and a line end: the question is left out, as in LLaVA's first stage.

    Raises:
        RecordError: it is not one question about a picture with its answer.
    """
    if len(turns) != 2 or not turns[0].picture:
        raise RecordError('should be one question about a picture and one answer, as `conversation = "plain"` needs')
    mark = processor.image_token
    answer = turns[1].text + "\n"
    return Written(mark + answer, ((len(mark), len(mark) + len(answer)),), ())


def vicuna(turns: Sequence[Turn], processor: Any) -> Written:
    """LLaVA-1.5's form: its system text, `USER: … ASSISTANT: …</s>`, without a space after the end mark."""
    pieces = _Pieces()
    pieces.add(VICUNA_SYSTEM + " ")
    for turn in turns:
        if turn.role == USER:
            pieces.add("USER: " + (f"{processor.image_token}\n" if turn.picture else ""))
            pieces.add(turn.text, USER)
            pieces.add(" ")
        else:
            pieces.add("ASSISTANT: ")
            pieces.add(turn.text + processor.tokenizer.eos_token, ASSISTANT)
    return pieces.written()


def chat(turns: Sequence[Turn], processor: Any) -> Written:
    """The form of the checkpoint's chat template, which the extraction also uses.

    The template is rendered with holes for the texts: searching for an answer "A" could match the word "ASSISTANT".

    Raises:
        RecipeError: the template fails, changes the texts, or does not close answers with a special token.
    """
    around = _around(tuple((turn.role, turn.picture) for turn in turns), processor)
    pieces = _Pieces()
    pieces.add(around[0])
    for turn, after in zip(turns, around[1:], strict=True):
        end = _end_mark(after, processor.tokenizer) if turn.role == ASSISTANT else ""
        pieces.add(turn.text + end, turn.role)
        pieces.add(after[len(end) :])
    return pieces.written()


_AROUND: Final[dict[Any, list[str]]] = {}
"""Cache of the text around turns, by template and kinds of turns: rendering is slow."""


def _around(kinds: tuple[tuple[str, bool], ...], processor: Any) -> list[str]:
    """The text of a chat template before, between and after turns with these roles and pictures."""
    key = (str(processor.chat_template), str(processor.tokenizer.special_tokens_map), kinds)
    if key in _AROUND:
        return _AROUND[key]
    messages = [
        {"role": role, "content": [{"type": "image"}] * picture + [{"type": "text", "text": _HOLE}]}
        for role, picture in kinds
    ]
    try:
        around: list[str] = processor.apply_chat_template(messages, tokenize=False).split(_HOLE)
    except Exception as error:  # a template can raise anything its operators and filters can
        message = f"the chat template cannot write a conversation with answers ({first_line(error).rstrip('.')})"
        raise RecipeError(f'{message}; set `conversation = "vicuna"`') from None
    if len(around) != len(kinds) + 1:
        raise RecipeError('the chat template does not write every turn once; set `conversation = "vicuna"`')
    if len(_AROUND) >= _KEPT:
        _AROUND.clear()
    return _AROUND.setdefault(key, around)


def _end_mark(after: str, tokenizer: Any) -> str:
    """The special token that closes an answer, with any preceding white space."""
    start = len(after) - len(after.lstrip())
    for token in sorted(tokenizer.all_special_tokens, key=len, reverse=True):
        if after.startswith(token, start):
            return after[: start + len(token)]
    message = (
        "the chat template does not close answers with a special token, so a model could not learn to stop; "
        'set `conversation = "vicuna"` or change the checkpoint\'s template'
    )
    raise RecipeError(message)


class _Pieces:
    """Builds a text and records where its answers and questions are."""

    def __init__(self) -> None:
        self.text = ""
        self.spans: dict[str, list[tuple[int, int]]] = {USER: [], ASSISTANT: []}

    def add(self, text: str, role: str | None = None) -> None:
        if role is not None:
            self.spans[role].append((len(self.text), len(self.text) + len(text)))
        self.text += text

    def written(self) -> Written:
        return Written(self.text, tuple(self.spans[ASSISTANT]), tuple(self.spans[USER]))


FORMS: Final[dict[str, Writer]] = {"chat": chat, "vicuna": vicuna, "plain": plain}
"""Values of `conversation` in a recipe."""
