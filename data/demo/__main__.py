"""`python -m pid_lvlm.data.demo --out DIR`: the whole job on the shipped model whose answer is known.

Runs the three commands as a user would, each in its own process (torch and jax never meet in one), then prints the
ground truth against estimated atoms, where everything is, and how long each step took. Standard library only.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pid_lvlm.data.command.console import EXIT_WITH_FAILURES, run_command

HERE = Path(__file__).parent
MODULES = {
    "pid-extract": "pid_lvlm.extract.cli.main",
    "pid-estimate": "pid_jax.cli.main",
    "pid-report": "pid_lvlm.analysis.cli",
}
PROCESSES = max(1, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class Step:
    """One step: command lines as a user would type them, which run at the same time."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m pid_lvlm.data.demo", description="Extract, estimate and report the demo."
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for runs, table and report")
    parser.add_argument("--sweep", type=Path, default=HERE / "sweep.toml", help="what to extract (default: the demo's)")
    parser.add_argument("--limit", type=int, help="only the first N items of each task; estimates need 342")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per fit (default: 3)")
    options = parser.parse_args(arguments)
    seconds: list[tuple[str, float]] = []
    for step in steps(options.out, options.sweep, options.limit, options.seeds):
        print(f"\n== {step.name}: {shlex.join(step.commands[0])}", flush=True)
        if len(step.commands) > 1:
            print(f"{len(step.commands)} processes share the runs; the first one shows its progress", flush=True)
        started = time.perf_counter()
        code = run_together(step.commands)
        seconds.append((step.name, time.perf_counter() - started))
        if code != 0:
            print(f"demo: step `{step.name}` left with code {code}", file=sys.stderr)
            return code
    print_ending(options.out, seconds)
    return 0


def steps(out: Path, sweep: Path, limit: int | None, seeds: int) -> list[Step]:
    """The steps in their order."""
    runs, table, report = str(out / "runs"), str(out / "results.parquet"), str(out / "report")
    limited = () if limit is None else ("--limit", str(limit))
    extract = ("pid-extract", "--sweep", str(sweep), "--out", runs, "--batch-size", "64", *limited)
    # A small model cannot use two cores, two processes can.
    parts = [("--part", f"{i}/{PROCESSES}") + (() if i == 1 else ("--quiet",)) for i in range(1, PROCESSES + 1)]
    return [
        Step("extract", tuple(extract + part for part in parts)),
        Step("estimate", (("pid-estimate", runs, "--out", table, "--seeds", str(seeds), "--overwrite"),)),
        Step("report", (("pid-report", table, "--out", report, "--title", "Demo: a model whose answer is known"),)),
        Step("check", (("python", "-m", "pid_lvlm.analysis.check", table),)),
    ]


def run_together(commands: Sequence[Sequence[str]]) -> int:
    """Run commands at the same time, one thread each where there are several; the first exit code that is not 0."""
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if len(commands) > 1 else {})
    running = [subprocess.Popen(runnable(command), env=environment) for command in commands]
    failed = [code for code in [process.wait() for process in running] if code != 0]
    # A process that a signal ended has a negative code, which would not survive as an exit code.
    return max(failed[0], EXIT_WITH_FAILURES) if failed else 0


def runnable(command: Sequence[str]) -> list[str]:
    """The command with this interpreter in place of its name, so that it works whatever the PATH is."""
    name, *arguments = command
    if name == "python":
        return [sys.executable, *arguments]
    return [sys.executable, "-c", f"from {MODULES[name]} import main; main()", *arguments]


def print_ending(out: Path, seconds: Sequence[tuple[str, float]]) -> None:
    """Where the files are and how long each step took."""
    print(f"\nrun folders   {out / 'runs'}")
    print(f"result table  {out / 'results.parquet'}")
    print(f"report        {out / 'report' / 'index.html'}")
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in seconds)
    print(f"time          {spent}, together {sum(value for _, value in seconds):.0f} s")


if __name__ == "__main__":
    run_command(lambda: sys.exit(main()))
