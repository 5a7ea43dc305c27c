"""`pid-extract`: parses the options; the work is elsewhere. Heavy imports wait until there is work to do."""

if __name__ == "__main__":  # before the imports: Ctrl-C must already work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.extract.cli.main")

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pid_lvlm.data.bounds import PIXELS
from pid_lvlm.data.cluster.options import Executor, JobOptions, Jobs, Slurm, Status, check_executor, job_arguments
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, DryRun, Quiet, Version, epilog, make_app
from pid_lvlm.data.command.result import CommandResult
from pid_lvlm.extract.cli.actions import (
    check_folders,
    list_model_types,
    preview_runs,
    run_all,
    show_states,
    verify_checkpoints,
)
from pid_lvlm.extract.cli.instead import Check, CheckData, ListDatasets, ListModels, Preview, Verify
from pid_lvlm.extract.cli.measured import (
    NUMBERS,
    Ablation,
    Crossed,
    CrossedWithin,
    Dtype,
    HeadDtype,
    OtherDraws,
    Processor,
    Revision,
    Seed,
)
from pid_lvlm.extract.cli.parts import PartOption, ProcessesOption, select_part
from pid_lvlm.extract.cli.results import benchmarks
from pid_lvlm.extract.cli.work import BatchSize, BatchTokens, Device, KeepItems, ShardSize, Workers
from pid_lvlm.extract.config import (
    ALL_LAYERS,
    HEAD_FLOAT32,
    LETTERS_AUTO,
    OTHER_DRAWS,
    SPAN_ALL,
    WITHIN_DATASET,
    DatasetSpec,
    ExtractionConfig,
    ModelSpec,
)
from pid_lvlm.extract.datasets.benchmarks.registry import describe_benchmarks, parse_data
from pid_lvlm.extract.datasets.column_mapping import parse_mapping
from pid_lvlm.extract.errors import UsageError

NAMES = "How runs are labelled"

app = make_app()


def main() -> NoReturn:
    """Entry point of the console script."""
    run_command("pid-extract", app, extra="extract", kept="every whole shard is kept")


