"""Programs that compile quickly, fits that are not made, and a few runs estimated once for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import jax
import polars as pl
import pytest

from pid_jax.config import EstimatorConfig, make_config
from tests.pid_jax.fake_fits import FakeFits, fake_solutions

QUICK = "jax_disable_most_optimizations"

KINDS = ("synergy", "vision", "language", "redundancy")


@pytest.fixture(scope="module", autouse=True)
def quick_to_compile() -> Iterator[None]:
    """Compiling takes longer than what most of these tests compute. The recorded fits are replayed as users fit."""
    before = jax.config.values[QUICK]
    jax.config.update(QUICK, True)
    yield
    jax.config.update(QUICK, before)


@pytest.fixture
def no_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows without fits, for tests of what is read, kept and written."""
    monkeypatch.setattr("pid_jax.sweep.batch.launch", lambda stack, config, pace, lengths: FakeFits(stack))
    monkeypatch.setattr("pid_jax.sweep.batch.programs_of", lambda group, config: ())
    monkeypatch.setattr("pid_jax.estimators.exact.strata.solve_problems", fake_solutions)


@pytest.fixture(scope="session")
def small_config() -> EstimatorConfig:
    return make_config("default", batch_size=64, seeds=(0, 1), estimator="batch")


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory, make_run) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [make_run(root / kind, kind, layers=2) for kind in KINDS]


@pytest.fixture(scope="session")
def table(run_folders, small_config) -> pl.DataFrame:
    from pid_jax import estimate

    return estimate(run_folders, small_config)
