"""A parser fuzzed for some time: workers one after another, where one dies; findings by their cause."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import ROOT
from tests.hostile.fuzz.worker import CURRENT

WORKER: Final = ("-m", "tests.hostile.fuzz.worker")
"""What Python runs as a worker, followed by parser, seed, seconds and folder."""


@dataclass
class Finding:
    """What has one cause: how often it was seen, a file that shows it, and what happened."""

    key: str
    count: int
    file: str
    text: str


@dataclass
class Campaign:
    """What was tried, and what was found."""

    target: str
    seed: int
    findings: dict[str, Finding] = field(default_factory=dict)
    cases: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    deaths: int = 0

    def add(self, key: str, text: str, file: Path | None, keep: Path) -> None:
        """Count a finding; of each cause the first file is kept."""
        if key in self.findings:
            self.findings[key].count += 1
            return
        kept = keep / f"{self.target}--{len(self.findings)}--{'' if file is None else file.name[-80:]}"
        if file is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, kept)
        self.findings[key] = Finding(key, 1, str(kept), text)

    def summary(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "target": self.target,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "cases": self.cases,
            "cases_per_second": round(self.cases / max(self.seconds, 1e-9), 1),
            "refused": self.refused,
            "slowest_seconds": round(self.slowest, 2),
            "peak_mb_above_start": round(self.peak / 2**20),
            "deaths": self.deaths,
            "findings": [
                {"key": each.key, "count": each.count, "file": each.file, "text": each.text[-3000:]}
                for each in self.findings.values()
            ],
        }


def run_campaign(
    target: str, seed: int, seconds: float, keep: Path, worker: Sequence[str] = WORKER, cases: int = sys.maxsize
) -> Campaign:
    """Fuzz a parser for some seconds, not counting those in which a worker starts, or for some cases.

    Args:
        target: one of `TARGETS`.
        seed: of the first worker; each that follows has its own.
        seconds: how long.
        keep: where files that show a finding are put.
        worker: see `WORKER`.
        cases: how many at most.
    """
    campaign = Campaign(target, seed)
    for number in range(1000):
        left = seconds - campaign.seconds
        if left <= 0 or campaign.cases >= cases:
            break
        with tempfile.TemporaryDirectory(prefix="pid-fuzz-") as folder:
            limits = (str(left), str(cases - campaign.cases))
            _run_worker(campaign, seed + 1_000_003 * number, limits, Path(folder), keep, worker)
    return campaign


def _run_worker(
    campaign: Campaign, seed: int, limits: tuple[str, str], folder: Path, keep: Path, worker: Sequence[str]
) -> None:
    command = [sys.executable, *worker, campaign.target, str(seed), str(folder), *limits]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2", "HF_HUB_OFFLINE": "1"}
    environment |= {"JAX_PLATFORMS": "cpu", "TMPDIR": str(folder)}
    counts = {"cases": 0, "refused": 0, "slowest": 0.0, "peak": 0}
    first: float | None = None
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            first = first or time.monotonic()
            told = json.loads(line)
            counts = told.get("counts", counts)
            if "finding" in told:
                file = Path(told["file"]) if told["file"] else None
                campaign.add(told["finding"]["key"], told["finding"]["text"], file, keep)
    code = process.returncode
    log = (folder / "log.txt").read_text(errors="replace")
    if first is None:
        raise RuntimeError(f"the worker for {campaign.target} did not start (exit {code}): {log[-3000:]}")
    if code == 1 and "worker.py" in log:
        raise RuntimeError(f"the worker for {campaign.target} failed: {log[-3000:]}")
    if code:
        campaign.deaths += 1
        name = (folder / CURRENT).read_text()
        campaign.add(f"process died with {code} {_cause(log)}", log, folder / "work" / name, keep)
    campaign.cases += counts["cases"]
    campaign.refused += counts["refused"]
    campaign.slowest = max(campaign.slowest, counts["slowest"])
    campaign.peak = max(campaign.peak, counts["peak"])
    campaign.seconds += time.monotonic() - first


def _cause(log: str) -> str:
    """The first place of ours in a log, or what was said first."""
    ours = [
        f"{file}:{line}"
        for file, line in re.findall(rf'File "{re.escape(str(ROOT))}/([^"]+)", line (\d+)', log)
        if not file.startswith(("tests/", ".venv"))
    ]
    if ours:
        return f"at {ours[0]}"
    return re.sub(r"\d+", "…", next((line for line in log.splitlines() if line.strip()), ""))[:120]