@app.command(
    epilog=epilog(
        "pid-extract --model llava-hf/llava-1.5-7b-hf --data mmbench=MMBench_DEV_EN.tsv --out runs",
        "pid-extract --sweep data/demo/sweep.toml --out out/runs --limit 64 --dry-run",
        failing="some runs failed",
    )
)
def extract(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Hub id or checkpoint folder. Repeat for several."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA",
            help="Items: a file, folder or card; hf:OWNER/NAME:SPLIT; or NAME=FILE for a known benchmark. Repeat for "
            "several.",
        ),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file that lists `models` and `datasets`."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Output folder; gets one run folder per model and dataset."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=COLUMN,...",
            help="Column names, if the file has its own, e.g. question=Q,options=A|B|C|D,answer=label. "
            "Fields: id, group, image, question, options, answer, hint, raw.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the images. Default: the data file's folder."),
    ] = None,
    on_bad: Annotated[
        str | None,
        typer.Option(
            metavar="error|skip",
            help="What to do about rows that are not valid items: `error` lists them and stops, `skip` drops them. "
            "Default: what the card says, else error.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only the first N items of each dataset."),
    ] = None,
    max_pixels: Annotated[
        int,
        typer.Option(metavar="N", help="Reject rows with images larger than this; sizes are checked before decoding."),
    ] = PIXELS.most,
    layers: Annotated[
        str,
        typer.Option(
            metavar="LAYERS",
            help="`all`, `last`, or numbers such as 8,16,32 (1 is the first block).",
            rich_help_panel=NUMBERS,
        ),
    ] = ALL_LAYERS,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="Prompt template: letters, paper, plain, vlmeval or raw. Default: the dataset's, else letters.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    language_span: Annotated[
        str,
        typer.Option(
            metavar="SPAN",
            help="Text that counts as source 2: `all` of the user's text, or `question_options`.",
            rich_help_panel=NUMBERS,
        ),
    ] = SPAN_ALL,
    letters: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="How an option letter follows the prompt: `plain`, `space` (after a space), or `auto`, which sums the "
            "probabilities of both if both are single tokens.",
            rich_help_panel=NUMBERS,
        ),
    ] = LETTERS_AUTO,
    seed: Seed = 0,
    crossed: Crossed = None,
    crossed_within: CrossedWithin = WITHIN_DATASET,
    ablation: Ablation = None,
    other_draws: OtherDraws = OTHER_DRAWS,
    dtype: Dtype = None,
    head_dtype: HeadDtype = HEAD_FLOAT32,
    processor: Processor = None,
    revision: Revision = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the model in tables. Default: its id or folder.", rich_help_panel=NAMES
        ),
    ] = None,
    size_b: Annotated[
        float | None,
        typer.Option(
            metavar="SIZE", help="Size in billions of parameters. Default: count them.", rich_help_panel=NAMES
        ),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Training stage of a checkpoint.", rich_help_panel=NAMES)
    ] = None,
    step: Annotated[
        int | None, typer.Option(metavar="N", help="Training step of a checkpoint.", rich_help_panel=NAMES)
    ] = None,
    batch_size: BatchSize = 16,
    batch_tokens: BatchTokens = None,
    workers: Workers = None,
    processes: ProcessesOption = 1,
    shard_size: ShardSize = 256,
    keep_items: KeepItems = None,
    device: Device = "auto",
    part: PartOption = None,
    executor: Executor = None,
    jobs: Jobs = None,
    slurm: Slurm = None,
    status: Status = False,
    check: Check = None,
    verify: Verify = None,
    check_data: CheckData = False,
    preview: Preview = None,
    list_models: ListModels = False,
    list_datasets: ListDatasets = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    version: Version = False,
) -> CommandResult:
    """Run vision-language models on multiple-choice items, with the image, the question or neither replaced by noise.

    Writes one run folder per model and dataset, for pid-estimate. Repeat the command to resume an interrupted run.
    """
    from pid_lvlm.extract.options import check_options, parse_settings
    from pid_lvlm.extract.run.pairing import check_named, needed

    if list_models:
        return list_model_types()
    if list_datasets:
        typer.echo(describe_benchmarks())
        return benchmarks()
    check_options(
        model=model,
        data=data,
        sweep=sweep,
        out=out,
        images=images,
        on_bad=on_bad,
        check=check,
        verify=verify,
        limit=limit,
        preview=preview,
        max_pixels=max_pixels,
        layers=layers,
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
        ablation=ablation,
        other_draws=other_draws,
        dtype=dtype,
        head_dtype=head_dtype,
        device=device,
        crossed=crossed,
        crossed_within=crossed_within,
    )
    if check:
        return check_folders(check)
    first = ModelSpec(
        "",
        revision=revision,
        dtype=dtype,
        head_dtype=head_dtype,
        processor=parse_settings(processor or [], "--processor"),
        device=device,
        name=name,
        size_b=size_b,
        stage=stage,
        step=step,
    )
    config = ExtractionConfig(
        out or Path(),
        layers=layers,
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
        ablation=tuple(ablation or ()),
        other_draws=other_draws,
        processes=processes,
    )
    if verify:
        if model or sweep:
            message = f"--verify names the models itself; leave out {'--model' if model else '--sweep'}"
            raise UsageError(message)
        return verify_checkpoints(
            [replace(first, model=one) for one in verify],
            _datasets(data, columns, images, on_bad, max_pixels),
            config,
            quiet=quiet,
        )
    if out is None:
        message = "--out is missing; give a folder for the run folders"
        raise UsageError(message)
    models, datasets = ([], []) if sweep is None else _read_sweep(sweep, device, quiet=quiet)
    labels = {"name": name, "size_b": size_b, "stage": stage, "step": step}
    _check_labels(labels, len(model or []))
    models += [replace(first, model=one) for one in model or []]
    check_executor(executor, jobs, slurm, part)
    datasets = _with_rules(datasets, on_bad, max_pixels) + _datasets(data, columns, images, on_bad, max_pixels)
    if models and datasets:
        check_named(models, datasets)
    if status:
        return show_states(models, datasets, out)
    if not models or not datasets:
        message = "nothing to run: give --model and --data, or --sweep; pid-extract --help shows an example"
        raise UsageError(message)
    if part is not None:
        models, datasets = select_part(part, models, datasets)
    datasets = needed(models, datasets)
    if executor is not None:
        if preview is not None or check_data:
            raise UsageError(
                f"--{'check-data' if check_data else 'preview'} runs in this process; leave --executor out"
            )
        from pid_lvlm.extract.cli.as_jobs import extract_as_jobs

        options = JobOptions(executor, jobs, tuple(slurm or ()), job_arguments(sys.argv[1:]))
        return extract_as_jobs(models, datasets, config, options, dry_run=dry_run, quiet=quiet)
    if preview is not None:
        return preview_runs(models, datasets, config, preview, quiet=quiet)
    return run_all(models, datasets, config, dry_run=dry_run or check_data, check_data=check_data, quiet=quiet)


def _datasets(
    data: list[str] | None, columns: str | None, images: Path | None, on_bad: str | None, max_pixels: int
) -> list[DatasetSpec]:
    mapping = parse_mapping(columns) if columns else {}
    return _with_rules([parse_data(one, mapping, images) for one in data or []], on_bad, max_pixels)


def _with_rules(datasets: list[DatasetSpec], on_bad: str | None, max_pixels: int) -> list[DatasetSpec]:
    return [replace(spec, on_bad=on_bad or spec.on_bad, max_pixels=max_pixels) for spec in datasets]


def _read_sweep(path: Path, device: str, *, quiet: bool) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    from pid_lvlm.extract.cli.sweep_file import read_sweep

    return read_sweep(path, device, lambda note: None if quiet else typer.echo(f"note: {note}", err=True))


def _check_labels(labels: Mapping[str, object], models: int) -> None:
    given = [name for name, value in labels.items() if value is not None]
    if given and models != 1:
        message = f"--{given[0].replace('_', '-')} labels one model, but {models} are given; use a --sweep file"
        raise UsageError(message)
