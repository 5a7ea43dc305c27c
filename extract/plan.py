"""What one run will do: prompts, spans, candidates, shards and batches, all fixed before the first forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import Problem
from extract.adapters.base import Adapter
from extract.candidates import Candidates
from extract.errors import DatasetError, ModelError
from extract.items import Dataset, Item
from extract.prompts import get_template
from extract.spans import Span, SpanFinder


@dataclass(frozen=True)
class PlannedItem:
    """An item with its prompts.

    Attributes:
        item: the item.
        text: the user's text.
        prompt: rendered prompt with the picture's placeholder.
        blind_prompt: the same conversation without the picture.
        span: the language span of `prompt`.
        tokens: length of `prompt` before the picture's expansion.
    """

    item: Item
    text: str
    prompt: str
    blind_prompt: str
    span: Span
    tokens: int


@dataclass(frozen=True)
class Plan:
    """Every item of a run, planned.

    Attributes:
        items: in the dataset's order.
        variants: ways in which the letters can follow the prompt; scoring uses one.
        max_options: options axis of the run.
    """

    items: tuple[PlannedItem, ...]
    variants: tuple[Candidates, ...]
    max_options: int

    def shards(self, size: int) -> list[tuple[PlannedItem, ...]]:
        """Items of each shard."""
        return [self.items[start : start + size] for start in range(0, len(self.items), size)]


def make_plan(adapter: Adapter, dataset: Dataset, template: str, language_span: str) -> Plan:
    """Render, tokenise and check every prompt of a run.

    Raises:
        DatasetError: a text contains the model's picture placeholder, or is too long for the model.
        ModelError: a span or the letters cannot be found, or BOS stands twice.
    """
    write = get_template(template)
    texts = [write(item) for item in dataset.items]
    _check_placeholders(adapter, dataset)
    prompts = [adapter.render(text.full, picture=True) for text in texts]
    tokenised = adapter.tokenize(prompts)
    _check_bos(adapter, tokenised[0])
    _check_lengths(adapter, dataset, tokenised)
    finder = SpanFinder(
        lambda text: adapter.render(text, picture=True),
        adapter.tokenize,
        lambda ids: adapter.tokenizer.decode(ids, skip_special_tokens=True),
        language_span,
    )
    items = tuple(
        PlannedItem(
            item=item,
            text=text.full,
            prompt=prompt,
            blind_prompt=adapter.render(text.full, picture=False),
            span=finder.find(text, ids),
            tokens=len(ids),
        )
        for item, text, prompt, ids in zip(dataset.items, texts, prompts, tokenised, strict=True)
    )
    variants = adapter.answer_variants(prompts[0], len(dataset.letters))
    return Plan(items, variants, dataset.max_options)


def batches(items: Sequence[PlannedItem], size: int) -> list[tuple[int, ...]]:
    """Indices of each batch: items of similar length together, so that little of a batch is padding.

    Batches never reach beyond the shard they belong to, hence a resumed run forms the same ones.
    """
    order = sorted(range(len(items)), key=lambda index: items[index].tokens)
    return [tuple(order[start : start + size]) for start in range(0, len(order), size)]


def _check_placeholders(adapter: Adapter, dataset: Dataset) -> None:
    problems = [
        Problem(
            dataset.file,
            f"a text contains `{adapter.placeholder}`, which this model reads as a picture; remove it",
            row=item.row,
        )
        for item in dataset.items
        if any(adapter.placeholder in text for text in (item.question, item.hint, *item.options))
    ]
    if problems:
        raise DatasetError(dataset.file, problems)


def _check_lengths(adapter: Adapter, dataset: Dataset, tokenised: Sequence[Sequence[int]]) -> None:
    """A prompt that does not fit even without its picture; models go on behind their end, with other numbers."""
    context = adapter.context
    problems = [
        Problem(
            dataset.file,
            f"its prompt has {len(ids)} tokens, and the model reads at most {context}; shorten it or leave the row out",
            row=item.row,
        )
        for item, ids in zip(dataset.items, tokenised, strict=True)
        if context is not None and len(ids) > context
    ]
    if problems:
        raise DatasetError(dataset.file, problems)


def _check_bos(adapter: Adapter, ids: Sequence[int]) -> None:
    bos = adapter.tokenizer.bos_token_id
    if bos is not None and list(ids).count(bos) > 1:
        message = f"the prompt holds the BOS token {list(ids).count(bos)} times; its chat template needs an adapter"
        raise ModelError(message)
