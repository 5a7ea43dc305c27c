import json

import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError

PAPER = {
    "Gemma3-4B": {("mean", 0.3): 0.167, ("last", 0.3): 0.172, ("max", 0.3): 0.173, ("mean", 0.2): 0.167},
    "Cambrian-34B": {("mean", 0.3): 0.630, ("last", 0.3): 0.637, ("max", 0.3): 0.630, ("mean", 0.2): 0.606},
}
"""Part of the paper's Table 4: synergy on MMBench by pooling and τ."""
HEADINGS = ["mean pooling (default)", "max pooling", "last pooling", "τ 0.3 (default)", "τ 0.2"]


def recipe(pooling, tau):
    return json.dumps({"taus": [tau], "poolings": [pooling], "epochs": 8})


@pytest.fixture
def rows(make_row):
    """The settings of `PAPER`, one row each, in the table's order."""
    return [
        make_row(
            "mmbench", (0.1, 0.1, 0.1, synergy), model=model, pooling=pooling, tau=tau, recipe=recipe(pooling, tau)
        )
        for model, settings in PAPER.items()
        for (pooling, tau), synergy in settings.items()
    ]


def test_the_papers_table(rows, make_frame):
    table = tables.ablations(make_frame(rows))
    assert table.columns == ["model", "dataset", "estimator", *HEADINGS, "range"]
    assert table.drop("range").rows() == [
        ("Cambrian-34B", "mmbench", "batch", 0.630, 0.630, 0.637, 0.630, 0.606),
        ("Gemma3-4B", "mmbench", "batch", 0.167, 0.173, 0.172, 0.167, 0.167),
    ]
    assert table["range"].to_list() == pytest.approx([0.031, 0.006])
    assert tables.ablations(make_frame(rows), "unique_language")["τ 0.2"].to_list() == [0.1, 0.1]


def test_only_settings_that_differ_have_columns(rows, make_frame):
    by_tau = [row for row in rows if row["pooling"] == "mean"]
    assert tables.ablations(make_frame(by_tau)).columns[3:] == ["τ 0.3 (default)", "τ 0.2", "range"]
    by_pooling = [row for row in rows if row["tau"] == 0.3]
    assert tables.ablations(make_frame(by_pooling)).columns[3:] == [*HEADINGS[:3], "range"]


def test_other_combinations_stay_out(rows, make_row, make_frame):
    crossed = make_row("mmbench", (0, 0, 0, 9.0), model="Gemma3-4B", pooling="max", tau=0.2, recipe=recipe("max", 0.2))
    assert 9.0 not in tables.ablations(make_frame([crossed, *rows])).row(1)


def test_a_setting_that_failed_or_is_missing_is_empty(rows, make_frame):
    failed = [row | ({"result": "nonfinite_loss"} if row["pooling"] == "max" else {}) for row in rows]
    assert "max pooling" not in tables.ablations(make_frame(failed)).columns
    table = tables.ablations(make_frame(rows[:5] + rows[6:]))  # Cambrian without last pooling
    assert table["last pooling"].to_list() == [None, 0.172]


def test_the_exact_estimator_has_tau_only(rows, make_exact, make_frame):
    exact = [make_exact("mmbench", (0, 0, 0, 1 + tau), model="Gemma3-4B", tau=tau) for tau in (0.2, 0.3)]
    table = tables.ablations(make_frame([*rows, *exact]))
    assert table.select("model", "estimator").rows()[1:] == [("Gemma3-4B", "batch"), ("Gemma3-4B", "exact")]
    assert table.drop("range").row(2)[3:] == (None, None, None, 1.3, 1.2)


def test_checkpoints_and_layers_are_no_ablation(rows, make_row, make_frame):
    early = [make_row("mmbench", (0, 0, 0, 9.0), model="Gemma3-4B", **where) for where in ({"layer": 2}, {"step": 1})]
    assert tables.ablations(make_frame([*rows, *early])).equals(tables.ablations(make_frame(rows)))


def test_what_is_no_ablation_says_what_it_would_need(five_tasks, rows, make_frame):
    with pytest.raises(NothingToShowError, match="--tau"):
        tables.ablations(five_tasks)
    with pytest.raises(NothingToShowError, match="--tau"):
        tables.ablations(five_tasks.clear())
    with pytest.raises(ResultTableError, match="no column `pooling`"):
        tables.ablations(five_tasks.drop("pooling"))
    with pytest.raises(ValueError, match="expected one of redundancy"):
        tables.ablations(make_frame(rows), "S")
