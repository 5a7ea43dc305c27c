"""`pid-extract`: options in, work elsewhere. Nothing heavy is imported until there is work to do."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pid_lvlm.data.command.console import EXIT_BAD_INPUT, EXIT_WITH_FAILURES, run_command
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.contract.run_folder import validate_run
from pid_lvlm.extract.cli.sweep_file import read_sweep, select_part
from pid_lvlm.extract.config import (
    ALL_LAYERS,
    DTYPES,
    LANGUAGE_SPANS,
    ON_BAD,
    SPAN_ALL,
    DatasetSpec,
    ExtractionConfig,
    ModelSpec,
)
from pid_lvlm.extract.datasets.benchmarks.registry import describe_benchmarks, parse_data
from pid_lvlm.extract.datasets.column_mapping import parse_mapping
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.models.registry import ADAPTERS
from pid_lvlm.extract.run.malloc import keep_freed_memory

EPILOG = """
Example: pid-extract --model llava-hf/llava-1.5-7b-hf --data mmbench=MMBench_DEV_EN.tsv --out runs

Example: pid-extract --sweep data/demo/sweep.toml --out out/runs --limit 64 --dry-run
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

WHAT, NUMBERS, NAMES, WORK = "What to run", "What is measured", "How runs are labelled", "How it runs"


def main() -> None:
    """Entry point of the console script."""
    run_command(app)


