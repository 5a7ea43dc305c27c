"""The printed numbers agree with each other: sums, p values of correlations, steps of Table 3, limits of an atom."""

import math
from pathlib import Path

import polars as pl
import pytest
from scipy import stats

from pid_jax.config import PRESETS
from pid_lvlm.analysis import paper
from pid_lvlm.data.contract.table.results import COLUMNS
from pid_lvlm.data.names import POOLINGS
from tests import ROOT

TABLES = ("exhibits", "datasets", "models", "families", "correlations", "scaling", "ablations", "single_values")
TABLES += ("estimator",)
FOLDER = ROOT / "analysis" / "paper" / "published"
MISPRINT = ("Reefknot", "accuracy", "i_joint")
"""The one p that does not belong to its rho."""


def p_of(rho: float, count: int) -> float:
    """Two-sided, by the t approximation."""
    t = rho * math.sqrt((count - 2) / (1 - rho**2))
    return float(2 * stats.t.sf(abs(t), count - 2))


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_in_the_file_and_in_the_docstring(name: str) -> None:
    function = getattr(paper, name)
    frame = function()
    assert frame.height > 0
    assert list(frame.columns) == (FOLDER / f"{name}.csv").read_text("utf-8").splitlines()[0].split(",")
    assert [column for column in frame.columns if f"`{column}`" not in function.__doc__ + paper.published.__doc__] == []


def test_every_file_has_a_function_and_is_plain_ascii_in_numbers() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(TABLES)
    assert all("\u2212" not in path.read_text("utf-8") for path in FOLDER.iterdir())


def test_exhibits_name_the_tables_that_have_them() -> None:
    exhibits = paper.exhibits()
    for name in TABLES[1:]:
        frame = getattr(paper, name)()
        if "exhibit" in frame.columns:
            assert set(frame["exhibit"]) == set(exhibits.filter(table=name)["exhibit"]), name
        else:
            assert name in exhibits["table"], name
    assert exhibits.filter(pl.col("table").is_null())["state"].unique().to_list() == ["absent"]


def test_columns_are_those_of_the_result_table() -> None:
    known = {column.name for column in COLUMNS}
    for frame in (paper.correlations(), paper.ablations(), paper.single_values()):
        assert set(frame["column"]) <= known
    assert set(paper.correlations()["outcome"]) == {"accuracy", "d_vision"}
    assert set(paper.ablations()["pooling"]) == set(POOLINGS)


def test_splits_are_three_to_one_and_sum_to_the_benchmarks() -> None:
    datasets = paper.datasets()
    assert dict(datasets.select("dataset", pl.col("train") + pl.col("test")).iter_rows()) == {
        "MMBench": 4329,
        "POPE": 3000,
        "Reefknot": 2150,
        "PMC-VQA": 2000,
    }
    assert all(abs(3 * test - train) <= 3 for train, test in datasets.select("train", "test").iter_rows())
    assert datasets["regime"].to_list() == ["synergy-driven"] * 2 + ["knowledge-driven"] * 2


def test_sums_are_the_rows_that_pid_extract_expects() -> None:
    from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS

    for row in paper.datasets().to_dicts():
        benchmark = BENCHMARKS[row["benchmark"]]
        assert (benchmark.expected, benchmark.options) == (row["train"] + row["test"], row["options"])


@pytest.mark.parametrize("row", paper.correlations().to_dicts(), ids=lambda row: f"{row['dataset']}-{row['column']}")
def test_every_p_follows_from_its_rho(row: dict) -> None:
    if row["p_below"]:
        assert row["p"] == 0.001
        assert p_of(row["rho"], row["num_models"]) < 0.001
        return
    ends = sorted(p_of(row["rho"] + half, row["num_models"]) for half in (-0.0005, 0.0005))
    fits = round(ends[0], 3) <= row["p"] <= round(ends[1], 3)
    assert fits == ((row["dataset"], row["outcome"], row["column"]) != MISPRINT)


def test_the_misprint_is_what_the_note_says() -> None:
    assert round(p_of(0.266, paper.NUM_MODELS), 3) == 0.189
    note = paper.exhibits().filter(exhibit="T2").item(0, "note")
    assert "0.196" in note
    assert "0.189" in note


