"""A result table of an older version is read and continued: what it holds is kept, under today's column names."""

import shutil
from pathlib import Path

import polars as pl

from pid_jax.cli.job import Job, run_job
from pid_jax.config import make_config
from pid_lvlm.data.contract.table.result_table import SCHEMA
from tests import ROOT

OLD = ROOT / "tests" / "older" / "version_1" / "estimates"


def test_a_table_of_version_2_is_continued(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    out = tmp_path / "old" / "results.parquet"
    before = pl.read_parquet(out).row(0, named=True)
    done = run_job(
        Job((tmp_path / "old" / "run",), out, quiet=True),
        make_config("default", seeds=(0, 1), epochs=1, batch_size=32, estimator="batch"),
    )
    assert (done.done, done.skipped, done.failed) == (1, 1, 0)
    after = pl.read_parquet(out)
    assert dict(after.schema) == SCHEMA
    assert after["layer"].to_list() == [1, 2]
    kept = after.row(0, named=True)
    assert kept["problem_id"] == before["problem_id"]
    assert kept["seconds"] == before["seconds"]
    assert kept["num_train"] == before["n_train"]
    assert kept["true_synergy"] == before["planted_synergy"] == 0.0
    assert kept["accuracy_no_image"] == before["accuracy_noimage"]
