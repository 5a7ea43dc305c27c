"""Parity with the published estimator, on every recorded fit and in every way the estimator can run it."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pid_jax.config import FitSettings
from pid_jax.estimators.batch.fit import batch_loss, take_batch
from pid_jax.information import InformationTerms, atoms_from_terms, bits_from_nats
from pid_jax.sweep.fits import FitSummary
from tests.golden.__main__ import main
from tests.golden.replay import PUBLISHED, GoldenFileError, load, recorded_params, replay
from tests.golden.sharded import COPIES, STEMS, fit_all

FILES = sorted(Path(__file__).parent.glob("*.npz"))


QUICK = ("variable_options_k4", "weak_long_k3")
"""Exact zeros in the probabilities, and couplings far from converged. Every file is replayed by `make test-slow`."""


def quickly(*stems: str) -> list:
    """All files, of which `make test` takes only these."""
    return [pytest.param(path, marks=[] if path.stem in stems else [pytest.mark.slow], id=path.stem) for path in FILES]


STOPS_EARLY_THROUGHOUT = "weak_long_k3"
"""A fit in which the published Sinkhorn never converges: only its own way of stopping reproduces it."""


@pytest.mark.parametrize("path", quickly(*QUICK))
def test_recorded_fit_is_reproduced(path):
    found = replay(path)
    assert max(found.train_bits, found.test_bits) < 1e-5, found


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_converged_couplings_reproduce_it_unless_the_published_stops_early(path):
    assert replay(path, FitSettings()).passed == (path.stem != STOPS_EARLY_THROUGHOUT)


@pytest.mark.parametrize("path", quickly(QUICK[0]))
def test_first_gradient(path):
    golden = load(path)
    rows = golden.tables.train_rows[0, 0]
    batch = take_batch(golden.spec, golden.tables, rows, jnp.ones(len(rows), dtype=bool))
    program = jax.jit(jax.grad(batch_loss, has_aux=True), static_argnums=2)
    gradient, _ = program(golden.params, batch, PUBLISHED)
    with np.load(path) as record:
        recorded = [recorded_params(record, f"grad0/mlp{i}") for i in (1, 2)]
    ours, theirs = (jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]) for tree in (gradient, recorded))
    assert float(jnp.linalg.norm(ours - theirs) / jnp.linalg.norm(theirs)) < 1e-4


@pytest.fixture(scope="module")
def grouped() -> FitSummary:
    """Golden fits of one shape beside each other, with rows that nothing points at, in two calls of two at a time."""
    return fit_all([load(Path(__file__).parent / f"{stem}.npz") for stem in STEMS], devices=1, calls=2)


def assert_recorded(loss: np.ndarray, terms: np.ndarray) -> None:
    """Every fit against its record: unique2, which is the loss, at every step, and the mean test atoms."""
    for fit in range(len(STEMS) * COPIES):
        golden = load(Path(__file__).parent / f"{STEMS[fit % len(STEMS)]}.npz")
        atoms = np.array(atoms_from_terms(InformationTerms(*terms[fit])))
        train = np.abs(loss[fit] - golden.train_atoms[:, 2]).max()
        test = np.abs(atoms - golden.test_atoms.mean(axis=0)).max()
        assert bits_from_nats(max(train, test)) < 1e-5, STEMS[fit % len(STEMS)]


@pytest.mark.slow
def test_vmapped_padded_and_in_several_calls(grouped):
    assert_recorded(grouped.loss, np.stack(grouped.terms, axis=-1))


@pytest.mark.slow
def test_sharded_over_eight_devices(grouped, tmp_path):
    command = [sys.executable, "-m", "tests.golden.sharded", "8", str(tmp_path / "sharded.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "sharded.npz") as found:
        assert_recorded(found["loss"], found["terms"])
        assert bits_from_nats(np.abs(found["loss"] - grouped.loss).max()) < 1e-5
        assert bits_from_nats(np.abs(found["terms"] - np.stack(grouped.terms, axis=-1)).max()) < 1e-5


@pytest.mark.slow
def test_a_wrong_record_fails(tmp_path, capsys):
    with np.load(FILES[1]) as record:
        arrays = dict(record)
    arrays["test_atoms_nats"] = arrays["test_atoms_nats"] + np.float32(2e-3)
    np.savez(tmp_path / "wrong.npz", **arrays)
    assert main([str(tmp_path / "wrong.npz")]) == 1
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no npz"])
def test_what_is_no_record_is_said(tmp_path, content):
    path = tmp_path / "odd.npz"
    path.write_bytes(content)
    with pytest.raises(GoldenFileError, match="cannot be read"):
        load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(GoldenFileError, match="train/x1"):
        load(path)


def test_usage():
    assert main([]) == 2
