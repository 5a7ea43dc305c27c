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
        patch.setattr("pid_jax.sweep.stream.launch", lambda stack, config, pace: FakeFits(stack))
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
        (
            "uniform_both",
            0.3,
            "more than 20% of the rows, up to 30%, were made uniform (uniform_both): language; the model",
        ),
        ("marginal_mismatch", 0.1, "P(Y) differs between the conditions by more than 0.05: language"),
        ("synergy_raw", -0.2, "an atom is below -0.05 bits before clipping: language"),
        ("redundancy_sd", 0.2, "seeds disagree by more than 0.1 bits (standard deviation): language"),
        ("loss_last", 0.5, "the training loss rose: language; lower --learning-rate or raise --epochs"),
    ],
)
def test_a_number_not_to_be_trusted_is_named(sound, column, value, said):
    changed = pl.when(pl.col("run") == "language").then(pl.lit(value)).otherwise(pl.col(column))
    (found,) = warnings_of(sound.with_columns(changed.alias(column)))
    assert found.startswith(said)


@pytest.mark.parametrize("code", ADVICE)
def test_a_failed_fit_comes_with_advice(sound, code):
    failed = sound.with_columns(result=pl.when(pl.col("run") == "vision").then(pl.lit(code.label)).otherwise("result"))
    assert warnings_of(failed) == [f"{code.label}: vision; {ADVICE[code]}"]
