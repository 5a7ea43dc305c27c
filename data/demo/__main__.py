"""`python -m data.demo --out DIR`: the whole job on the shipped model whose answer is known.

Runs the three commands as a user would, each in its own process (torch and jax never meet in one), then prints the
planted against the estimated atoms, where everything is, and how long each step took. Standard library only.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ENTRY = "from {package}.cli import main; main()"


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m data.demo", description="Extract, estimate and report the demo.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for runs, table and report")
    parser.add_argument("--limit", type=int, help="only the first N items of each task, for a quick look")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per fit (default: 3)")
    options = parser.parse_args(arguments)
    seconds: list[tuple[str, float]] = []
    for name, command in steps(options.out, options.limit, options.seeds):
        print(f"\n== {name}: {' '.join(command[3:])}", flush=True)
        started = time.perf_counter()
        code = subprocess.run(command, check=False).returncode
        seconds.append((name, time.perf_counter() - started))
        if code != 0:
            print(f"demo: step `{name}` left with code {code}", file=sys.stderr)
            return code
    print_ending(options.out, seconds)
    return 0


def steps(out: Path, limit: int | None, seeds: int) -> list[tuple[str, list[str]]]:
    """Name and command line of every step."""
    runs, table, report = out / "runs", out / "results.parquet", out / "report"
    sweep = HERE / "sweep.toml"
    limited = [] if limit is None else ["--limit", str(limit)]
    return [
        ("extract", program("extract", "--sweep", sweep, "--out", runs, "--batch-size", "64", *limited)),
        ("estimate", program("pid_jax", runs, "--out", table, "--seeds", str(seeds), "--overwrite")),
        ("report", program("analysis", table, "--out", report, "--title", "Demo: a model whose answer is known")),
        ("check", [sys.executable, "-m", "analysis.check", str(table)]),
    ]


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
