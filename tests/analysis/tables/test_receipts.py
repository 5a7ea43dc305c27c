"""Receipts of run folders, check by check and model by model; runs that have none."""

from dataclasses import replace

import polars as pl
import pytest

from pid_lvlm import data
from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.report.laid_out.reliability import receipts_sentence, receipts_table
from pid_lvlm.data.contract.schema.receipt import Check, Receipt
from pid_lvlm.data.errors import PidError
from tests.analysis.items import probabilities, write_scores

CHECKS = {
    "leak_picture": Check(0.0, 0.0, visible=1.2),
    "lens": Check(2e-4, 1e-3),
    "batch": Check(reason="one item only"),
}


@pytest.fixture
def runs(tmp_path):
    """Folders of the models a (two runs with a receipt), b (one without) and nothing of c."""
    for model, found in (("a", 2e-4), ("a2", 5e-4), ("b", None)):
        folder = write_scores(tmp_path, model, [probabilities([0.8, 0.2])] * 3, [0, 1, 0])
        if found is not None:
            receipt = Receipt(("q0",), 2, CHECKS | {"lens": Check(found, 1e-3)})
            replace(data.read_manifest(folder), receipt=receipt).write(folder)
    return tmp_path


@pytest.fixture
def results(make_exact, make_frame):
    names = {"a__toy": "a", "a2__toy": "a", "b__toy": "b", "c__toy": "c"}
    rows = [make_exact("toy", model=model, run=run) for run, model in names.items()]
    return make_frame([*rows, *rows[:1]])  # a run with two rows has one receipt


def test_every_check_of_every_run(results, runs):
    frame = tables.receipts(results, [runs])
    assert frame.select("run", "check", "result", "found").rows() == [
        ("a__toy", "leak_picture", "passed", 0.0),
        ("a__toy", "lens", "passed", 2e-4),
        ("a__toy", "batch", "not checked", None),
        ("a2__toy", "leak_picture", "passed", 0.0),
        ("a2__toy", "lens", "passed", 5e-4),
        ("a2__toy", "batch", "not checked", None),
        ("b__toy", None, "no receipt", None),
        ("c__toy", None, "no run folder", None),
    ]
    assert frame["unit"].to_list()[:3] == ["nats", "logits", "nats"]
    assert frame["reason"].drop_nulls().unique().to_list() == ["one item only"]


def test_per_model_the_worst_that_was_found_and_one_sentence(results, runs):
    frame = tables.receipts(results, [runs])
    table = receipts_table(frame)
    assert table.headings == ["model", "runs", "leak picture", "lens", "batch"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "2 of 2", "0 (at most 0)", "0.0005 (at most 0.001)", "not checked: one item only"],
        ["b", "0 of 1", "–", "–", "–"],
        ["c", "0 of 1", "–", "–", "–"],
    ]
    assert [row[1].style for row in table.rows] == ["", "bad", "bad"]
    assert receipts_sentence(frame) == (
        "2 of 4 runs have a receipt of the checks made before they were measured: 4 checks passed, 2 checks could not "
        "be made, 1 run without a receipt, 1 run whose folder is not here."
    )


def test_a_check_that_failed_stands_out(results, runs):
    failed = pl.when(pl.col("check") == "lens").then(pl.lit("failed")).otherwise("result")
    frame = tables.receipts(results, [runs]).with_columns(failed.alias("result"))
    (cell,) = (row[3] for row in receipts_table(frame).rows if row[0].text == "a")
    assert cell.style == "bad"
    assert "2 checks failed" in receipts_sentence(frame)


def test_what_is_missing_is_said(results, runs, tmp_path):
    with pytest.raises(NothingToShowError, match=r"No run folders were given \(--runs\)"):
        tables.receipts(results)
    with pytest.raises(PidError, match="its run `a__toy` is not one"):
        tables.receipts(results.filter(model="b"), [runs / "a__toy"])
