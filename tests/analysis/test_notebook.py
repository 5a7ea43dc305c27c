import runpy

import polars as pl

from tests import ROOT

NOTEBOOK = ROOT / "notebooks" / "first_look.py"


def test_the_first_look_runs(tmp_path, monkeypatch, capsys, layered, trained):
    table = tmp_path / "results.parquet"
    pl.concat([layered, trained.with_columns(model=pl.lit("trained"))]).write_parquet(table)
    monkeypatch.setenv("PID_RESULTS", str(table))
    after = runpy.run_path(str(NOTEBOOK))
    assert "mostly synergy" in capsys.readouterr().out
    assert after["share"].height == 2
