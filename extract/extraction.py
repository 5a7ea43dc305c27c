"""Extraction from Python: read a dataset, run a model on it. The options of `pid-extract` are arguments."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pid_lvlm.data.bounds import PIXELS
from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import (
    ALL_LAYERS,
    HEAD_FLOAT32,
    LETTERS_AUTO,
    OPTION_SEPARATOR,
    OTHER_DRAWS,
    SPAN_ALL,
    WITHIN_DATASET,
    DatasetSpec,
    ExtractionConfig,
    ModelSpec,
)
from pid_lvlm.extract.datasets import load as reader
from pid_lvlm.extract.datasets.benchmarks.registry import parse_data
from pid_lvlm.extract.datasets.column_mapping import check_fields
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.options import check_options
from pid_lvlm.extract.run.contents.run_folder import check_out_folder
from pid_lvlm.extract.run.jobs import check_prompts, run_loaded
from pid_lvlm.extract.run.progress import Reporter

if TYPE_CHECKING:
    from pid_lvlm.extract.run.extract_run import Outcome

OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def load_dataset(
    data: str | Path,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    images: str | Path | None = None,
    on_bad: str | None = None,
    limit: int | None = None,
    max_pixels: int = PIXELS.most,
) -> Dataset:
    """Read and check a dataset of multiple-choice questions about images. Needs neither torch nor a model.

    Args:
        data: a file (jsonl, json, csv, tsv, parquet), a folder, a dataset card, `hf:OWNER/NAME:SPLIT`, or `NAME=FILE`
            for a known benchmark: everything that `pid-extract --data` takes.
        columns: item field -> column, such as `{"question": "Q", "options": ["A", "B"]}`; omitted fields are looked up
            under their usual names.
        images: folder that relative image paths start from; by default the file's own folder.
        on_bad: `error` or `skip`: what to do about rows that are not valid items; by default the card's choice, else
            `error`.
        limit: use only the first items.
        max_pixels: larger images are bad rows; sizes are checked before decoding.

    Returns:
        The dataset: `items` are its questions, `rows` counts the file's rows, `notes` are worth reading.

    Raises:
        PidError: the file cannot be read, or has bad rows, all of which are listed.
    """
    with speaking_of_arguments():
        check_options(data=[data], columns=columns, images=images, on_bad=on_bad, limit=limit, max_pixels=max_pixels)
        return reader.load_dataset(_dataset_spec(data, columns, images, on_bad, max_pixels), limit)


def extract(
    *,
    model: str | Path | ModelSpec,
    data: str | Path | Dataset,
    out: str | Path,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    images: str | Path | None = None,
    on_bad: str | None = None,
    limit: int | None = None,
    max_pixels: int = PIXELS.most,
    layers: str | int | Sequence[int] = ALL_LAYERS,
    prompt: str | None = None,
    language_span: str = SPAN_ALL,
    letters: str = LETTERS_AUTO,
    seed: int = 0,
    crossed: int | None = None,
    crossed_within: str = WITHIN_DATASET,
    ablation: str | Sequence[str] | None = None,
    other_draws: int = OTHER_DRAWS,
    dtype: str | None = None,
    head_dtype: str = HEAD_FLOAT32,
    processor: Mapping[str, Any] | None = None,
    revision: str | None = None,
    name: str | None = None,
    size_b: float | None = None,
    stage: str | None = None,
    step: int | None = None,
    batch_size: int = 16,
    batch_tokens: int | None = None,
    workers: int | None = None,
    processes: int = 1,
    shard_size: int = 256,
    keep_items: str | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> "Outcome":
    """Run a model on a dataset under every condition and write the run folder, or resume an interrupted run.

    Arguments and defaults are those of `pid-extract` (docs/cli.md).

    Args:
        model: hub id or checkpoint folder; or a `ModelSpec`, whose fields then replace the arguments from `dtype` to
            `step` and `device`; its `datasets` is ignored, since `data` is the only dataset.
        data: as in `load_dataset`, or a dataset that it returned; the arguments from `columns` to `on_bad` apply only
            to the former.
        out: folder in which the run folder is created.
        columns: see `load_dataset`.
        images: see `load_dataset`.
        on_bad: see `load_dataset`.
        limit: use only the first items.
        max_pixels: see `load_dataset`.
        layers: `all`, `last`, or layer numbers (1 is the first decoder block).
        prompt: prompt template; by default the dataset's, else `letters`.
        language_span: what counts as source 2: `all` of the user's text, or `question_options`.
        letters: how an option letter follows the prompt: `plain`, `space`, or `auto`: either, if both are single
            tokens.
        seed: seed for the replacement noise, the crossed pairs, and the items that replace others.
        crossed: also ask this many questions about every picture, its own and those of other items.
        crossed_within: `dataset` or `group`: the items among which questions are exchanged.
        ablation: names of additional ablations: `mean`, `other`, `blank`; or `noise`, for both sources as noise.
        other_draws: number of other items that the ablation `other` draws for each sample.
        dtype: `float32`, `bfloat16` or `float16`; by default float32 on a CPU, else the checkpoint's.
        head_dtype: `float32` or `model`: precision in which the head computes the scored logits, at every layer.
        processor: settings of the image processor to override, such as `{"max_pixels": 1003520}`.
        revision: branch, tag or commit of a hub model.
        name: name of the model in tables; by default its id or folder.
        size_b: size in billions of parameters; by default counted.
        stage: training stage of a checkpoint.
        step: training step of a checkpoint.
        batch_size: maximum samples per forward pass; affects rounding only. It is halved when memory runs out.
        batch_tokens: maximum tokens per forward pass, padding included; by default no limit.
        workers: processes that prepare images while the device computes; by default 0 on a CPU, else up to 4.
        processes: processes that measure, including this one, each with a copy of the model, on its own GPU or
            with a share of the cores.
        shard_size: samples per file.
        keep_items: `none`, `text` or `pictures`: what the run folder keeps of the items; by default the dataset's
            choice, else `pictures`.
        device: `cpu`, `cuda`, `cuda:1`, …, or `auto`.
        quiet: whether to suppress progress on standard error.

    Returns:
        The run's folder, its samples, the number measured now (0 if it was complete) and the seconds taken.

    Raises:
        PidError: the model or the dataset cannot be used, or the folder holds something else. The message says what to
            change.
    """
    with speaking_of_arguments():
        ablations = (ablation,) if isinstance(ablation, str) else ablation or ()
        listed = isinstance(layers, Iterable) and not isinstance(layers, str)
        chosen = ",".join(map(str, layers)) if listed else str(layers)  # type: ignore[arg-type]
        check_options(
            model=None if isinstance(model, ModelSpec) else [model],
            data=None if isinstance(data, Dataset) else [data],
            out=out,
            columns=columns,
            images=images,
            on_bad=on_bad,
            limit=limit,
            max_pixels=max_pixels,
            layers=chosen,
            prompt=prompt,
            language_span=language_span,
            letters=letters,
            seed=seed,
            revision=revision,
            name=name,
            size_b=size_b,
            stage=stage,
            step=step,
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            workers=workers,
            processes=processes,
            shard_size=shard_size,
            keep_items=keep_items,
            ablation=ablations,
            other_draws=other_draws,
            dtype=dtype,
            head_dtype=head_dtype,
            device=device,
            processor=processor,
            crossed=crossed,
            crossed_within=crossed_within,
        )
        if isinstance(model, ModelSpec):
            spec = replace(model, datasets=None)
        else:
            labels = {"name": name, "size_b": size_b, "stage": stage, "step": step}
            numbers = {"dtype": dtype, "head_dtype": head_dtype, "processor": dict(processor or {})}
            spec = ModelSpec(str(model), revision=revision, device=device, **numbers, **labels)  # type: ignore[arg-type]
        config = ExtractionConfig(
            Path(out),
            layers=chosen,
            seed=seed,
            prompt=prompt,
            language_span=language_span,
            batch_size=batch_size,
            shard_size=shard_size,
            limit=limit,
            keep_items=keep_items,
            letters=letters,
            batch_tokens=batch_tokens,
            workers=workers,
            crossed=crossed,
            crossed_within=crossed_within,
            ablation=tuple(ablations),
            other_draws=other_draws,
            processes=processes,
        )
        check_out_folder(config.out)
        dataset = (
            data.first(limit)
            if isinstance(data, Dataset)
            else reader.load_dataset(_dataset_spec(data, columns, images, on_bad, max_pixels), limit)
        )
        check_prompts(dataset, config)
        return run_loaded([spec], [dataset], config, Reporter(quiet=quiet)).outcomes[0]


@contextmanager
def speaking_of_arguments() -> Iterator[None]:
    """Rewrite errors for the command line (`--batch-size`) to name Python arguments (`batch_size`)."""
    try:
        yield
    except PidError as error:
        error.args = (as_arguments(str(error)),)
        raise


def as_arguments(text: str) -> str:
    """A message with command-line options rewritten as function arguments.

    Example:
        >>> as_arguments("out of memory at batch size 1; try --dtype bfloat16")
        'out of memory at batch size 1; try `dtype` bfloat16'
    """
    return OPTION.sub(lambda match: f"`{match[1].replace('-', '_')}`", text)


def _dataset_spec(
    data: str | Path,
    columns: Mapping[str, str | Sequence[str]] | None,
    images: str | Path | None,
    on_bad: str | None,
    max_pixels: int,
) -> DatasetSpec:
    mapping = {
        field: column if isinstance(column, str) else OPTION_SEPARATOR.join(column)
        for field, column in (columns or {}).items()
    }
    check_fields(mapping, "--columns")
    spec = parse_data(str(data), mapping, None if images is None else Path(images))
    return DatasetSpec(spec.file, spec.columns, spec.images, spec.benchmark, on_bad, max_pixels)
