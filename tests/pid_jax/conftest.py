"""Programs that compile quickly, fits that are not made, and a few runs estimated once for the whole session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import polars as pl
import pytest

from pid_jax.config import EstimatorConfig, make_config
from pid_jax.information import InformationTerms
from pid_jax.results.solution import Solution
from pid_jax.sweep.stack import Stack

QUICK = "jax_disable_most_optimizations"

KINDS = ("synergy", "vision", "language", "redundancy")


@pytest.fixture(scope="module", autouse=True)
def quick_to_compile() -> Iterator[None]:
    """Compiling takes longer than what most of these tests compute. The recorded fits are replayed as users fit."""
    before = jax.config.values[QUICK]
    jax.config.update(QUICK, True)
    yield
    jax.config.update(QUICK, before)


class FakeFits:
    """Stands in for fits on a device: every atom is 0, at once. `log` is told "fitted"."""

    def __init__(self, stack: Stack, log: list[str] | None = None) -> None:
        self.fits, self.problems = len(stack.owners), len({owner.problem for owner in stack.owners})
        self.log = [] if log is None else log

    def collect(self, advance: Callable[[int], None]) -> list[Solution]:
        self.log.append("fitted")
        advance(self.fits)
        seeds = self.fits // self.problems
        nothing = Solution(InformationTerms(*np.zeros((4, seeds))), np.zeros((seeds, 2)), np.zeros(seeds))
        return [nothing] * self.problems


@pytest.fixture
def no_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows without fits, for tests of what is read, kept and written."""
    monkeypatch.setattr("pid_jax.sweep.stream.launch", lambda stack, config, pace: FakeFits(stack))


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
