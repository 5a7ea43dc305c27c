"""`pid-estimate --estimator exact` through the command: outcomes, the file of atoms per item, resuming, refusals."""

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pid_jax.cli.main import main
from pid_lvlm import data
from pid_lvlm.data.contract.table.item_table import SINCE_INFLUENCES
from pid_lvlm.data.names import ATOMS
from tests.pid_jax.fake_fits import fake_solutions

ANSWERS = np.tile(np.arange(4), 12)
FLAT = np.full((len(ANSWERS), 4), 1 / 4)
CERTAIN = 0.97 * np.eye(4)[ANSWERS] + 0.03 / 4


def write(folder, both, vision, language=FLAT, **fields):
    with np.errstate(divide="ignore"):
        scores = np.maximum(np.log(np.stack([both, vision, language], axis=1)), -1e4)[:, :, None]
    features = np.random.default_rng(0).normal(size=(2, len(ANSWERS), 3))
    return data.write_run(folder, model="m", dataset="d", loglik=scores, x1=features[0], x2=features[1], **fields)


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pid-estimate", *map(str, arguments), "--estimator", "exact"])
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out + output.err

    return run


def test_outcomes(call, tmp_path):
    """The same command for what is fine, for a model that knows less with both sources, and for what has no atoms."""
    write(tmp_path / "runs" / "fine", CERTAIN, CERTAIN)
    write(tmp_path / "runs" / "less", FLAT, CERTAIN)
    write(tmp_path / "runs" / "never", CERTAIN, np.eye(4)[np.zeros(len(ANSWERS), int)])
    code, said = call(tmp_path / "runs", "--out", tmp_path / "r.parquet")
    rows = {row["run"]: row for row in pl.read_parquet(tmp_path / "r.parquet").iter_rows(named=True)}
    assert {name: row["result"] for name, row in rows.items()} == {
        "fine": "successful",
        "less": "joint_knows_less",
        "never": "marginals_unreachable",
    }
    assert code == 1  # one of them has no numbers
    assert "synergy cannot be computed and is left out" in said
    assert "too many rows are certain, or" in said
    fine, less, never = (rows[name] for name in ("fine", "less", "never"))
    assert fine["unique_vision_raw"] == pytest.approx(fine["i_joint"], abs=1e-3)
    assert fine["unique_vision_low"] <= fine["unique_vision_corrected"] <= fine["unique_vision_high"]
    assert less["synergy_certified_high"] < 0
    assert less["unique_vision_raw"] == pytest.approx(fine["unique_vision_raw"], abs=1e-3)
    assert all(never[f"{atom}_raw"] is None for atom in ATOMS)
    for row in (fine, less):
        for atom in ATOMS:
            assert row[f"{atom}_certified_low"] <= row[f"{atom}_raw"] <= row[f"{atom}_certified_high"]
        assert row["gap"] <= 1e-3
        assert row["redundancy_certified_low"] <= row["redundancy_imin"] <= row["redundancy_mmi"] + 1e-9


def test_a_wide_interval_is_said_and_kept(call, tmp_path, monkeypatch):
    write(tmp_path / "run", CERTAIN, CERTAIN)

    def widened(problems, tol_bits, devices):
        return [replace(found, high=found.low + 0.1) for found in fake_solutions(problems, tol_bits)]

    monkeypatch.setattr("pid_jax.estimators.exact.strata.solve_problems", widened)
    code, said = call(tmp_path / "run", "--out", tmp_path / "r.parquet", "--interval", "none")
    (row,) = pl.read_parquet(tmp_path / "r.parquet").iter_rows(named=True)
    assert (code, row["result"], row["interval"]) == (0, "wide_interval", None)
    assert "wider than was asked for" in said


