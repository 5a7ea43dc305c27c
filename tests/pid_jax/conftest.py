"""A few runs of one shape, estimated once for the whole session."""

from pathlib import Path

import polars as pl
import pytest

from pid_jax.config import EstimatorConfig, make_config

KINDS = ("synergy", "vision", "language", "redundancy")


@pytest.fixture(scope="session")
def small_config() -> EstimatorConfig:
    return make_config("default", batch_size=64, seeds=(0, 1))


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory, make_run) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [make_run(root / kind, kind, layers=2) for kind in KINDS]


@pytest.fixture(scope="session")
def table(run_folders, small_config) -> pl.DataFrame:
    from pid_jax import estimate

    return estimate(run_folders, small_config)
