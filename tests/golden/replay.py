"""Replay a recorded fit of the published estimator with ours: same weights, same batches, same data."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from pid_jax.config import FitSettings
from pid_jax.estimators.batch.fit import Fit, Params, fit
from pid_jax.information import atoms_from_terms, bits_from_nats
from pid_jax.problems.types import Conditionals, FitSpec, Tables

TRAIN_TOLERANCE_BITS = 2e-3
TEST_TOLERANCE_BITS = 1e-3
TEST_BATCH = 256
PUBLISHED = FitSettings(sinkhorn_stop="published")
"""The record is of a Sinkhorn that may stop before it has converged."""


class GoldenFileError(Exception):
    """A file is not a recorded fit."""


@dataclass(frozen=True)
class Golden:
    """One recorded fit: tables and fit for `fit`, initial weights, and the recorded atoms in nats."""

    tables: Tables
    spec: FitSpec
    params: Params
    train_atoms: np.ndarray
    test_atoms: np.ndarray


@dataclass(frozen=True)
class Differences:
    """Largest absolute differences of the atoms from the record, in bits."""

    train_bits: float
    test_bits: float

    @property
    def passed(self) -> bool:
        """Within both tolerances; NaN is not."""
        return self.train_bits <= TRAIN_TOLERANCE_BITS and self.test_bits <= TEST_TOLERANCE_BITS


def load(path: str | Path) -> Golden:
    """Read a file of the format in tests/golden/README.md, of any n, d1, d2 and K.

    Raises:
        GoldenFileError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _from_record(archive)
    except KeyError as error:
        raise GoldenFileError(f"{path}: {error.args[0]}") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise GoldenFileError(f"{path}: cannot be read as npz ({error})") from None


def _from_record(record: Mapping[str, np.ndarray]) -> Golden:
    num_train = len(record["train/x1"])
    rows = {part: np.concatenate([record[f"train/{part}"], record[f"test/{part}"]]) for part in ("x1", "x2")}
    names = ("p_y_x1", "p_y_x2", "p_y_x1x2")
    conditionals = [np.concatenate([record[f"train/{name}"], record[f"test/{name}"]]) for name in names]
    batches = len(record["test/x1"]) // TEST_BATCH
    test_rows = num_train + np.arange(batches * TEST_BATCH).reshape(1, batches, TEST_BATCH)
    tables = Tables(
        x1=jnp.asarray(rows["x1"]),
        x2=jnp.asarray(rows["x2"]),
        conditionals=Conditionals(*map(jnp.asarray, conditionals)),
        train_rows=jnp.asarray(record["batch_index"][None]),
        test_rows=jnp.asarray(test_rows),
        test_mask=jnp.ones(test_rows.shape, dtype=bool),
    )
    first = jnp.zeros((), dtype=jnp.int32)
    spec = FitSpec(first, first, first, jnp.asarray(record["p_y"]), jax.random.key(0))
    params = (recorded_params(record, "init/mlp1"), recorded_params(record, "init/mlp2"))
    return Golden(tables, spec, params, record["train_atoms_nats"], record["test_atoms_nats"])


def recorded_params(record: Mapping[str, np.ndarray], prefix: str) -> Mapping[str, object]:
    """Weights recorded under `prefix`, named as flax names them."""
    layers = {
        f"Dense_{i}": {part: jnp.asarray(record[f"{prefix}/{i}/{part}"]) for part in ("kernel", "bias")}
        for i in range(FitSettings().hidden_layers + 1)
    }
    return {"params": layers}


def compare(golden: Golden, result: Fit) -> Differences:
    """Differences of a fit (without fit axis) from the record."""

    def largest(terms: object, recorded: np.ndarray) -> float:
        ours = np.stack([np.asarray(atom) for atom in atoms_from_terms(terms)], axis=-1)
        return float(bits_from_nats(np.abs(ours - recorded).max()))

    return Differences(largest(result.train_terms, golden.train_atoms), largest(result.test_terms, golden.test_atoms))


def replay(path: str | Path, settings: FitSettings = PUBLISHED) -> Differences:
    """Train from the recorded weights on the recorded batches and compare every train and test atom."""
    golden = load(path)
    with jax.default_matmul_precision("highest"):
        program = jax.jit(fit, static_argnums=2)
        return compare(golden, program(golden.spec, golden.tables, settings, golden.params))
