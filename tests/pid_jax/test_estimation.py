"""From run folders to the table: known answers, columns, units."""

import json
import math

import numpy as np
import polars as pl
import pytest

from pid_jax import estimate
from pid_jax.config import EstimatorConfig, make_config
from pid_lvlm.data import PidError
from pid_lvlm.data.contract.table.result_table import SCHEMA
from pid_lvlm.data.contract.table.results import COLUMNS
from pid_lvlm.data.names import ATOMS

DOMINANT = {"synergy": "synergy", "vision": "unique_vision", "language": "unique_language", "redundancy": "redundancy"}


@pytest.mark.parametrize("kind", DOMINANT)
def test_known_answers(table, kind):
    """At the output the answer is certain up to 1 %: the true atom carries I(X1,X2;Y), the others nothing."""
    row = table.filter((pl.col("dataset") == kind) & (pl.col("layer") == 2)).row(0, named=True)
    assert row["result"] == "successful"
    assert 1.85 < row["i_joint"] < 2.0
    for atom in ATOMS:
        expected = row["i_joint"] if atom == DOMINANT[kind] else 0.0
        assert row[f"{atom}_raw"] == pytest.approx(expected, abs=0.15), atom


def test_identities_hold_before_clipping(table):
    total = sum(table[f"{atom}_raw"] for atom in ATOMS)
    np.testing.assert_allclose(total, table["i_joint"], atol=1e-5)
    np.testing.assert_allclose(table["redundancy_raw"] + table["unique_vision_raw"], table["i_vision"], atol=1e-5)
    np.testing.assert_allclose(table["redundancy_raw"] + table["unique_language_raw"], table["i_language"], atol=1e-5)
    np.testing.assert_allclose(table["redundancy_raw"] - table["synergy_raw"], table["coinformation"], atol=1e-5)


def test_columns_follow_the_schema(table):
    assert dict(table.schema) == SCHEMA
    for column in COLUMNS:
        assert column.nullable or table[column.name].null_count() == 0, column.name
    assert table["problem_id"].n_unique() == len(table) == 8
    for atom in ATOMS:
        np.testing.assert_allclose(table[atom], np.maximum(table[f"{atom}_raw"], 0))
        assert (table[f"{atom}_low"] <= table[f"{atom}_raw"]).all()
        assert (table[f"{atom}_high"] >= table[f"{atom}_raw"]).all()
    np.testing.assert_allclose(sum(table[f"{atom}_share"] for atom in ATOMS), 1, atol=1e-9)


def test_accuracy_and_image_removal(table):
    last = table.filter(pl.col("layer") == 2)
    np.testing.assert_allclose(last["accuracy"], 1)
    np.testing.assert_allclose(last["d_vision"], last["accuracy"] - last["accuracy_no_image"])
    assert (last["accuracy_no_image"] < 0.5).all()


def test_recipe_names_every_setting(table, small_config):
    recipe = json.loads(table["recipe"][0])
    assert recipe["batch_size"] == 64
    assert recipe["taus"] == [0.3]
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe.items()}
    assert EstimatorConfig(**settings, estimator="batch") == small_config


@pytest.mark.usefixtures("no_fitting")
def test_ground_truth_atoms_and_labels_travel(tmp_path, make_run, small_config):
    ground_truth = dict.fromkeys(ATOMS, 0.0) | {"synergy": 2.0}
    folder = make_run(
        tmp_path / "r", n=100, ground_truth=ground_truth, stage="tune", step=7, size_b=0.5, family="llava"
    )
    row = estimate([folder], make_config("default", batch_size=32, epochs=1, seeds=(0,))).row(0, named=True)
    assert row["true_synergy"] == 2.0
    assert (row["stage"], row["step"], row["size_b"], row["family"]) == ("tune", 7, 0.5, "llava")
    assert row["synergy_sd"] is None
    assert row["synergy_low"] is None


def test_interval_is_students():
    from pid_jax.results.columns import seed_spread

    values = np.array([1.0, 1.2, 0.9, 1.1, 1.3])
    sd, half = seed_spread(values)
    assert sd == pytest.approx(values.std(ddof=1))
    assert half == pytest.approx(2.776445 * sd / math.sqrt(5), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": "3"}, "has no layer `3`; it has 1, 2"),
        ({"layers": "last,x"}, "found `last,x` with `x`"),
    ],
)
def test_layers_that_are_not_there(run_folders, small_config, options, said):
    with pytest.raises(PidError, match=said):
        estimate(run_folders[:1], small_config, **options)


def test_too_few_samples_for_a_batch(tmp_path, make_run):
    folder = make_run(tmp_path / "few", n=100)
    with pytest.raises(
        PidError,
        match=r"100 rows \(75 for training, 25 for testing\) are too few; the estimate needs at least 342 rows",
    ):
        estimate([folder], make_config(estimator="batch"))
    with pytest.raises(PidError, match="a smaller batch size would be another estimator, with other numbers"):
        estimate([folder], make_config(estimator="batch"))
    with pytest.raises(PidError, match="needs at least 253 rows: 75% of the rows train the coupling and 25% test it"):
        estimate([folder], make_config("paper", batch_size=64))
