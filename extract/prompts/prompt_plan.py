"""Plans one run: prompts, spans, candidates, shards and batches, all fixed before the first forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.config import LETTERS_AUTO
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates, chosen_spellings
from pid_lvlm.extract.prompts.language_span import Span, SpanFinder
from pid_lvlm.extract.prompts.picture_tokens import expected_picture_tokens
from pid_lvlm.extract.prompts.templates import get_template

THINKING: Final = "<think>"
"""How chat templates open a thinking block."""


@dataclass(frozen=True)
class PlannedItem:
    """An item with its prompts.

    Attributes:
        item: the item.
        text: the user's text.
        prompt: rendered prompt with the picture's placeholder.
        text_only_prompt: the same conversation without the picture.
        span: the language span of `prompt`.
        tokens: length of `prompt` before the picture's expansion.
        picture_tokens: tokens that the picture will fill; 0 if unknown before it is prepared.
    """

    item: Item
    text: str
    prompt: str
    text_only_prompt: str
    span: Span
    tokens: int
    picture_tokens: int = 0

    @property
    def length(self) -> int:
        """Number of tokens that the decoder will see, as far as known: the picture replaces the placeholder."""
        return self.tokens + max(0, self.picture_tokens - 1)


@dataclass(frozen=True)
class Plan:
    """Every item of a run, planned.

    Attributes:
        items: in the dataset's order.
        candidates: tokens of the option letters.
        max_options: size of the run's options axis.
    """

    items: tuple[PlannedItem, ...]
    candidates: Candidates
    max_options: int

    def shards(self, size: int) -> list[tuple[PlannedItem, ...]]:
        """Items of each shard."""
        return [self.items[start : start + size] for start in range(0, len(self.items), size)]


def make_plan(
    adapter: Adapter, dataset: Dataset, template: str, language_span: str, letters: str = LETTERS_AUTO
) -> Plan:
    """Render, tokenise and check every prompt of a run.

    Args:
        adapter: the model.
        dataset: the items.
        template: name of the prompt template.
        language_span: what counts as source 2.
        letters: how the option letters follow the prompt, one of `pid_lvlm.extract.config.LETTERS`.

    Raises:
        DatasetError: a text contains the model's picture placeholder, or is too long for the model.
        ModelError: a span or the letters cannot be found, or the chat template does not fit.
    """
    write = get_template(template)
    texts = [write(item) for item in dataset.items]
    _check_placeholders(adapter, dataset)
    prompts = [adapter.render(text.full, picture=True) for text in texts]
    _check_template(adapter, texts[0].full)
    tokenised = adapter.tokenize(prompts)
    pictures = expected_picture_tokens(adapter, dataset.items)
    if long := _too_long(adapter, dataset, tokenised, pictures):
        raise DatasetError(dataset.file, [Fault(dataset.file, why, row=item.row) for item, why in long])
    finder = SpanFinder(
        lambda text: adapter.render(text, picture=True),
        adapter.tokenize,
        lambda ids: adapter.decode(ids, special=False),
        language_span,
    )
    spans = finder.find(texts, tokenised)
    items = tuple(
        PlannedItem(
            item=item,
            text=text.full,
            prompt=prompt,
            text_only_prompt=adapter.render(text.full, picture=False),
            span=span,
            tokens=len(ids),
            picture_tokens=picture,
        )
        for item, text, prompt, ids, span, picture in zip(
            dataset.items, texts, prompts, tokenised, spans, pictures, strict=True
        )
    )
    _check_pictures_in_text(adapter, dataset, items)
    candidates = chosen_spellings(adapter.spellings(prompts[0], len(dataset.letters)), letters)
    return Plan(items, candidates, dataset.max_options)


def batches(
    items: Sequence[PlannedItem], rows: int, tokens: int | None = None, *, by_picture: bool = False
) -> list[tuple[int, ...]]:
    """Indices of each batch: items of similar length together, to minimise padding.

    Longest first, so that a lack of memory shows at once. Batches depend only on the items of their shard, so a
    resumed run forms the same ones.

    Args:
        items: the items of a shard.
        rows: maximum number of items per batch.
        tokens: maximum number of positions per batch, padding included; a longer item forms a batch by itself.
        by_picture: whether items about one picture stay together, placed by the longest of them. They are then split
            over batches only if they fill one by themselves.
    """
    blocks: dict[object, list[int]] = {}
    for index in sorted(range(len(items)), key=lambda index: -items[index].length):
        blocks.setdefault(items[index].item.picture_key if by_picture else index, []).append(index)
    found: list[tuple[int, ...]] = []
    batch: list[int] = []
    room = 0
    for block in blocks.values():
        if len(block) > room:
            found += [tuple(batch)] if batch else []
            batch, room = [], _fitting(items[block[0]], rows, tokens)
            while len(block) > room:
                found.append(tuple(block[:room]))
                block = block[room:]
                room = _fitting(items[block[0]], rows, tokens)
        batch += block
        room -= len(block)
    return [*found, tuple(batch)] if batch else found


def _fitting(longest: PlannedItem, rows: int, tokens: int | None) -> int:
    """Maximum number of items of a batch, given its longest."""
    return rows if tokens is None else max(1, min(rows, tokens // longest.length))


def _check_placeholders(adapter: Adapter, dataset: Dataset) -> None:
    faults = [
        Fault(
            dataset.file,
            f"a text contains `{adapter.placeholder}`, which this model reads as a picture; remove it",
            row=item.row,
        )
        for item in dataset.items
        if any(adapter.placeholder in text for text in (item.question, item.hint, *item.options))
    ]
    if faults:
        raise DatasetError(dataset.file, faults)


def _check_pictures_in_text(adapter: Adapter, dataset: Dataset, items: Sequence[PlannedItem]) -> None:
    """Check a text for picture tokens: some processors replace the placeholder by others, which a text may contain."""
    ids = [token for planned in items for token in planned.span.ids]
    if not adapter.visual_mask({"input_ids": torch.tensor([ids])}).any():
        return
    faults = [
        Fault(dataset.file, "a text contains a token that this model fills with the picture", row=planned.item.row)
        for planned in items
        if adapter.visual_mask({"input_ids": torch.tensor([planned.span.ids])}).any()
    ]
    if faults:
        raise DatasetError(dataset.file, faults)


def long_prompts(adapter: Adapter, dataset: Dataset, template: str) -> list[tuple[Item, str]]:
    """Items whose prompts, with the picture, are too long for the model, and the reason for each."""
    write = get_template(template)
    prompts = [adapter.render(write(item).full, picture=True) for item in dataset.items]
    pictures = expected_picture_tokens(adapter, dataset.items)
    return _too_long(adapter, dataset, adapter.tokenize(prompts), pictures)


def _too_long(
    adapter: Adapter, dataset: Dataset, tokenised: Sequence[Sequence[int]], pictures: Sequence[int]
) -> list[tuple[Item, str]]:
    """Check that a prompt fits with its picture: beyond their context, models continue with wrong numbers."""
    context = adapter.context
    if context is None:
        return []
    return [
        (item, too_long(len(ids), picture, context))
        for item, ids, picture in zip(dataset.items, tokenised, pictures, strict=True)
        if len(ids) + max(0, picture - 1) > context  # the picture's placeholder is a token of the prompt
    ]


def too_long(text: int, picture: int, context: int) -> str:
    """The end of a sentence about a prompt and a picture with too many tokens."""
    counts = f"{text - 1} and its picture {picture} tokens" if picture else f"{text} tokens"
    return f"its prompt has {counts}, and the model reads at most {context}; shorten it or leave the row out"


def _check_template(adapter: Adapter, text: str) -> None:
    """Check that a prompt without a picture has no image tokens, and that none ends in an open thinking block."""
    if adapter.placeholder in adapter.render(text, picture=False):
        message = (
            f"the chat template writes `{adapter.placeholder}` into a prompt without a picture; it needs an adapter"
        )
        raise ModelError(message)
    end = adapter.render(text, picture=True).rpartition(text)[2]
    if THINKING in end and THINKING.replace("<", "</") not in end:
        message = (
            f"the prompt ends in an open `{THINKING}`, so the next token is not an answer; "
            "use a checkpoint that answers directly (an Instruct one)"
        )
        raise ModelError(message)
