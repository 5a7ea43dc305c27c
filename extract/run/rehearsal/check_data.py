"""Finds items that the model's processor rejects or that are too long with their picture, without loading weights."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.contract.reading.validate import load_shard
from pid_lvlm.data.contract.schema.manifest import read_manifest
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.images import picture_size
from pid_lvlm.extract.datasets.item import Dataset, Item, by_reason
from pid_lvlm.extract.datasets.row_counts import SHOWN_ROWS
from pid_lvlm.extract.measure.encode import RefusedPictureError, TooLongError, check_lengths, item_picture, prepared
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, long_prompts, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.run_folder import is_complete, run_path
from pid_lvlm.extract.run.progress import Advance, Reporter

REFUSED: Final = "picture refused by the processor"
TOO_LONG: Final = "too long for the model"
"""Reasons by which bad items are counted."""

EXTREMES: Final = 4
"""Items of each kind in a quick check: first, smallest, largest, most elongated picture, longest prompt."""


@dataclass(frozen=True)
class BadItem:
    """An item that this model cannot process.

    Attributes:
        item: the item.
        reason: the reason by which it is counted.
        message: what is wrong, a sentence.
    """

    item: Item
    reason: str
    message: str


def usable(
    adapter: Adapter, dataset: Dataset, config: ExtractionConfig, reporter: Reporter, *, every_item: bool
) -> Dataset:
    """The items that the model can process.

    Args:
        adapter: the model, with or without weights.
        dataset: the items. If its bad rows are left out, so are bad items, and they are counted.
        config: prompt template and language span.
        reporter: reports progress.
        every_item: whether to check every item instead of only those most likely to be bad.

    Raises:
        DatasetError: items are bad and must not be left out, or more than half are bad.
        ModelError: the processor accepts no pictures, or the prompts do not fit the model.
    """
    bad = bad_items(adapter, dataset, config, reporter, every_item=every_item or dataset.skip_bad)
    if not bad:
        return dataset
    if not dataset.skip_bad or 2 * len(bad) > len(dataset.items):
        faults = [Fault(dataset.file, one.message, row=one.item.row) for one in bad]
        raise DatasetError(dataset.file, faults, "" if dataset.skip_bad else "--on-bad skip leaves bad rows out")
    return without(dataset, bad)


def without(dataset: Dataset, bad: Sequence[BadItem]) -> Dataset:
    """The dataset without these items, which are recorded in its counts and a note."""
    ids = {one.item.id for one in bad}
    reasons = Counter(one.reason for one in bad)
    rows = ", ".join(str(one.item.row) for one in bad[:SHOWN_ROWS]) + (", …" if len(bad) > SHOWN_ROWS else "")
    note = f"{len(bad)} of {len(dataset.items)} items left out: {by_reason(reasons)} (row {rows}, counted from 1)"
    counts = replace(dataset.rows, dropped=Counter(dataset.rows.dropped) + reasons)
    items = tuple(item for item in dataset.items if item.id not in ids)
    return replace(dataset, items=items, rows=counts, notes=(*dataset.notes, note))


def bad_items(
    adapter: Adapter, dataset: Dataset, config: ExtractionConfig, reporter: Reporter, *, every_item: bool
) -> list[BadItem]:
    """Bad items in the dataset's order; see `usable`."""
    template = template_name(config, dataset)
    long_ones = long_prompts(adapter, dataset, template) if dataset.skip_bad else []  # otherwise the plan lists them
    bad = [BadItem(item, TOO_LONG, message) for item, message in long_ones]
    long = {one.item.id for one in bad}
    rest = replace(dataset, items=tuple(item for item in dataset.items if item.id not in long))
    if rest.items:
        chosen = rest if every_item else replace(rest, items=most_likely_bad(rest.items))
        try:
            planned = make_plan(adapter, chosen, template, config.language_span, config.letters).items
        except DatasetError:
            make_plan(
                adapter, rest, template, config.language_span, config.letters
            )  # raises with the bad ones among all
            raise
        with reporter.task(f"{dataset.name}: checking items", len(planned)) as advance:
            bad += _refused(adapter, planned, advance)
    order = {item.id: number for number, item in enumerate(dataset.items)}
    return sorted(bad, key=lambda one: order[one.item.id])


def _refused(adapter: Adapter, items: Sequence[PlannedItem], advance: Advance) -> list[BadItem]:
    found = []
    for planned in items:
        try:
            inputs = prepared(adapter, adapter.process, [planned], [item_picture(planned.item)])
            with model_code(adapter):
                vision = adapter.visual_mask(inputs)
            check_lengths(adapter, inputs, vision, [planned])
        except RefusedPictureError as error:
            found.append(BadItem(planned.item, REFUSED, error.reason))
        except TooLongError as error:
            found.append(BadItem(planned.item, TOO_LONG, error.reason))
        advance(1)
    return found


def most_likely_bad(items: Sequence[Item]) -> tuple[Item, ...]:
    """Items with extreme pictures or texts, and the first few."""
    sizes: dict[Path | bytes, tuple[int, int]] = {}
    for item in items:
        if item.picture not in sizes:
            sizes[item.picture] = picture_size(item.picture, item.max_pixels) or (1, 1)
    shapes = [sizes[item.picture] for item in items]
    texts = [len(item.question) + len(item.hint) + len(item.raw) + sum(map(len, item.options)) for item in items]
    numbers = range(len(items))
    by_length = sorted(numbers, key=lambda number: -texts[number])
    by_side = sorted(numbers, key=lambda number: min(shapes[number]))
    by_area = sorted(numbers, key=lambda number: -shapes[number][0] * shapes[number][1])
    by_ratio = sorted(numbers, key=lambda number: -max(shapes[number]) / max(1, min(shapes[number])))
    orders = (numbers, by_length, by_side, by_area, by_ratio)
    chosen = sorted({number for order in orders for number in order[:EXTREMES]})
    return tuple(items[number] for number in chosen)


def usable_for_run(
    adapter: Adapter, spec: ModelSpec, dataset: Dataset, config: ExtractionConfig, reporter: Reporter
) -> Dataset:
    """The items of a run, without bad ones; reports those left out.

    A finished run records which items it has, and only the others are checked.
    """
    folder = run_path(config.out, spec.run_name(dataset.name))
    kept = _finished_ids(folder) if is_run(folder) else frozenset()
    others = replace(dataset, items=tuple(item for item in dataset.items if item.id not in kept))
    if kept and others.items and 2 * len(others.items) <= len(dataset.items):
        bad = bad_items(adapter, others, config, Reporter(quiet=True), every_item=True)
        chosen = without(dataset, bad) if bad else dataset
    elif kept and not others.items:
        return dataset
    else:
        chosen = usable(adapter, dataset, config, reporter, every_item=True)
    for note in chosen.notes[len(dataset.notes) :]:
        reporter.note(f"`{dataset.file}`: {note}")
    return chosen


def _finished_ids(folder: Path) -> frozenset[str]:
    """Ids of a finished run's samples; empty if it is unfinished or a file cannot be read."""
    manifest = read_manifest(folder)
    if not is_complete(folder, manifest):
        return frozenset()
    ids: set[str] = set()
    for index in range(manifest.num_shards):
        arrays, broken = load_shard(folder, index, manifest, {"sample_id"})
        if broken or "sample_id" not in arrays:
            return frozenset()
        ids.update(arrays["sample_id"].tolist())
    return frozenset(ids)
