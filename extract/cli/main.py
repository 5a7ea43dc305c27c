"""`pid-extract`: options in, work elsewhere. Nothing heavy is imported until there is work to do."""

if __name__ == "__main__":  # before the imports, during which Ctrl-C must work already
    from pid_lvlm.commands import start

    start("pid_lvlm.extract.cli.main")

import os
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
from pid_lvlm.data.command.shown import count
from pid_lvlm.extract.cli.parts import select_part
from pid_lvlm.extract.cli.results import benchmarks, checked, finished, model_types, planned, previewed
from pid_lvlm.extract.config import (
    ALL_LAYERS,
    DTYPES,
    KEEP_ITEMS,
    LANGUAGE_SPANS,
    LETTERS,
    LETTERS_AUTO,
    ON_BAD,
    SPAN_ALL,
    DatasetSpec,
    ExtractionConfig,
    ModelSpec,
)
from pid_lvlm.extract.datasets.benchmarks.registry import describe_benchmarks, parse_data
from pid_lvlm.extract.datasets.column_mapping import parse_mapping
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.run.malloc import keep_freed_memory

NUMBERS, NAMES, WORK = "What is measured", "How runs are labelled", "How it runs"
INSTEAD = "Instead of running"

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
            help="Items: a file, folder or card; hf:OWNER/NAME:SPLIT; NAME=FILE for a known benchmark. Repeat for "
            "several.",
        ),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file with `models` and `datasets` tables."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for run folders, one per model and dataset."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=COLUMN,...",
            help="Where the file has other column names, e.g. question=Q,options=A|B|C|D,answer=label. "
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
            help="Rows that cannot become an item: `error` lists them and stops, `skip` leaves them out. "
            "Default: the card's choice, else error.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only the first N items of each dataset."),
    ] = None,
    max_pixels: Annotated[
        int,
        typer.Option(metavar="N", help="Larger images are bad rows; their size is known before they are decoded."),
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
            help="What counts as source 2: `all` of the user's text, or `question_options`.",
            rich_help_panel=NUMBERS,
        ),
    ] = SPAN_ALL,
    letters: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="How an option letter follows the prompt: `plain`, `space` (after a space), or `auto`: as the model "
            "prefers on the first items of each run. Pin it to compare runs.",
            rich_help_panel=NUMBERS,
        ),
    ] = LETTERS_AUTO,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the replacement noise.", rich_help_panel=NUMBERS)] = 0,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="DTYPE",
            help="float32, bfloat16 or float16. Default: float32 on a CPU, else the checkpoint's.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Branch, tag or commit of a hub model.", rich_help_panel=NUMBERS),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the model in tables. Default: its id or folder.", rich_help_panel=NAMES
        ),
    ] = None,
    size_b: Annotated[
        float | None,
        typer.Option(metavar="SIZE", help="Size in billions of parameters. Default: counted.", rich_help_panel=NAMES),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Training stage of a checkpoint.", rich_help_panel=NAMES)
    ] = None,
    step: Annotated[
        int | None, typer.Option(metavar="N", help="Training step of a checkpoint.", rich_help_panel=NAMES)
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Samples per forward pass; changes numbers by rounding only.",
            rich_help_panel=WORK,
        ),
    ] = 16,
    shard_size: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Samples per file; an interrupted run continues after the last whole one.",
            rich_help_panel=WORK,
        ),
    ] = 256,
    keep_items: Annotated[
        str | None,
        typer.Option(
            metavar="none|text|pictures",
            help="What run folders keep of the items, for reports: nothing, question and options, or these and "
            "thumbnails. Default: the sweep file's or card's choice, else pictures.",
            rich_help_panel=WORK,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE",
            help="cpu, cuda, cuda:1 and so on; auto takes a GPU if there is one.",
            rich_help_panel=WORK,
        ),
    ] = "auto",
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Only part I of N of the models (or datasets), such as 2/8: for several processes or a job array.",
            rich_help_panel=WORK,
        ),
    ] = None,
    executor: Executor = None,
    jobs: Jobs = None,
    slurm: Slurm = None,
    status: Status = False,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Validate a run folder and list every fault. Repeat for several.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    check_data: Annotated[
        bool,
        typer.Option(
            "--check-data",
            help="As --dry-run, and let the model's processor prepare every item, not only the likely bad ones.",
            rich_help_panel=INSTEAD,
        ),
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Write only the prompts, spans, letters and images of the first N items to --out. Loads no weights.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    list_models: Annotated[
        bool,
        typer.Option("--list-models", help="List the model types that can be read.", rich_help_panel=INSTEAD),
    ] = False,
    list_datasets: Annotated[
        bool,
        typer.Option(
            "--list-datasets",
            help="List the known benchmarks and where their files come from.",
            rich_help_panel=INSTEAD,
        ),
    ] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    version: Version = False,
) -> CommandResult:
    """Run vision-language models on multiple-choice items, with the image, the question or neither replaced by noise.

    Writes one run folder per model and dataset, for pid-estimate. The same command continues an interrupted one.
    """
    from pid_lvlm.extract.options import check_choice, check_options

    if list_models:
        return _list_models()
    if list_datasets:
        typer.echo(describe_benchmarks())
        return benchmarks()
    check_options(
        model=model,
        data=data,
        sweep=sweep,
        out=out,
        images=images,
        check=check,
        limit=limit,
        preview=preview,
        max_pixels=max_pixels,
        layers=layers,
        seed=seed,
        revision=revision,
        name=name,
        size_b=size_b,
        stage=stage,
        step=step,
        batch_size=batch_size,
        shard_size=shard_size,
        device=device,
    )
    if check:
        return _check_runs(check)
    check_choice("--dtype", dtype, DTYPES)
    check_choice("--language-span", language_span, LANGUAGE_SPANS)
    check_choice("--letters", letters, LETTERS)
    check_choice("--on-bad", on_bad, ON_BAD)
    check_choice("--keep-items", keep_items, KEEP_ITEMS)
    if out is None:
        message = "--out is missing; give the folder for the run folders"
        raise UsageError(message)
    models, datasets = ([], []) if sweep is None else _read_sweep(sweep, device, quiet=quiet)
    labels = {"name": name, "size_b": size_b, "stage": stage, "step": step}
    _check_labels(labels, len(model or []))
    models += [
        ModelSpec(one, revision=revision, dtype=dtype, device=device, name=name, size_b=size_b, stage=stage, step=step)
        for one in model or []
    ]
    check_executor(executor, jobs, slurm, part)
    mapping = parse_mapping(columns) if columns else {}
    datasets += [parse_data(one, mapping, images) for one in data or []]
    datasets = [replace(spec, on_bad=on_bad or spec.on_bad, max_pixels=max_pixels) for spec in datasets]
    if status:
        return _status(models, datasets, out)
    if not models or not datasets:
        message = "nothing to run: give --model and --data, or --sweep; pid-extract --help shows an example"
        raise UsageError(message)
    if part is not None:
        models, datasets = select_part(part, models, datasets)
    config = ExtractionConfig(
        out, layers, seed, prompt, language_span, batch_size, shard_size, limit, keep_items, letters
    )
    if executor is not None:
        if preview is not None or check_data:
            raise UsageError(
                f"--{'check-data' if check_data else 'preview'} runs in this process; leave --executor out"
            )
        from pid_lvlm.extract.cli.as_jobs import extract_as_jobs

        options = JobOptions(executor, jobs, tuple(slurm or ()), job_arguments(sys.argv[1:]))
        return extract_as_jobs(models, datasets, config, options, dry_run=dry_run, quiet=quiet)
    if preview is not None:
        return _preview(models, datasets, config, preview, quiet=quiet)
    return _run(models, datasets, config, dry_run=dry_run or check_data, check_data=check_data, quiet=quiet)


