"""`python -m data.demo --out DIR`: the whole job on the shipped model whose answer is known.

Runs the three commands as a user would, each in its own process (torch and jax never meet in one), then prints the
planted against the estimated atoms, where everything is, and how long each step took. Standard library only.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ENTRY = "from {package}.cli import main; main()"
PROCESSES = max(1, min(4, os.cpu_count() or 1))


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m data.demo", description="Extract, estimate and report the demo.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for runs, table and report")
    parser.add_argument("--limit", type=int, help="only the first N items of each task, for a quick look")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per fit (default: 3)")
    options = parser.parse_args(arguments)
    seconds: list[tuple[str, float]] = []
    for name, commands in steps(options.out, options.limit, options.seeds):
        print(f"\n== {name}: {' '.join(commands[0][2:])}", flush=True)
        started = time.perf_counter()
        code = run_together(commands)
        seconds.append((name, time.perf_counter() - started))
        if code != 0:
            print(f"demo: step `{name}` left with code {code}", file=sys.stderr)
            return code
    print_ending(options.out, seconds)
    return 0


def steps(out: Path, limit: int | None, seeds: int) -> list[tuple[str, list[list[str]]]]:
    """Name and command lines of every step; the commands of one step run at the same time."""
    runs, table, report = out / "runs", out / "results.parquet", out / "report"
    limited = [] if limit is None else ["--limit", str(limit)]
    extract = ["--sweep", HERE / "sweep.toml", "--out", runs, "--batch-size", "64", *limited]
    # A small model cannot use two cores, two processes can.
    parts = [["--part", f"{i}/{PROCESSES}"] + ([] if i == 1 else ["--quiet"]) for i in range(1, PROCESSES + 1)]
    return [
        ("extract", [program("extract", *extract, *part) for part in parts]),
        ("estimate", [program("pid_jax", runs, "--out", table, "--seeds", seeds, "--overwrite")]),
        ("report", [program("analysis", table, "--out", report, "--title", "Demo: a model whose answer is known")]),
        ("check", [[sys.executable, "-m", "analysis.check", str(table)]]),
    ]


def run_together(commands: list[list[str]]) -> int:
    """Run commands at the same time, one thread each where there are several; the largest exit code."""
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if len(commands) > 1 else {})
    running = [subprocess.Popen(command, env=environment) for command in commands]
    return max(process.wait() for process in running)


def program(package: str, *arguments: object) -> list[str]:
    """A console script of this project as a command line that works whatever the PATH is."""
    return [sys.executable, "-c", ENTRY.format(package=package), *map(str, arguments)]


def print_ending(out: Path, seconds: list[tuple[str, float]]) -> None:
    """Where the files are and how long each step took."""
    print(f"\nrun folders   {out / 'runs'}")
    print(f"result table  {out / 'results.parquet'}")
    print(f"report        {out / 'report' / 'index.html'}")
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in seconds)
    print(f"time          {spent}, together {sum(value for _, value in seconds):.0f} s")


if __name__ == "__main__":
    sys.exit(main())
