"""Loads a benchmark file as checked items. Finds every fault of every row before a model is loaded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pid_lvlm.data.command.shown import cut, shown_path
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.inputs.paths import is_pattern, is_there
from pid_lvlm.data.names import FileNameError, file_name
from pid_lvlm.extract.config import ON_BAD_ERROR, ON_BAD_SKIP, DatasetSpec
from pid_lvlm.extract.datasets.benchmarks.benchmark import FIELDS, ROTATION_FIELDS, Benchmark, likely_benchmark
from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS, get_benchmark
from pid_lvlm.extract.datasets.benchmarks.steps_rows import keep
from pid_lvlm.extract.datasets.card import Card, read_card
from pid_lvlm.extract.datasets.column_mapping import Columns, check_fields, resolve_columns
from pid_lvlm.extract.datasets.errors import DatasetError, Reason
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.item_reader import ItemReader
from pid_lvlm.extract.datasets.row_counts import bad_reasons, count_rows, dropped_note
from pid_lvlm.extract.datasets.sources.read_table import read_table
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX, BadRow, Table


def load_dataset(spec: DatasetSpec, limit: int | None = None) -> Dataset:
    """Read and check a dataset.

    Args:
        spec: the file or card, and how to read it.
        limit: keep only the first items.

    Raises:
        DatasetError: it is a different file, or has bad rows, all of which are listed; if bad rows are skipped, only if
            more than half are bad.
        UsageError: the named benchmark does not exist.
    """
    card, benchmark = _described(spec)
    table = read_table(card.file)
    for column, values in card.where.items():
        table = keep(column, *values)(table)
    if benchmark is not None:
        others = [other for other in BENCHMARKS.values() if other is not benchmark]
        table = benchmark.apply(table, others, str(card.file))
    reader = ItemReader(
        columns=_columns(table, benchmark, card, spec),
        folder=_picture_folder(spec, card, table),
        patterns=("{name}",) if benchmark is None else benchmark.pictures,
        fixed=card.options,
        first_index=card.first_index,
        by_rule=benchmark is not None,
        exact=benchmark is not None and benchmark.exact_options,
        rotated=benchmark is not None and set(ROTATION_FIELDS) <= set(table.columns),
        max_pixels=spec.max_pixels,
    )
    skip = (spec.on_bad or card.on_bad or ON_BAD_ERROR) == ON_BAD_SKIP
    items, bad = reader.items(table, limit, skip)
    if bad and (not skip or len(bad) > len(items)):
        likely = None if benchmark else _likely(table, card.file, least=5)
        raise _refusal(str(spec.file), table.name, bad, len(items), skip, likely)
    chosen = len(table.rows) + len(table.bad)
    return Dataset(
        name=_name(card, benchmark),
        file=table.name,
        sha256=table.sha256,
        items=tuple(items),
        prompt=card.prompt or (benchmark.prompt if benchmark else None),
        split=card.split or (benchmark.split if benchmark else None),
        ground_truth=card.ground_truth,
        notes=(*table.notes, *reader.notes(), *([dropped_note(bad, chosen)] if bad else [])),
        rows=count_rows(table.read, chosen, reader.choices(table), bad),
        skip_bad=skip,
        keep_items=spec.keep_items or card.keep_items,
    )


@dataclass(frozen=True)
class DatasetOutline:
    """What is known about a dataset before its file is read.

    Attributes:
        name: the name used in run names.
        file: its file, or the pattern or hub dataset that names it.
        keep_items: one of `KEEP_ITEMS`, from the command or the card; None if neither says.
    """

    name: str
    file: str
    keep_items: str | None = None


def outline_dataset(spec: DatasetSpec) -> DatasetOutline:
    """What a card or a file name says about a dataset.

    Raises:
        DatasetError: the card does not exist, or the file's name cannot name a run.
        UsageError: the named benchmark does not exist.
    """
    card, benchmark = _described(spec)
    return DatasetOutline(_name(card, benchmark), card.file.name, spec.keep_items or card.keep_items)


def _described(spec: DatasetSpec) -> tuple[Card, Benchmark | None]:
    card = read_card(spec.file) if spec.file.suffix.lower() == ".toml" else Card(None, spec.file)
    name = spec.benchmark or card.benchmark
    return card, None if name is None else get_benchmark(name)


def _name(card: Card, benchmark: Benchmark | None) -> str:
    return card.name or _default_name(benchmark, card.file)


def _default_name(benchmark: Benchmark | None, file: Path) -> str:
    if benchmark is not None and not benchmark.named_by_file:
        return benchmark.name
    text = str(file)
    if text.startswith(HUB_PREFIX):
        return text.removeprefix(HUB_PREFIX).split(":")[0].rpartition("/")[2]
    name = (
        re.sub(r"[-_.]*[*?\[].*", "", file.stem)
        if is_pattern(file) and not is_there(file)
        else file.stem or file.absolute().name
    )
    try:
        return file_name(name)
    except FileNameError as error:
        raise DatasetError(
            text, [Fault(cut(file.name), f"{error}; runs are named after the file: rename it, or set a name in a card")]
        ) from None


def _columns(table: Table, benchmark: Benchmark | None, card: Card, spec: DatasetSpec) -> Columns:
    """The columns of an item's fields: as the benchmark's steps set them, unless card or command say otherwise."""
    known: dict[str, str] = {} if benchmark is None else {name: name for name in FIELDS if name in table.columns}
    named: dict[str, str] = {**known, **card.columns, **spec.columns}
    if benchmark is None:
        check_fields(named, f"`{table.name}`")
    fixed = card.options is not None
    try:
        return resolve_columns(table.name, table.columns, named, usual=benchmark is None, fixed_options=fixed)
    except DatasetError as error:
        likely = _likely(table, card.file, least=4) if benchmark is None and not named else None
        if likely is None:
            raise
        what = error.faults[0].message.partition(";")[0]
        raise DatasetError(
            str(spec.file), [Fault(table.name, f"{likely} (read as a plain file, it has {what})")]
        ) from None


def _picture_folder(spec: DatasetSpec, card: Card, table: Table) -> Path:
    folder = spec.images or card.images
    if folder is None:
        return table.folder
    if not is_there(folder) or not folder.is_dir():
        shown = shown_path(folder)
        message = f"picture folder `{shown}` does not exist; pass the folder that holds the pictures with --images"
        raise DatasetError(str(spec.file), [Fault(table.name, message)])
    return folder


def _refusal(source: str, file: str, bad: Sequence[BadRow], good: int, skip: bool, likely: str | None) -> DatasetError:
    """The error about bad rows. Rows with the same cause share one sentence."""

    def single(message: str) -> DatasetError:
        return DatasetError(source, [Fault(file, message)])

    first = f"row {bad[0].number}: {bad[0].message}"
    if likely is not None and len(bad) >= good:
        return single(f"{likely} (read as a plain file, {first})")
    if skip:
        message = f"{len(bad)} of {len(bad) + good} rows are bad ({bad_reasons(bad)}), more than half, so none is "
        return single(f"{message}skipped; is it the right file? The first, {first}")
    if len(bad) > 1 and not good and all(row.reason == Reason.NO_PICTURE for row in bad):
        return single(f"no picture was found in {len(bad)} rows; the first, {first}")
    advice = ["--on-bad skip leaves bad rows out"] if len(bad) <= good else []
    return DatasetError(source, [row.fault(file) for row in bad], "; ".join([*advice, *([likely] if likely else [])]))


def _likely(table: Table, file: Path, least: int) -> str | None:
    """What to write instead, for a file of a known benchmark that was given as a plain file.

    Benchmarks that need fewer than `least` columns are ignored: such columns fit many files.
    """
    likely = likely_benchmark(
        table.columns, table.name, [known for known in BENCHMARKS.values() if len(known.needed) >= least]
    )
    return None if likely is None else f"it looks like {likely.title}: --data {likely.name}={file}"