@app.command(epilog=EPILOG)
def extract(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Hub id or checkpoint folder. Repeat for several.", rich_help_panel=WHAT),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Items: a file, folder or card; hf:OWNER/NAME:SPLIT; NAME=FILE for a known benchmark. Repeat.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(help="TOML file with \\[\\[models]] and \\[\\[datasets]] tables.", rich_help_panel=WHAT),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for run folders, one per model and dataset.", rich_help_panel=WHAT),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="field=column,… e.g. question=Q,options=A|B|C|D,answer=label. Fields: id, group, image, question, "
            "options, answer, hint, raw.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the pictures. Default: the data file's folder.", rich_help_panel=WHAT),
    ] = None,
    on_bad: Annotated[
        str | None,
        typer.Option(
            help="Rows that cannot become an item: `error` lists them and stops, `skip` leaves them out. "
            "Default: the card's, else error.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N items of each dataset.", rich_help_panel=WHAT)
    ] = None,
    layers: Annotated[
        str,
        typer.Option(help="`all`, `last`, or numbers such as 8,16,32 (1 is the first block).", rich_help_panel=NUMBERS),
    ] = ALL_LAYERS,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Prompt template: letters, paper, plain, vlmeval or raw. Default: the dataset's, else letters.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    language_span: Annotated[
        str,
        typer.Option(help="Source 2: `all` of the user's text, or `question_options`.", rich_help_panel=NUMBERS),
    ] = SPAN_ALL,
    seed: Annotated[int, typer.Option(help="Seed of the replacement noise.", rich_help_panel=NUMBERS)] = 0,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="float32, bfloat16 or float16. Default: float32 on a CPU, else the checkpoint's.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of a hub model.", rich_help_panel=NUMBERS)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model in tables. Default: its id or folder.", rich_help_panel=NAMES)
    ] = None,
    size_b: Annotated[
        float | None, typer.Option(help="Size in 1e9 parameters. Default: counted.", rich_help_panel=NAMES)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Training stage of a checkpoint.", rich_help_panel=NAMES)] = None,
    step: Annotated[int | None, typer.Option(help="Training step of a checkpoint.", rich_help_panel=NAMES)] = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, help="Samples per forward pass; changes numbers by rounding only.", rich_help_panel=WORK),
    ] = 16,
    shard_size: Annotated[
        int,
        typer.Option(
            min=1, help="Samples per file; an interrupted run continues after the last.", rich_help_panel=WORK
        ),
    ] = 256,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, …; auto takes a GPU if there is one.", rich_help_panel=WORK)
    ] = "auto",
    part: Annotated[
        str | None,
        typer.Option(
            help="Only part i/n of the models (or datasets), e.g. 2/8: for several processes or a job array.",
            rich_help_panel=WORK,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, write nothing.", rich_help_panel=WORK)
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Write only prompts, spans, letters and pictures of the first N items to --out. Loads no weights.",
            rich_help_panel=WORK,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.", rich_help_panel=WORK)] = False,
    check: Annotated[
        list[Path] | None,
        typer.Option(help="Validate a run folder and list every fault. Repeat.", rich_help_panel="Instead of running"),
    ] = None,
    list_models: Annotated[
        bool,
        typer.Option("--list-models", help="Model types that can be read.", rich_help_panel="Instead of running"),
    ] = False,
    list_datasets: Annotated[
        bool,
        typer.Option(
            "--list-datasets",
            help="Known benchmarks and where their files come from.",
            rich_help_panel="Instead of running",
        ),
    ] = False,
) -> None:
    """Run vision-language models on multiple-choice items with picture, question, or neither replaced by noise.

    Writes one run folder per model and dataset for pid-estimate. Run the same command again to continue an
    interrupted one. Exit codes: 0 done, 1 some runs failed, 2 bad usage or input, 130 interrupted.
    """
    if list_models:
        _list_models()
        return
    if list_datasets:
        typer.echo(describe_benchmarks())
        return
    if check:
        _check_runs(check)
        return
    _check_choice("--dtype", dtype, DTYPES)
    _check_choice("--language-span", language_span, LANGUAGE_SPANS)
    _check_choice("--on-bad", on_bad, ON_BAD)
    if out is None:
        message = "--out is missing: the folder for the run folders"
        raise UsageError(message)
    models, datasets = ([], []) if sweep is None else read_sweep(sweep, device)
    labels = {"name": name, "size_b": size_b, "stage": stage, "step": step}
    _check_labels(labels, len(model or []))
    models += [
        ModelSpec(one, revision=revision, dtype=dtype, device=device, name=name, size_b=size_b, stage=stage, step=step)
        for one in model or []
    ]
    mapping = parse_mapping(columns) if columns else {}
    datasets += [parse_data(one, mapping, images) for one in data or []]
    datasets = [replace(spec, on_bad=on_bad or spec.on_bad) for spec in datasets]
    if not models or not datasets:
        message = "nothing to run: give --model and --data, or --sweep; pid-extract --help shows an example"
        raise UsageError(message)
    if part is not None:
        models, datasets = select_part(part, models, datasets)
    config = ExtractionConfig(out, layers, seed, prompt, language_span, batch_size, shard_size, limit)
    if preview is not None:
        _preview(models, datasets, config, preview, quiet=quiet)
        return
    _run(models, datasets, config, dry_run=dry_run, quiet=quiet)


def _preview(
    models: list[ModelSpec], datasets: list[DatasetSpec], config: ExtractionConfig, count: int, *, quiet: bool
) -> None:
    from pid_lvlm.extract.run.jobs import preview_jobs
    from pid_lvlm.extract.run.progress import Reporter

    previews = preview_jobs(models, datasets, config, count, Reporter(quiet=quiet))
    typer.echo("\n".join(run.text for run in previews))


def _run(
    models: list[ModelSpec], datasets: list[DatasetSpec], config: ExtractionConfig, *, dry_run: bool, quiet: bool
) -> None:
    # Read when torch and tokenizers are imported. On a busy machine threads that spin while they wait made a small
    # model eight times slower than threads that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_freed_memory()
    from pid_lvlm.extract.run.jobs import plan_jobs, run_jobs
    from pid_lvlm.extract.run.progress import Reporter

    reporter = Reporter(quiet=quiet)
    if dry_run:
        typer.echo("\n\n".join(run.text for run in plan_jobs(models, datasets, config, reporter)))
        return
    failures = run_jobs(models, datasets, config, reporter).failures
    for failure in failures:
        typer.echo(f"failed: {failure.run}: {failure.error}", err=True)
    if failures:
        typer.echo(f"{len(failures)} of {len(models) * len(datasets)} runs failed", err=True)
        sys.exit(EXIT_WITH_FAILURES)


def _list_models() -> None:
    width = max(map(len, ADAPTERS))
    for model_type, entry in sorted(ADAPTERS.items()):
        typer.echo(f"{model_type:<{width}}  {', '.join(entry.examples)}")
    typer.echo("Other vision-language models of transformers are tried, and run if they pass a leak test first.")


def _check_runs(folders: list[Path]) -> None:
    bad = 0
    for folder in folders:
        faults = validate_run(folder)
        bad += bool(faults)
        typer.echo(f"{folder}: {f'{len(faults)} faults' if faults else 'is valid'}")
        for fault in faults:
            typer.echo(f"  - {fault}")
    if bad:
        sys.exit(EXIT_BAD_INPUT)


def _check_choice(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        message = f"{option}: unknown value `{value}`; {suggestion(value, known)}"
        raise UsageError(message)


def _check_labels(labels: Mapping[str, object], models: int) -> None:
    given = [name for name, value in labels.items() if value is not None]
    if given and models != 1:
        message = f"--{given[0].replace('_', '-')} labels one model, but {models} are given; use a --sweep file"
        raise UsageError(message)
