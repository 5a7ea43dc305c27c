"""All checks that need a GPU in one command: about ten minutes on one with 80 GB.

Each check is a command of this folder in its own process, with a time limit. Its results are appended to `gpu.jsonl` as
soon as it ends, so nothing is lost if the machine is only available for minutes. A failure does not stop the other
checks. Example: python -m benchmarks.gpu --out out/gpu --seconds 480
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

GOLDEN: Final = sorted(str(path) for path in (Path(__file__).parents[1] / "tests" / "golden").glob("*.npz"))
FINE, FAILED, TOO_LATE = "ok", "failed", "stopped at its limit"


@dataclass(frozen=True)
class Check:
    """One command.

    Attributes:
        name: name of the check and of its log.
        limit: seconds after which it is stopped.
        command: module and arguments.
        needs: the check that it depends on.
    """

    name: str
    limit: int
    command: tuple[str, ...]
    needs: str | None = None


def checks(scratch: Path) -> list[Check]:
    """The checks, most important first.

    Args:
        scratch: folder for a checkpoint of 14 GB.
    """
    real = ("--model", str(scratch / "llava-7b"), "--data", str(scratch / "items.jsonl"), "--json")
    layers = ("benchmarks.layers", "--layers", "32", "--json")
    return [
        Check("scores", 120, ("benchmarks.device_scores", "--json")),
        Check("checkpoint", 150, ("benchmarks.real_size", "--out", str(scratch), "--per-picture", "4")),
        Check(
            "extract",
            200,
            ("benchmarks.extract", *real, "--items", "64", "--batch-size", "32", "--repeat", "1", "--crossed", "8"),
            needs="checkpoint",
        ),
        Check("cold", 120, ("benchmarks.grid", "--cold")),
        Check("exact", 90, (*layers, "--seeds", "1", "--", "--estimator", "exact", "--cache", "off")),
        Check("batch", 90, (*layers, "--seeds", "5", "--", "--estimator", "batch", "--cache", "off")),
        Check("large", 120, ("benchmarks.exact", "--cases", "regimes", "large", "huge", "--json")),
        Check("golden", 120, ("tests.golden", *GOLDEN)),
        Check("grid", 240, ("benchmarks.grid", "--repeat", "1", "--json")),
        Check("train", 300, ("benchmarks.train", "--json")),
    ]


def run(check: Check, log: Path, limit: float) -> dict[str, Any]:
    """Run one check; returns its last output, as JSON if it is JSON."""
    started = time.perf_counter()
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    with log.open("w", encoding="utf-8") as output:
        try:
            code: int | None = subprocess.run(
                [sys.executable, "-m", *check.command],
                stdout=output, stderr=subprocess.STDOUT, env=environment, timeout=limit, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {
        "check": check.name,
        "command": " ".join(("python", "-m", *check.command)),
        "ended": TOO_LATE if code is None else FINE if code == 0 else FAILED,
        "seconds": round(time.perf_counter() - started, 1),
        "printed": _as_json(lines[-12:]),
    }


def _as_json(lines: Sequence[str]) -> Any:
    """The last line if it is JSON, else the lines."""
    try:
        return json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        return list(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; exit code 1 if one did not succeed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for `gpu.jsonl` and a log of each check")
    parser.add_argument("--scratch", type=Path, help="folder with 50 GB for checkpoints; default: inside --out")
    parser.add_argument(
        "--seconds", type=float, default=1800, help="total time; checks that would start later are left out"
    )
    parser.add_argument("--only", nargs="+", metavar="CHECK", help="only these, in their usual order")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run nothing")
    given = parser.parse_args(arguments)
    planned = checks(given.scratch or given.out / "scratch")
    names = [check.name for check in planned]
    if unknown := set(given.only or ()) - set(names):
        parser.error(f"--only: unknown check {', '.join(sorted(unknown))}; expected {', '.join(names)}")
    chosen = [check for check in planned if given.only is None or check.name in given.only]
    if given.dry_run:
        print("\n".join(f"{check.name}: python -m {' '.join(check.command)}" for check in chosen))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    return _run_all(chosen, given.out, time.monotonic() + given.seconds)


def _run_all(chosen: Sequence[Check], out: Path, end: float) -> int:
    ended: dict[str, str] = {}
    with (out / "gpu.jsonl").open("a", encoding="utf-8") as table:
        for check in chosen:
            left = end - time.monotonic()
            if left <= 0 or ended.get(check.needs or "", FINE) != FINE:
                ended[check.name] = "left out"
                print(f"{check.name}: left out", flush=True)
                continue
            line = run(check, out / f"{check.name}.log", min(check.limit, left))
            ended[check.name] = line["ended"]
            print(json.dumps(line), file=table, flush=True)
            print(json.dumps(line), flush=True)
    return 0 if set(ended.values()) == {FINE} else 1


if __name__ == "__main__":
    sys.exit(main())
