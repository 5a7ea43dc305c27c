"""`python -m pid_lvlm.data.demo --out DIR`: the whole pipeline on the shipped models, whose ground truth is known.

Runs the three commands as a user would, each in its own process (torch and jax never share one). Then prints the
ground truth next to the atoms of every estimator, the paths of all outputs, and the time of each step.
"""

if __name__ == "__main__":  # before the imports: Ctrl-C must already work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.data.demo.__main__")

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import Version, epilog, make_app
from pid_lvlm.data.command.result import EXIT_DONE, EXIT_WITH_FAILURES
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.text import TextError, parse_json, parse_toml, read_text
from pid_lvlm.data.locks import locked

HERE = Path(__file__).parent
SWEEP = HERE / "sweep.toml"
CHECKPOINTS = HERE / "checkpoints"
"""Only in a clone of the repository: wheels do not contain them."""
MODULES = {
    "pid-extract": "pid_lvlm.extract.cli.main",
    "pid-estimate": "pid_jax.cli.main",
    "pid-report": "pid_lvlm.analysis.cli",
}
QUICK = ("--interval", "items-uncorrected", "--no-spread")
"""Skips the half samples and the other ways to one P(Y), which take several times as long as the rest together."""
FINE = ("--estimator", "exact", "--layers", "last", "--tol-bits", "2e-5")
"""Atoms of single items need a narrower certified interval than those of a whole run. Only for final checkpoints."""
CROSSED = ("--ablation", "crossed", "--estimator", "exact", "--layers", "last")
"""Crossed pairs, appended to the table. The correction for their number needs fits on subsets of them."""
PROCESSES = max(1, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class Step:
    """One step: command lines as a user would type them, run at the same time.

    Attributes:
        name: of the step.
        commands: the command lines.
        about: what to print if there are several.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    about: str = ""


class NoCheckpointsError(PidError):
    """The demo's checkpoints are missing."""


app = make_app(completion=False)


@app.command(
    epilog=epilog(
        "python -m pid_lvlm.data.demo --out out/demo",
        "python -m pid_lvlm.data.demo --out out/quick --limit 400 --seeds 1",
        failing="a step failed or an estimate is off",
    )
)
def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Output folder for the run folders, the table and the report.")
    ] = Path("out/demo"),
    sweep: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Sweep file to extract. Default: the demo's.", show_default=False),
    ] = SWEEP,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Only the first N items of each dataset; the estimate needs at least 342."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Number of seeds for each fit.")] = 3,
    items: Annotated[bool, typer.Option("--items/--no-items", help="Whether the report shows single items.")] = True,
    version: Version = False,
) -> int:
    """Extract, estimate and report on the shipped models, and compare the result with their known ground truth.

    The exit code is that of the first failing step.
    """
    if sweep == SWEEP and not CHECKPOINTS.is_dir():
        raise NoCheckpointsError(
            "The demo's checkpoints are not installed with the package. Run the demo in a clone of the repository, "
            "which has them in data/demo/checkpoints, or name another sweep file with --sweep."
        )
    with locked(out, "python -m pid_lvlm.data.demo"):
        return run_steps(out, steps(out, sweep, limit, seeds, items=items))


def run_steps(out: Path, wanted: Sequence[Step]) -> int:
    """Run the steps one after another; returns the first nonzero exit code."""
    spent: list[tuple[str, float]] = []
    for step in wanted:
        print(f"\n== {step.name}: {shlex.join(step.commands[0])}", flush=True)
        if len(step.commands) > 1:
            print(f"{len(step.commands)} {step.about}; the first one shows its progress", flush=True)
        started = time.perf_counter()
        code = run_together(step.commands)
        spent.append((step.name, time.perf_counter() - started))
        if code != 0:
            print(f"demo: step `{step.name}` ended with exit code {code}", file=sys.stderr)
            return code
    print_ending(out, spent)
    return EXIT_DONE