def test_correlations_are_complete() -> None:
    found = paper.correlations()
    assert found.select("dataset", "outcome", "column").is_unique().all()
    assert found.group_by("exhibit", maintain_order=True).len().rows() == [("T2", 16), ("TXT", 4)]
    assert found["num_models"].unique().to_list() == [paper.NUM_MODELS]


def test_sums_of_the_printed_columns() -> None:
    """Copied by another way than the files were: a digit that changes is noticed even where nothing follows from it."""
    printed = paper.correlations()
    assert printed["rho"].sum() == pytest.approx(4.818)
    assert printed.filter(~pl.col("p_below"))["p"].sum() == pytest.approx(2.354)
    steps = paper.scaling().select("delta_accuracy", "delta_synergy", "delta_unique_language").sum()
    assert steps.row(0) == pytest.approx((40.6, 81.4, -73.2))
    sums = paper.ablations().group_by("exhibit", maintain_order=True).agg(pl.col("value").sum())
    assert sums["value"].to_list() == pytest.approx([14.979, 20.6])
    assert paper.single_values()["value"].to_list() == [0.95]


def test_steps_of_table_3_give_the_finding() -> None:
    steps = paper.scaling()
    for column, rho, p, same_sign in (
        ("delta_synergy", 0.648, 0.043, 8),
        ("delta_unique_language", -0.418, 0.229, 5),
    ):
        found = stats.spearmanr(steps["delta_accuracy"], steps[column])
        assert (round(found.statistic, 3), round(found.pvalue, 3)) == (rho, p)
        assert (steps["delta_accuracy"] * steps[column] > 0).sum() == same_sign


def test_sizes_of_table_3_are_those_of_the_models() -> None:
    models = paper.models()
    for family, steps in paper.scaling().group_by("family"):
        sizes = models.filter(family=family[0])["size_b"].sort().to_list()
        assert sizes == sorted({*steps["from_size"], *steps["to_size"]})


def test_ablations_are_within_their_limits_and_change_as_stated() -> None:
    found = paper.ablations()
    assert found.group_by("exhibit", maintain_order=True).len().rows() == [("T4", 20), ("T5", 20)]
    assert found["value"].is_between(0, 2).all()  # log2 of four options
    assert found.filter(pooling="mean", tau=0.3)["value"].to_list() == [
        1.112,
        1.088,
        0.167,
        0.63,
        0.665,
        0.893,
        1.864,
        0.698,
    ]
    default = found.filter(pooling="mean", tau=0.3).select("exhibit", "model", pl.col("value").alias("default"))
    change = found.join(default, on=["exhibit", "model"]).with_columns(
        (pl.col("value") - pl.col("default")).abs().round(3).alias("change")
    )
    assert change.filter(pl.col("tau") != 0.3)["change"].max() == 0.024
    assert change.filter(pl.col("pooling") != "mean", pl.col("model") != "Cambrian-34B")["change"].max() == 0.006
    assert change.filter(pl.col("pooling") != "mean", model="Cambrian-34B")["change"].max() == 0.007
    assert change.filter(exhibit="T5")["change"].max() == 0.0


def test_models_of_other_tables_are_in_the_list() -> None:
    named = paper.models().filter(pl.col("named") != "candidate")
    assert named.height == 21 + 2
    assert set(paper.ablations()["model"]) | set(paper.single_values()["model"]) <= set(named["model"])
    assert named["size_b"].min() == 0.5
    assert named["size_b"].max() == 90
    assert named.filter("layer_study").height == 6
    others = named.filter(~pl.col("family").is_in(["Gemma 3", "Cambrian-1"]))
    assert others.height == 21
    assert set(paper.families()["family"]) == set(paper.models()["family"])
    assert paper.families().height == 11


def test_the_preset_is_the_printed_estimator() -> None:
    preset = PRESETS["paper"]
    fields = {"tau": preset.taus, "pooling": preset.poolings}
    for setting, value in paper.estimator().select("setting", "value").iter_rows():
        used = fields[setting][0] if setting in fields else getattr(preset, setting)
        assert str(used) == value, setting


def test_frames_of_a_caller_are_its_own() -> None:
    paper.scaling().insert_column(0, pl.Series("mine", [0] * 10))
    assert "mine" not in paper.scaling().columns


def test_the_citation_is_that_of_the_project() -> None:
    cited = Path(ROOT / "CITATION.cff").read_text("utf-8")
    assert paper.CITATION.rpartition(" ")[2] in cited
