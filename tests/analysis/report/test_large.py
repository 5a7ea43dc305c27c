"""Reports of large tables: the page stays small, and so does the memory that it takes to make it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pid_lvlm.data.contract.table.result_table import SCHEMA
from tests import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import resource, sys
from pathlib import Path
from pid_lvlm.analysis.report.build import build_report
build_report([Path("r.parquet")], Path("report"), title="x", formats=["svg", "png", "pdf"])
print(*[line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM")])
"""


def _report(frame: pl.DataFrame, folder: Path) -> tuple[str, int]:
    """The page, and the most memory that making it took, in MiB."""
    frame.cast(dict(SCHEMA)).write_parquet(folder / "r.parquet")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return (folder / "report" / "index.html").read_text(), int(done.stdout) // 1024


def _grid(row: dict, models: int, datasets: int, layers: int) -> pl.DataFrame:
    number = pl.int_range(pl.len())
    model, dataset = number // (datasets * layers), number // layers % datasets
    one = pl.DataFrame([row], schema=SCHEMA)
    return pl.concat([one] * (models * datasets * layers), rechunk=True).with_columns(
        problem_id=pl.format("p{}", number),
        run=pl.format("r{}", number // layers),
        model=pl.format("family{}-{}b", model % 7, model // 7),
        family=pl.format("family{}", model % 7),
        dataset=pl.format("dataset{}", dataset),
        layer=number % layers + 1,
        num_layers=layers,
        accuracy=model % 97 / 97,
        synergy_raw=0.3 + (number * 7919 % 100_003) / 400_000,
    )


@pytest.mark.parametrize(("models", "datasets", "layers"), [(28, 4, 32), (4_000, 1, 25)])
def test_a_large_table_has_a_small_page(make_exact, tmp_path, models, datasets, layers):
    page, memory = _report(_grid(make_exact("d"), models, datasets, layers), tmp_path)
    assert len(page.encode()) < 5_000_000
    assert memory < 1536
    assert f"{models:,} models" in page or f"{models} models" in page
    shown = {int(number.replace(",", "")) for number in re.findall(r"Drawn here: ([\d,]+) of [\d,]+ models", page)}
    assert all(number >= min(models, 28) for number in shown)
