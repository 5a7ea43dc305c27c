"""Encode one batch: open pictures, encode prompts, locate spans."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import recursively_apply
from PIL import Image
from torch import Tensor

from pid_lvlm.extract.conditions.sites import SpanMasks
from pid_lvlm.extract.conditions.transfer import moved
from pid_lvlm.extract.datasets.errors import RowError
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.same_picture import Leaders, Rows, row_inputs, rows_by_picture
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.models.processor.picture_sizes import PLAIN_SIZE
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, too_long

Prepare = Callable[[Sequence[str], Sequence[Image.Image]], ModelInputs]
"""An adapter's `encode` or `process`."""


class BadItemError(ModelError):
    """The model cannot process an item. `reason` says what is wrong with it."""

    def __init__(self, item: Item, reason: str) -> None:
        self.reason = reason
        super().__init__(f"item {item.id!r} (row {item.row}): {reason}")
        self.item = item

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickling: its arguments, not its text."""
        return type(self), (self.item, self.reason), self.__dict__


class RefusedPictureError(BadItemError):
    """The processor rejects the picture of an item."""


class TooLongError(BadItemError):
    """The prompt of an item, with its picture, is too long for the model."""


@dataclass(frozen=True)
class Batch:
    """Encoded items.

    Attributes:
        ids: sample ids.
        inputs: model inputs with pictures already encoded by the vision part.
        masks: the two spans, (batch, tokens) each.
        leaders: one row per picture, if several rows share a picture and the family can use that.
    """

    ids: tuple[str, ...]
    inputs: ModelInputs
    masks: SpanMasks
    leaders: Leaders | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        move = partial(recursively_apply, lambda tensor: moved(tensor, device))
        masks = SpanMasks(move(self.masks.vision), move(self.masks.language), move(self.masks.others))
        leaders = None if self.leaders is None else replace(self.leaders, inputs=move(self.leaders.inputs))
        return Batch(self.ids, move(self.inputs), masks, leaders)

    @property
    def nbytes(self) -> int:
        """Memory of its tensors; tensors shared by several parts count several times."""
        sizes: list[int] = []
        leading = {} if self.leaders is None else self.leaders.inputs
        recursively_apply(lambda tensor: sizes.append(tensor.nbytes), [self.inputs, leading, vars(self.masks)])
        return sum(sizes)


@dataclass(frozen=True)
class HostBatch:
    """Processor outputs for items, on the host.

    Attributes:
        inputs: inputs of all items, or of one per picture if there are `rows`.
        rows: which items share a picture, if any do and the family can use that.
    """

    inputs: ModelInputs
    rows: Rows | None = None


def host_inputs(adapter: Adapter, items: Sequence[PlannedItem], share: bool = True) -> HostBatch:
    """Processed prompts and pictures, on the host: the part of encoding that does not use the device.

    A picture shared by several items is decoded once; with `share` it is also processed once, if the family can use
    that.

    Raises:
        BadItemError: a picture can no longer be read, or the processor rejects it.
        ModelError: the processor accepts no pictures, or does not fit the model.
    """
    rows = rows_by_picture(adapter, items) if share else None
    if rows is not None:
        items = [items[row] for row in rows.leaders]
    pictures: dict[Path | bytes, Image.Image] = {}
    for planned in items:
        if planned.item.picture not in pictures:
            pictures[planned.item.picture] = item_picture(planned.item)
    inputs = prepared(adapter, adapter.process, items, [pictures[planned.item.picture] for planned in items])
    return HostBatch(inputs, rows)


def item_picture(item: Item) -> Image.Image:
    """The picture of an item, decoded.

    Raises:
        BadItemError: its file has changed since the dataset was read.
    """
    try:
        return item.image()
    except RowError as error:
        raise BadItemError(item, str(error)) from None


def encode_batch(adapter: Adapter, items: Sequence[PlannedItem], host: HostBatch | None = None) -> Batch:
    """Encode prompts and pictures; the vision part runs here, once for all conditions.

    Args:
        adapter: the adapter.
        items: the items.
        host: the result of `host_inputs` for them, if already computed.

    Raises:
        ModelError: a span is not where the plan found it, the two overlap, BOS occurs twice, or the processor rejects a
            picture.
    """
    host = host_inputs(adapter, items) if host is None else host
    inputs = adapter.to_device(host.inputs)
    if host.rows is None:
        return _encoded(adapter, items, inputs)
    leading = _encoded(adapter, [items[row] for row in host.rows.leaders], inputs)
    starts = leading.masks.language.int().argmax(dim=1).tolist()
    leaders = Leaders(leading.inputs, tuple(starts), host.rows.leader_of)
    with model_code(adapter):
        inputs = row_inputs(adapter, host.rows, leading.inputs, starts, leading.masks.vision)
        vision = adapter.visual_mask(inputs)
    check_lengths(adapter, inputs, vision, items)
    masks = SpanMasks(vision, _language_mask(inputs, items))
    return Batch(tuple(p.item.id for p in items), inputs, masks, leaders)


def _encoded(adapter: Adapter, items: Sequence[PlannedItem], inputs: ModelInputs) -> Batch:
    """Every item with its own picture."""
    with model_code(adapter):
        vision = adapter.visual_mask(inputs)
    _check_bos(adapter, inputs, items)
    check_lengths(adapter, inputs, vision, items)
    language = _language_mask(inputs, items)
    overlap = adapter.picture_in_tokens and bool((vision & language).any())
    if overlap or not bool(vision.any(dim=1).all()):
        message = "the visual span is empty or overlaps the language span; the adapter's visual mask is wrong"
        raise ModelError(message)
    with model_code(adapter):
        masks = SpanMasks(vision, language, adapter.other_masks(inputs))
        return Batch(tuple(p.item.id for p in items), adapter.encode_pictures(inputs), masks)


def _language_mask(inputs: ModelInputs, items: Sequence[PlannedItem]) -> Tensor:
    """Positions of the user's text.

    Raises:
        ModelError: one is not where the plan found it.
    """
    ids = inputs["input_ids"]
    language = torch.zeros_like(ids, dtype=torch.bool)
    on_host = ids.tolist()  # in one transfer: each waits for the GPU
    for row, planned in enumerate(items):
        start, end = planned.span.bounds(ids.shape[1])
        if start < 0 or tuple(on_host[row][start:end]) != planned.span.ids:
            message = (
                f"item {planned.item.id!r}: expanding the picture moved the language span; the model needs an adapter"
            )
            raise ModelError(message)
        language[row, start:end] = True
    return language


def check_lengths(adapter: Adapter, inputs: ModelInputs, vision: Tensor, items: Sequence[PlannedItem]) -> None:
    """Check that every prompt with its picture fits into the model's context.

    Args:
        adapter: the adapter.
        inputs: processor outputs for the items.
        vision: (batch, tokens) positions of the pictures.
        items: the items.

    Raises:
        TooLongError: names the first item that does not fit.
    """
    context = adapter.context
    if context is None:
        return
    totals = inputs["attention_mask"].sum(dim=1).tolist()
    if max(totals) <= context:
        return
    for planned, total, picture in zip(items, totals, vision.sum(dim=1).tolist(), strict=True):
        if total > context:
            item = planned.item
            text = total - picture + (1 if picture else 0)
            raise TooLongError(item, too_long(text, picture, context))


def prepared(
    adapter: Adapter,
    prepare: Prepare,
    items: Sequence[PlannedItem],
    pictures: Sequence[Image.Image],
) -> ModelInputs:
    """Call an adapter's `encode` or `process` on items.

    Args:
        adapter: the adapter.
        prepare: its `encode` or `process`.
        items: the items.
        pictures: their pictures.

    Raises:
        ModelError: the processor rejects one item's picture; names the item.
        MisfitError: the processor of an untested adapter fails in another way.
    """
    with model_code(adapter):
        return _prepared(prepare, items, pictures)


def _prepared(
    prepare: Prepare,
    items: Sequence[PlannedItem],
    pictures: Sequence[Image.Image],
) -> ModelInputs:
    try:
        return prepare([planned.prompt for planned in items], pictures)
    except ValueError:
        for planned, picture in zip(items, pictures, strict=True):
            try:
                prepare([planned.prompt], [picture])
            except ValueError as error:
                raise _refused_picture(prepare, planned, picture, first_line(error)) from error
        raise


def _refused_picture(prepare: Prepare, planned: PlannedItem, picture: Image.Image, reason: str) -> ModelError:
    """The error about an item's picture, or about the processor if it rejects even a plain picture."""
    try:
        prepare([planned.prompt], [Image.new("RGB", PLAIN_SIZE, "grey")])
    except ValueError:
        return ModelError(
            f"the model's processor cannot prepare any picture ({reason}); are the files of its processor damaged?"
        )
    size = f"{picture.width} × {picture.height} pixels"
    return RefusedPictureError(
        planned.item, f"the model's processor cannot prepare its picture of {size} ({reason}); leave the item out"
    )


def encode_text_only(adapter: Adapter, items: Sequence[PlannedItem]) -> ModelInputs:
    """The same conversations without pictures.

    Raises:
        ModelError: a prompt without an image has image tokens, or BOS occurs twice.
    """
    with model_code(adapter):
        inputs = adapter.encode([planned.text_only_prompt for planned in items], None)
        visual = bool(adapter.visual_mask(inputs).any())
    _check_bos(adapter, inputs, items)
    if visual:
        message = "the processor writes image tokens for a prompt without an image; the model needs an adapter"
        raise ModelError(message)
    return inputs


def _check_bos(adapter: Adapter, inputs: ModelInputs, items: Sequence[PlannedItem]) -> None:
    """Chat template, tokenizer and processor may each add BOS; once is enough. The text itself may contain more."""
    bos = adapter.tokenizer.bos_token_id
    if bos is None:
        return
    ids = inputs["input_ids"].where(inputs["attention_mask"].bool(), -1).cpu()
    for row, planned in zip(ids, items, strict=True):
        count = int((row[: planned.span.bounds(len(row))[0]] == bos).sum())
        if count > 1:
            message = f"the prompt contains the BOS token {count} times; its chat template needs an adapter"
            raise ModelError(message)