def steps(out: Path, sweep: Path, limit: int | None, seeds: int, *, items: bool = True) -> list[Step]:
    """The steps in order, with or without those for single items."""
    runs, table, report = str(out / "runs"), str(out / "results.parquet"), str(out / "report")
    pointwise, influences = str(out / "items.parquet"), str(out / "influences.parquet")
    # Differences between checkpoints and layers are paired item by item; single items need a finer solution.
    paired = ("--pointwise", influences) if items else ()
    limited = () if limit is None else ("--limit", str(limit))
    extract = ("pid-extract", "--sweep", str(sweep), "--out", runs, "--batch-size", "128", *limited)
    # A small model cannot use two cores; two processes can.
    parts = [("--part", f"{i}/{PROCESSES}") + (() if i == 1 else ("--quiet",)) for i in range(1, PROCESSES + 1)]
    crossed = crossed_runs(out / "runs", sweep)
    estimate = ("pid-estimate", runs, "--out", table, *paired, "--seeds", str(seeds), *QUICK, "--overwrite")
    exact = ("pid-estimate", *final_runs(out / "runs", sweep), "--out", str(out / "exact.parquet"))
    single = (*exact, "--pointwise", pointwise, *FINE, *QUICK, "--overwrite", "--quiet")
    return [
        Step("extract", tuple(extract + part for part in parts), "processes share the runs"),
        # One estimate leaves a core idle at times.
        Step("estimate and items", (estimate, single), "estimates, each into its own table")
        if items
        else Step("estimate", (estimate,)),
        *([Step("crossed", (("pid-estimate", *crossed, "--out", table, *CROSSED),))] if crossed else []),
        Step(
            "report",
            (
                ("pid-report", table, "--out", report, "--title", "Demo: models whose ground truth is known")
                + (("--pointwise", pointwise, *paired, "--runs", runs) if items else ())
                + tuple(argument for folder in trainings(sweep) for argument in ("--losses", str(folder))),
            ),
        ),
        Step("check", (("python", "-m", "pid_lvlm.analysis.check", table),)),
    ]


def final_runs(runs: Path, sweep: Path) -> list[str]:
    """Patterns for the run folders of a sweep file's final checkpoints; the folder of all runs if none is final."""
    final = {f"*__{each['stage']}-{each['step']}" for each in _models(sweep, "stage", "step") if each.get("final")}
    return [str(runs / name) for name in sorted(final)] or [str(runs)]


def crossed_runs(runs: Path, sweep: Path) -> list[str]:
    """Patterns for the run folders with crossed pairs."""
    models = [each for each in _models(sweep, "name", "stage", "step") if each.get("crossed")]
    return [str(runs / f"{each['name']}__*__{each['stage']}-{each['step']}") for each in models]


def trainings(sweep: Path) -> list[Path]:
    """Folders next to a sweep file that hold the training losses of one of its models, as written by `pid-train`."""
    names = [each["name"] for each in _models(sweep, "name")]
    found = sorted(path.parent for path in (sweep.parent / "training").glob("*/losses.jsonl"))
    return [folder for folder in found if _trained_model(folder) in names]


def _trained_model(folder: Path) -> Any:
    """A training's name for its model; None if it has none, in which case its losses cannot be shown."""
    try:
        return parse_json(read_text(folder / "training.json"))["recipe"]["name"]
    except (OSError, TextError, TypeError, KeyError):
        return None


def _models(sweep: Path, *keys: str) -> list[dict[str, Any]]:
    """A sweep file's models that have these keys; none if it cannot be read, which `pid-extract` reports."""
    try:
        models = parse_toml(read_text(sweep)).get("models", [])
        return [each for each in models if all(key in each for key in keys)]
    except (OSError, TextError, TypeError, AttributeError):
        return []


def run_together(commands: Sequence[Sequence[str]]) -> int:
    """Run commands at the same time, with one thread each if there are several; returns the first nonzero exit code."""
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if len(commands) > 1 else {})
    running = [subprocess.Popen(runnable(command), env=environment) for command in commands]
    try:
        failed = [code for code in [process.wait() for process in running] if code != 0]
    except BaseException:
        for process in running:
            process.terminate()
        raise
    # A process killed by a signal has a negative code, which is not a valid exit code.
    return max(failed[0], EXIT_WITH_FAILURES) if failed else 0


def runnable(command: Sequence[str]) -> list[str]:
    """The command with this interpreter in place of its name, so that it does not depend on PATH."""
    name, *arguments = command
    if name == "python":
        return [sys.executable, *arguments]
    return [sys.executable, "-m", MODULES[name], *arguments]


def print_ending(out: Path, seconds: Sequence[tuple[str, float]]) -> None:
    """Print where the files are and how long each step took."""
    print(f"\nrun folders   {out / 'runs'}")
    print(f"result table  {out / 'results.parquet'}")
    print(f"report        {out / 'report' / 'index.html'}")
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in seconds)
    print(f"time          {spent}, together {sum(value for _, value in seconds):.0f} s")


def main() -> NoReturn:
    """Run the command."""
    run_command("python -m pid_lvlm.data.demo", app, needs_arguments=False)
