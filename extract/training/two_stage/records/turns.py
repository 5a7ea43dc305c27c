"""Parses one record in LLaVA's conversation format into checked turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import ITEM_TEXT
from pid_lvlm.data.command.shown import count as counted
from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.picture_cells import picture_source
from pid_lvlm.extract.training.two_stage.errors import RecordError

USER, ASSISTANT = "user", "assistant"
ROLES: Final = {"human": USER, "gpt": ASSISTANT}
"""Speakers in LLaVA's files -> roles of chat templates."""
PLACEHOLDER: Final = "<image>"


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: `user` or `assistant`.
        text: the text, without the picture's placeholder and surrounding white space.
        picture: whether the picture comes before the text.
    """

    role: str
    text: str
    picture: bool = False


@dataclass(frozen=True)
class Conversation:
    """A record that can be trained on.

    Attributes:
        turns: alternating user and assistant turns, starting with the user and ending with an answer.
        picture: path or encoded bytes of its picture; None for a record of text.
    """

    turns: tuple[Turn, ...]
    picture: Path | bytes | None


def read_conversation(raw: Any, images: Path) -> Conversation:
    """Check one record.

    A first turn of `gpt` is dropped, as in LLaVA's own reader: it answers nothing. The picture is placed before the
    text of its turn, wherever the placeholder is.

    Args:
        raw: the record as parsed from the file.
        images: where relative paths of pictures start.

    Raises:
        RecordError: says what is wrong.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("conversations"), list):
        raise RecordError("should be an object with a list `conversations`")
    said = [_turn(turn, number) for number, turn in enumerate(raw["conversations"], start=1)]
    if said and said[0].role == ASSISTANT:
        said = said[1:]
    _check_order(said)
    has_picture = raw.get("image") is not None
    _check_placeholders(sum(_count(turn) for turn in raw["conversations"]), said, has_picture)
    if has_picture and not any(turn.picture for turn in said):
        raise RecordError(f"has `image`, and its placeholder {PLACEHOLDER} is not in a turn of human")
    return Conversation(tuple(said), _picture(raw["image"], images) if has_picture else None)


def _count(turn: Mapping[str, Any]) -> int:
    found: int = turn["value"].count(PLACEHOLDER)
    return found


def _turn(turn: Any, number: int) -> Turn:
    if not isinstance(turn, Mapping) or not {"from", "value"} <= {*turn}:
        raise RecordError(f"turn {number} should have `from` and `value`, found {shown(turn)}")
    who, text = turn["from"], turn["value"]
    if not isinstance(who, str) or who not in ROLES:
        raise RecordError(unknown_name(f"turn {number} has the unknown role", str(who), ROLES))
    if not isinstance(text, str):
        raise RecordError(f"`value` of turn {number} should be text, found {shown(text)}")
    if len(text) > ITEM_TEXT.most:
        raise RecordError(f"turn {number} has {len(text):,} characters; at most {ITEM_TEXT.most:,} are read")
    plain = text.replace(PLACEHOLDER, "").strip()
    return Turn(ROLES[who], plain, PLACEHOLDER in text and who == "human")


def _check_order(said: list[Turn]) -> None:
    if not said:
        raise RecordError("has no turns; expected a question of human and an answer of gpt")
    for number, turn in enumerate(said, start=1):
        if turn.role != (USER if number % 2 else ASSISTANT):
            raise RecordError(f"turn {number} follows one of the same role; human and gpt should alternate")
        if not turn.text and turn.role == ASSISTANT:
            raise RecordError(f"the answer in turn {number} is empty")
        if not turn.text and not turn.picture:
            raise RecordError(f"the question in turn {number} is empty")
    if said[-1].role != ASSISTANT:
        raise RecordError("ends with a question; the last turn should be an answer of gpt")


def _check_placeholders(count: int, said: list[Turn], has_picture: bool) -> None:
    expected = int(has_picture)
    if count != expected:
        why = "and has `image`" if has_picture else "and has no `image`"
        times = counted(count, "time")
        raise RecordError(f"has the placeholder {PLACEHOLDER} {times} {why}; expected {expected}")


def _picture(cell: Any, images: Path) -> Path | bytes:
    try:
        return picture_source(cell, images)
    except RowError as error:
        if error.reason == Reason.SEVERAL_PICTURES:
            raise RecordError("has several pictures in `image`; only records with one picture are supported") from None
        if error.reason == Reason.NO_PICTURE and not str(cell).strip():
            raise RecordError("has an empty `image`; a record of text should have no such key") from None
        raise RecordError(cut(str(error), 400).replace("; check the column or pass --images", "")) from None
