"""Training data in LLaVA's conversation JSON, as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import LlavaProcessor

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.datasets.errors import RowError
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.picture_cells import picture_source

IGNORED = -100
_HOLE = "\x00"
_ROLES = {"human": "user", "gpt": "assistant"}


class ConversationError(PidError):
    """A training record cannot be used; the message names it."""


@dataclass(frozen=True)
class Texts:
    """Tokenised conversations, padded on the right.

    Attributes:
        ids: Token ids, shape (conversations, positions).
        labels: The token that follows each position where an answer is predicted, `IGNORED` elsewhere.
        language: Whether a position holds the user's own text, not the template around it.
    """

    ids: Tensor
    labels: Tensor
    language: Tensor

    def __getitem__(self, rows: Tensor) -> Texts:
        return Texts(self.ids[rows], self.labels[rows], self.language[rows])


@dataclass(frozen=True)
class Conversations:
    """A training set.

    Attributes:
        texts: The conversations, with a place for the picture where there is one.
        bare: The same without the picture.
        pixels: Pictures, shape (conversations, 3, height, width), or None when no record has one.
        source: Index of each record's task, shape (conversations,). Noise statistics are kept per task.
        sources: Names of the tasks.
    """

    texts: Texts
    bare: Texts
    pixels: Tensor | None
    source: Tensor
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)


def prepare(records: Sequence[dict[str, Any]], processor: LlavaProcessor, images: Path | None = None) -> Conversations:
    """Tokenise conversations and load their pictures.

    Args:
        records: Records in LLaVA's format; `image` is a file name or a data URI, `task` is optional.
        processor: The processor of the model to train.
        images: Folder of the image files.

    Returns:
        The training set.

    Raises:
        ConversationError: If a record is malformed, or only a part of the records has pictures.
    """
    with_image = [record for record in records if "image" in record]
    if not records or len(with_image) not in (0, len(records)):
        found = f"{len(with_image)} of {len(records)} records have a picture"
        message = f"{found}; a stage needs at least one record, and all or none of them with a picture"
        raise ConversationError(message)
    sources = tuple(dict.fromkeys(str(record.get("task", "all")) for record in records))
    source = torch.tensor([sources.index(str(record.get("task", "all"))) for record in records])
    bare = _stack([_messages(record, image=False) for record in records], processor, 0)
    if not with_image:
        return Conversations(bare, bare, None, source, sources)
    crop = processor.image_processor.crop_size
    places = (crop["height"] // processor.patch_size) * (crop["width"] // processor.patch_size)
    places += processor.num_additional_image_tokens - (processor.vision_feature_select_strategy == "default")
    texts = _stack([_messages(record, image=True) for record in records], processor, places)
    pictures = [_picture(record, images) for record in records]
    pixels = processor.image_processor(images=pictures, return_tensors="pt")["pixel_values"]
    return Conversations(texts, bare, pixels, source, sources)


def _messages(record: dict[str, Any], image: bool) -> tuple[tuple[str, bool, str], ...]:
    """Turns of a record as (role, whether a picture comes first, text)."""
    try:
        turns = [(_ROLES[turn["from"]], str(turn["value"])) for turn in record["conversations"]]
    except (KeyError, TypeError) as error:
        message = f"record {record.get('id')!r}: expected turns with `from` human or gpt and `value`, got {error}"
        raise ConversationError(message) from None
    if not turns or turns[-1][0] != "assistant":
        message = f"record {record.get('id')!r}: the last turn should be the answer"
        raise ConversationError(message)
    return tuple((role, image and "<image>" in text, text.replace("<image>", "").strip()) for role, text in turns)


def _picture(record: dict[str, Any], images: Path | None) -> Image.Image:
    """The picture of a record."""
    try:
        return open_picture(picture_source(record["image"], images or Path()))
    except RowError as error:
        message = f"record {record.get('id')!r}: cannot read its picture: {error}"
        raise ConversationError(message) from None


def _stack(conversations: Sequence[tuple[tuple[str, bool, str], ...]], processor: LlavaProcessor, places: int) -> Texts:
    """Tokenise conversations, each distinct one once, and pad them."""
    distinct = {turns: index for index, turns in enumerate(dict.fromkeys(conversations))}
    rows = [_tokenise(turns, processor, places) for turns in distinct]
    width = max(len(ids) for ids, _, _ in rows)
    ids = torch.full((len(rows), width), processor.tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), IGNORED)
    language = torch.zeros((len(rows), width), dtype=torch.bool)
    for index, (tokens, targets, asked) in enumerate(rows):
        ids[index, : len(tokens)] = torch.tensor(tokens)
        labels[index, : len(tokens)] = torch.tensor(targets)
        language[index, : len(tokens)] = torch.tensor(asked)
    which = torch.tensor([distinct[turns] for turns in conversations])
    return Texts(ids[which], labels[which], language[which])


def _tokenise(
    turns: tuple[tuple[str, bool, str], ...], processor: LlavaProcessor, places: int
) -> tuple[list[int], list[int], list[bool]]:
    """Ids, next-token targets and the user's own text of one conversation."""
    messages = [
        {"role": role, "content": [{"type": "image"}] * image + [{"type": "text", "text": _HOLE}]}
        for role, image, _ in turns
    ]
    # The template with holes for the turns: an answer "A" must not be looked for in the word "ASSISTANT".
    pieces = processor.apply_chat_template(messages, tokenize=False).split(_HOLE)
    end_token = processor.tokenizer.eos_token
    rendered = ""
    spans: list[tuple[str, int, int]] = []
    for piece, (role, _, text) in zip(pieces, turns, strict=False):
        rendered += piece.replace("<image>", "<image>" * places)
        closing = len(end_token) if role == "assistant" else 0
        spans.append((role, len(rendered), len(rendered) + len(text) + closing))
        rendered += text
    encoded = processor.tokenizer(rendered + pieces[-1], return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]

    def inside(wanted: str) -> list[bool]:
        return [
            any(role == wanted and start <= first < last <= stop for role, start, stop in spans)
            for first, last in offsets
        ]

    answered = [*inside("assistant"), False]
    targets = [token if marked else IGNORED for token, marked in zip([*ids[1:], 0], answered[1:], strict=True)]
    return ids, targets, inside("user")
