"""The summary's warnings: each names the run and the reason, and a sound table has none."""

import polars as pl
import pytest

from pid_jax import estimate
from pid_jax.cli.messages import warnings_of
from pid_jax.results.solution import ADVICE
from tests.pid_jax.conftest import FakeFits


@pytest.fixture(scope="module")
def sound(run_folders, small_config):
    """A table, made without fits, with everything that could be warned of set aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pid_jax.sweep.batch.launch", lambda stack, config, pace, lengths: FakeFits(stack))
        patch.setattr("pid_jax.sweep.batch.programs_of", lambda group, config: ())
        table = estimate(run_folders, small_config)
    quiet = {"result": "successful", "marginal_mismatch": 0.0, "loss_last": 0.0, "loss_first": 0.0}
    atoms = {f"{atom}_raw": 0.0 for atom in ("redundancy", "unique_vision", "unique_language", "synergy")}
    spread = {f"{atom}_sd": 0.0 for atom in ("redundancy", "unique_vision", "unique_language", "synergy")}
    return table.with_columns(**{name: pl.lit(value) for name, value in (quiet | atoms | spread).items()})


def test_a_sound_table_has_no_warning(sound):
    assert warnings_of(sound) == []


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("uniform_both", 0.3, "under both more than 20% of the rows fell back to uniform"),
        ("marginal_mismatch", 0.1, "P(Y) differs between the conditions by more than 0.05"),
        ("synergy_raw", -0.2, "raw synergy is below -0.05 bits"),
        ("unique_vision_sd", 0.2, "the seeds disagree about unique vision by more than 0.1 bits"),
        ("loss_last", 0.5, "the training loss rose by more than 0.01 nats"),
    ],
)
def test_a_number_not_to_be_trusted_is_named_with_run_and_layer(sound, column, value, said):
    here = (pl.col("run") == "language") & (pl.col("layer") == 2)
    (found,) = warnings_of(
        sound.with_columns(pl.when(here).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))
    )
    assert found.startswith(said)
    assert ": language (layer 2); " in found
    assert "learning" not in found


def test_an_early_layer_that_answers_with_other_words_is_no_warning(sound):
    early = pl.when(pl.col("layer") == 1).then(1.0).otherwise(0.0)
    assert warnings_of(sound.with_columns(uniform_both=early)) == []


def test_layers_and_runs_are_shortened(sound):
    rows = pl.concat(
        [
            sound.head(1).with_columns(run=pl.lit(f"run{i}"), layer=pl.lit(j, pl.Int64))
            for i in range(5)
            for j in (1, 2, 3, 7)
        ]
    )
    (found,) = warnings_of(rows.with_columns(synergy_sd=0.5))
    assert ": run0 (layers 1-3, 7), run1 (layers 1-3, 7), run2 (layers 1-3, 7) and 2 more runs; " in found


@pytest.mark.parametrize("code", ADVICE)
def test_a_failed_fit_comes_with_advice(sound, code):
    failed = sound.with_columns(result=pl.when(pl.col("run") == "vision").then(pl.lit(code.label)).otherwise("result"))
    assert warnings_of(failed) == [f"{code.label}: vision (layers 1-2); {ADVICE[code]}"]