def test_atoms_of_every_item(call, tmp_path):
    runs, out, items = tmp_path / "runs", tmp_path / "r.parquet", tmp_path / "items.parquet"
    write(runs / "one", CERTAIN, CERTAIN, sample_id=[f"q{i}" for i in range(len(ANSWERS))])
    options = ("--out", out, "--interval", "none")
    assert call(runs, *options)[0] == 0
    before = pl.read_parquet(out)
    assert call(runs, *options, "--pointwise", items)[0] == 0  # solved again, since their items are missing
    rows, found = pl.read_parquet(out), pl.read_parquet(items)
    assert rows.drop("seconds").equals(before.drop("seconds"))
    assert found["sample_id"].to_list() == [f"q{i}" for i in range(len(ANSWERS))]
    assert found["problem_id"].unique().to_list() == rows["problem_id"].to_list()
    for atom in ATOMS:
        assert found[atom].mean() == pytest.approx(rows[f"{atom}_raw"][0], abs=1e-3)
    write(runs / "two", CERTAIN, FLAT, CERTAIN)
    code, said = call(runs, *options, "--pointwise", items, "--json", "--quiet")
    assert code == 0
    assert '"done": 1' in said
    assert pl.read_parquet(items)["run"].to_list() == ["one"] * len(ANSWERS) + ["two"] * len(ANSWERS)


def test_a_file_that_is_not_one_of_items_is_left_as_it_is(call, tmp_path):
    run = write(tmp_path / "run", CERTAIN, CERTAIN)
    items = tmp_path / "items.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(items)
    content = items.read_bytes()
    code, said = call(run, "--out", tmp_path / "r.parquet", "--pointwise", items)
    assert (code, items.read_bytes()) == (2, content)
    assert "is not a file of atoms per item; it was left unchanged" in said
    code, said = call(run, "--out", tmp_path / "r.parquet", "--pointwise", tmp_path / "items.csv")
    assert (code, "expected `" in said) == (2, True)


def test_only_the_exact_estimator_has_atoms_per_item(tmp_path, monkeypatch, capsys):
    run = write(tmp_path / "run", CERTAIN, CERTAIN)
    given = [
        "pid-estimate",
        run,
        "--out",
        tmp_path / "r.parquet",
        "--estimator",
        "batch",
        "--pointwise",
        tmp_path / "p",
    ]
    monkeypatch.setattr(sys, "argv", list(map(str, given)))
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "only the exact estimator has atoms per item" in capsys.readouterr().err


def test_a_file_of_an_earlier_version_gains_its_influence_values(call, tmp_path):
    """Its problems are solved again, those of other runs stay; without an interval there are none."""
    runs, out, items = tmp_path / "runs", tmp_path / "r.parquet", tmp_path / "items.parquet"
    write(runs / "one", CERTAIN, CERTAIN, group_id=[f"g{i // 4}" for i in range(len(ANSWERS))])
    options = ("--out", out, "--interval", "items-uncorrected", "--pointwise", items)
    assert call(runs, *options)[0] == 0
    new = pl.read_parquet(items)
    earlier = new.drop(list(SINCE_INFLUENCES))
    other = earlier.with_columns(problem_id=pl.lit("other"), run=pl.lit("moved"))
    pl.concat([earlier, other]).write_parquet(items)
    assert call(runs, *options)[0] == 0
    found = pl.read_parquet(items)
    assert found.filter(run="moved")["gap"].null_count() == len(ANSWERS)
    assert found.filter(run="one").equals(new)
    assert new["group"].n_unique() == len(ANSWERS) // 4
    row = pl.read_parquet(out).row(0, named=True)
    for atom in ATOMS:  # their mean is what the interval is around
        assert new[f"{atom}_influence"].mean() == pytest.approx(
            (row[f"{atom}_low"] + row[f"{atom}_high"]) / 2, abs=1e-9
        )
    assert new["gap"].unique().to_list() == [row["gap"]]
    without = tmp_path / "without.parquet"
    assert call(runs, "--out", tmp_path / "n.parquet", "--interval", "none", "--pointwise", without)[0] == 0
    empty = pl.read_parquet(without).select(list(SINCE_INFLUENCES))
    assert [name for name in empty.columns if empty[name].null_count() == 0] == ["gap"]