def _read_sweep(path: Path, device: str, *, quiet: bool) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    from pid_lvlm.extract.cli.sweep_file import read_sweep

    return read_sweep(path, device, lambda note: None if quiet else typer.echo(f"note: {note}", err=True))


def _status(models: list[ModelSpec], datasets: list[DatasetSpec], out: Path) -> CommandResult:
    from pid_lvlm.extract.cli.as_jobs import show_status

    if bool(models) != bool(datasets):
        raise UsageError(
            "--status: give models and datasets, a --sweep, or only --out for the run folders that are there"
        )
    return show_status(models, datasets, out)


def _preview(
    models: list[ModelSpec], datasets: list[DatasetSpec], config: ExtractionConfig, count: int, *, quiet: bool
) -> CommandResult:
    from pid_lvlm.extract.run.jobs import preview_jobs
    from pid_lvlm.extract.run.progress import Reporter

    runs = preview_jobs(models, datasets, config, count, Reporter(quiet=quiet))
    typer.echo("\n".join(run.text for run in runs))
    return previewed(config.out, runs)


def _run(
    models: list[ModelSpec],
    datasets: list[DatasetSpec],
    config: ExtractionConfig,
    *,
    dry_run: bool,
    check_data: bool,
    quiet: bool,
) -> CommandResult:
    # Read when torch and tokenizers are imported. On a busy machine threads that spin while they wait made a small
    # model eight times slower than threads that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_freed_memory()
    from pid_lvlm.extract.run.jobs import plan_jobs, run_jobs
    from pid_lvlm.extract.run.progress import Reporter

    reporter = Reporter(quiet=quiet)
    if dry_run:
        runs = plan_jobs(models, datasets, config, reporter, every_item=check_data)
        typer.echo("\n\n".join(run.text for run in runs))
        return planned(config.out, runs)
    outcomes = run_jobs(models, datasets, config, reporter)
    for failure in outcomes.failures:
        typer.echo(f"failed: {failure.run}: {failure.error}", err=True)
    if outcomes.failures:
        typer.echo(f"{len(outcomes.failures)} of {len(models) * len(datasets)} runs failed", err=True)
    return finished(config.out, outcomes)


def _list_models() -> CommandResult:
    listed = model_types()
    width = max(len(one.model_type) for one in listed.models)
    for one in listed.models:
        typer.echo(f"{one.model_type:<{width}}  {', '.join(one.examples)}")
    typer.echo("Other vision-language models of transformers are tried too; they run if they pass a leak test first.")
    return listed


def _check_runs(folders: list[Path]) -> CommandResult:
    from pid_lvlm.data.contract.run_folder import validate_run

    faults = {folder: validate_run(folder) for folder in folders}
    for folder, found in faults.items():
        typer.echo(f"{folder}: {count(len(found), 'fault') if found else 'is valid'}")
        for fault in found:
            typer.echo(f"  - {fault}")
    return checked(faults)


def _check_labels(labels: Mapping[str, object], models: int) -> None:
    given = [name for name, value in labels.items() if value is not None]
    if given and models != 1:
        message = f"--{given[0].replace('_', '-')} labels one model, but {models} are given; use a --sweep file"
        raise UsageError(message)
