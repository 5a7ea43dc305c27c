"""Rows under every ablation of a run: which there are, what they are of, and how they are told apart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pid_jax import estimate
from pid_jax.config import make_config
from pid_jax.problems.ablations import ablations_of, select_ablations
from pid_jax.problems.build import make_workload
from pid_jax.problems.game import play
from pid_jax.problems.types import ProblemKey, RowsKey
from pid_jax.setting import ArgumentError
from pid_jax.sweep.plan import plan_runs
from pid_lvlm import data
from pid_lvlm.data import PidError, read_run
from pid_lvlm.data.contract.schema.manifest import read_manifest
from pid_lvlm.data.contract.table.result_checks import checked_table

N, M, K = 96, 6, 4
EXACT = make_config(estimator="exact", spread=False, interval="items-uncorrected", tol_bits=5e-3)


def scores(answers: np.ndarray, certainty: float = 0.99) -> np.ndarray:
    return np.log(certainty * np.eye(K)[answers] + (1 - certainty) / K)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Answer a + b mod 4. Noise gives the picture away under `vision_only`, all other ablations give nothing away."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, K, (2, N))
    partner = (np.arange(N)[:, None] + np.arange(M)) % N
    flat, sure = np.full((N, K), np.log(1 / K)), scores((a + b) % K)
    loglik = {"both": sure, "vision_only": scores(a), "language_only": flat}
    loglik |= {name: flat for name in ("vision_only.mean", "language_only.mean", "neither.mean")}
    loglik |= {"vision_only.other.1": sure, "vision_only.other.2": flat, "language_only.other.1": flat}
    loglik |= {"neither.other.1": flat, "vision_only.blank": flat}
    return data.write_run(
        tmp_path_factory.mktemp("ablations") / "run",
        model="m",
        dataset="d",
        loglik=loglik,
        x1=rng.normal(size=(N, 3)),
        x2=rng.normal(size=(N, 3)),
        label=(a + b) % K,
        crossed_partner=partner,
        crossed_loglik=scores((a[:, None] + b[partner]) % K),
    )


@pytest.fixture(scope="module")
def rows(run) -> pl.DataFrame:
    return estimate(run, replace(EXACT, ablations=("all",)))


def test_a_run_has_the_ablations_of_both_sources(run, rows):
    manifest = read_manifest(run)
    assert ablations_of(manifest) == ("noise", "mean", "other", "crossed")  # of `blank` one condition is missing
    assert rows["ablation"].to_list() == ["noise", "mean", "other", "crossed"]
    assert select_ablations(manifest, ("all",), "batch") == ("noise", "mean", "other")
    assert rows["problem_id"].n_unique() == len(rows)
    assert checked_table(rows).equals(rows)


def test_each_row_is_of_its_own_conditions(rows):
    by = {row["ablation"]: row for row in rows.iter_rows(named=True)}
    assert by["noise"]["i_vision"] > 1.2
    assert by["mean"]["i_vision"] == pytest.approx(0, abs=1e-6)
    assert by["mean"]["synergy_raw"] > 1.8
    assert by["crossed"]["pairs"] == M
    assert by["noise"]["pairs"] is None
    assert by["crossed"]["marginal_mismatch"] == 0
    assert by["crossed"]["i_joint"] == pytest.approx(by["mean"]["i_joint"], abs=0.02)
    assert by["crossed"]["true_synergy"] is None


def test_draws_are_averaged_as_probabilities(run):
    key = ProblemKey(1, 0.3, "", "exact", "other")
    found = make_workload(read_run(run), [key], EXACT, None).rows[RowsKey(1, 0.3, "other")]
    sure = found.p_y_x1x2
    np.testing.assert_allclose(found.conditionals[0], (sure + 1 / K) / 2, atol=1e-6)
    assert found.neither is not None


def test_rows_under_noise_are_those_of_before(run):
    """Their identity does not name the ablation: an older table is continued."""
    alone = estimate(run, EXACT)
    assert alone["ablation"].to_list() == ["noise"]
    settings = json.loads(alone["recipe"][0])
    assert not {"ablation", "ablations"} & set(settings)
    both = plan_runs(run, replace(EXACT, ablations=("mean", "noise")))
    assert both.runs[0].ids[0] == alone["problem_id"][0]
    assert [key.ablation for key in both.runs[0].keys] == ["noise", "mean"]


def test_an_ablation_that_a_run_lacks_is_named_with_those_that_it_has(run):
    with pytest.raises(PidError, match="no ablation `blank`; it has noise, mean, other, crossed .*--ablation blank"):
        plan_runs(run, replace(EXACT, ablations=("noise", "blank")))
    with pytest.raises(ArgumentError, match="ablations: .*`|ablations.*expected"):
        make_config(ablations=("grey",))


def test_crossed_pairs_need_the_whole_run(run):
    manifest = replace(read_manifest(run), finished=False)
    assert ablations_of(manifest) == ("noise", "mean", "other")
    with pytest.raises(PidError, match="not finished, and crossed pairs need all of its items"):
        select_ablations(manifest, ("crossed",), "exact")


def test_batch_is_not_run_on_crossed_pairs(run):
    with pytest.raises(ArgumentError, match="BATCH is not run on crossed pairs"):
        plan_runs(run, make_config(estimator="batch", ablations=("crossed",)))
    plan = plan_runs(run, make_config(estimator="both", ablations=("crossed",)))
    assert [one.estimator for one in plan.runs] == ["exact"]


def test_the_game_has_its_columns_where_both_sources_were_replaced(rows):
    by = {row["ablation"]: row for row in rows.iter_rows(named=True)}
    assert by["noise"]["dividend"] is None
    assert by["crossed"]["dividend"] is None
    total = by["mean"]["shapley_vision"] + by["mean"]["shapley_language"]
    assert total == pytest.approx(by["mean"]["dividend"])  # neither source alone says anything
    assert by["mean"]["dividend"] > 1.8


def test_the_values_of_a_game_that_is_known():
    """The picture alone knows the answer: it gets the whole bit, the question and the pair nothing."""
    sure, flat = np.eye(2), np.full((2, 2), 0.5)
    assert play(sure, flat, sure, flat) == pytest.approx((1, 0, 0))
    assert play(sure, sure, sure, flat) == pytest.approx((0.5, 0.5, -1))  # either alone: they share it
    wrong = play(1 - sure, flat, sure, flat)
    assert np.isfinite(wrong).all()
