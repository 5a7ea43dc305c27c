"""`pid-train`: parses the options; the work is elsewhere. Heavy imports wait until there is work to do."""

if __name__ == "__main__":  # before the imports: Ctrl-C must already work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.extract.training.two_stage.cli")

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pid_lvlm.data.bounds import WORKERS
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, DryRun, Quiet, Version, epilog, make_app
from pid_lvlm.data.command.result import CommandResult
from pid_lvlm.data.command.shown import shown_path

if TYPE_CHECKING:
    from pid_lvlm.extract.training.two_stage.speed import Speed
    from pid_lvlm.extract.training.two_stage.stage_trainer import Watch

app = make_app()


@dataclass(frozen=True, kw_only=True)
class Training(CommandResult):
    """A training that was done or planned: `done` counts its checkpoints, `skipped` those that already existed.

    Attributes:
        out: its folder.
        series: the file that lists its checkpoints, for `pid-extract --sweep`.
        checkpoints: folders of its checkpoints, in order; with `--dry-run`, those it would write.
        stages: what each stage does: records, steps, batches, trainable parameters, memory and disk.
    """

    out: Path
    series: Path
    checkpoints: tuple[Path, ...]
    stages: tuple[dict[str, Any], ...]


def main() -> NoReturn:
    """Entry point of the console script."""
    run_command("pid-train", app, extra="train", kept="checkpoints and a state to continue from are kept")


@app.command(
    epilog=epilog(
        "pid-train llava-1.5-7b --data-folder playground/data --out out/llava-7b --dry-run",
        "pid-train recipe.toml --out out/mine",
        "accelerate launch --num_processes 8 -m pid_lvlm.extract.training.two_stage.cli recipe.toml --out out/mine",
    )
)
def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="Recipe file, or the name of a built-in recipe.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Output folder for checkpoints, losses and the series file.", show_default=False
        ),
    ] = None,
    data_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Base folder for relative paths of data, images and models. Default: the recipe's folder.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu", help="`auto` uses the devices that accelerate finds; `cpu` uses none of them."
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes per device that prepare pictures while it computes. Default: 0 on a CPU, else 4.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of CPU threads; affects rounding. Default: torch's own.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe file and exit.")] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    version: Version = False,
) -> CommandResult | None:
    """Train a vision-language model stage by stage on files in LLaVA's conversation format, and save checkpoints.

    All records are checked before training starts. Repeat the command to resume an interrupted training.
    """
    from pid_lvlm.data.inputs.paths import is_there
    from pid_lvlm.extract.errors import UsageError
    from pid_lvlm.extract.options import check_choice
    from pid_lvlm.extract.training.two_stage.recipe import find_recipe, read_recipe

    path = find_recipe(recipe)
    if data_folder is not None and not (is_there(data_folder) and data_folder.is_dir()):
        raise UsageError(f"--data-folder: `{shown_path(data_folder)}` is not a folder; check the path")
    read = read_recipe(path, None if data_folder is None else data_folder.absolute())
    if show:
        typer.echo(path.read_text(encoding="utf-8").rstrip())
        return CommandResult(action="show", done=1)
    check_choice("--device", device, ("auto", "cpu"))
    for name, value, least in (("--workers", workers, 0), ("--threads", threads, 1)):
        if value is not None and not least <= value <= WORKERS.most:
            raise UsageError(f"{name} should be a number from {least} to {WORKERS.most}, found {value}")
    if out is None:
        raise UsageError("--out is missing; give the folder for the checkpoints")
    if file := next((place for place in (out, *out.parents) if is_there(place) and place.is_file()), None):
        raise UsageError(f"--out: `{shown_path(file)}` is a file; choose another folder")
    return _train(read, out, cpu=device == "cpu", workers=workers, threads=threads, dry_run=dry_run, quiet=quiet)


def _train(
    recipe: Any, out: Path, *, cpu: bool, workers: int | None, threads: int | None, dry_run: bool, quiet: bool
) -> Training | None:
    """The result of the training; None in all processes except the main one, which reports for all of them."""
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401

    # isort: split
    import torch
    from accelerate import PartialState
    from transformers.utils import logging

    from pid_lvlm.data.locks import locked
    from pid_lvlm.extract.training.two_stage.plan import check_space
    from pid_lvlm.extract.training.two_stage.training import prepare, run

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if threads is not None:
        torch.set_num_threads(threads)
    process = PartialState(cpu=cpu)
    is_main = process.is_main_process
    quiet = quiet or not is_main
    with _progress(quiet) as (checking, watch):
        prepared = prepare(recipe, process.num_processes, checking)
        if is_main and (dry_run or not quiet):
            lines = [line for plan in prepared.plans for line in plan.lines()]
            (sys.stdout if dry_run else sys.stderr).write("\n".join(lines) + "\n")
        if dry_run:
            check_space(out, prepared.plans, 0)
            return _result("dry-run", out, prepared, ()) if is_main else None
        on_cpu = process.device.type == "cpu"
        count = workers if workers is not None else 0 if on_cpu else min(4, os.cpu_count() or 1)
        with locked(out, "pid-train") if is_main else nullcontext():
            before = _there(out, prepared)
            kept = run(prepared, out, watch, cpu=cpu, workers=count)
    return _result("run", out, prepared, before, len(kept)) if is_main else None


def _planned(out: Path, prepared: Any) -> tuple[Path, ...]:
    from pid_lvlm.extract.training.two_stage.checkpoints import folder_name

    return tuple(
        out / folder_name(number, plan.name, step)
        for number, plan in enumerate(prepared.plans, start=1)
        for step in plan.checkpoints
    )


def _there(out: Path, prepared: Any) -> tuple[Path, ...]:
    return tuple(folder for folder in _planned(out, prepared) if folder.exists())


def _result(action: str, out: Path, prepared: Any, before: tuple[Path, ...], kept: int | None = None) -> Training:
    from dataclasses import asdict

    from pid_lvlm.extract.training.two_stage.checkpoints import SERIES

    planned = _planned(out, prepared)
    return Training(
        action=action,
        done=len(planned) if kept is None else max(kept - len(before), 0),
        skipped=len(before),
        out=out,
        series=out / SERIES,
        checkpoints=planned,
        stages=tuple(asdict(plan) for plan in prepared.plans),
    )


@contextmanager
def _progress(quiet: bool) -> "Iterator[tuple[Any, Watch]]":
    """A progress bar for each stage with loss, speed and time left; nothing if quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    from pid_lvlm.extract.training.two_stage.stage_trainer import Watch

    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    bar = Progress(*columns, console=console, disable=quiet)
    tasks: dict[str, TaskID] = {}
    paces: dict[str, str] = {}

    def show(name: str, done: int, total: int, told: str) -> None:
        if name not in tasks:
            bar.start()  # not earlier, or an error would follow an empty line
            tasks[name] = bar.add_task(name, total=total, told="")
        bar.update(tasks[name], completed=done, told=told)

    def step(stage: str, done: int, total: int, loss: float | None, left: float | None) -> None:
        parts = ("" if loss is None else f"loss {loss:.3f}", paces.get(stage, ""))
        time_left = "" if left is None else f"{_duration(left)} left"
        show(f"train {stage}", done, total, ", ".join(part for part in (*parts, time_left) if part))

    def speed(stage: str, found: "Speed") -> None:
        paces[stage] = f"{found.tokens_per_second:,.0f} tokens/s"

    try:
        yield lambda stage, done, total: show(f"check {stage}", done, total, ""), Watch(step, console.print, speed)
    finally:
        if tasks:
            bar.stop()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
