"""Parity with the published estimator, on every recorded fit and in every way the estimator can run it."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pid_jax.fit import Fit, FitSettings, batch_loss, fit, take_batch
from pid_jax.problem import Conditionals, Lane
from tests.golden.replay import PUBLISHED, GoldenFileError, compare, load, recorded_params, replay

FILES = sorted(Path(__file__).parent.glob("*.npz"))


STOPS_EARLY_THROUGHOUT = "weak_long_k3"
"""A fit in which the published Sinkhorn never converges: only its own way of stopping reproduces it."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_fit_is_reproduced(path):
    found = replay(path)
    assert max(found.train_bits, found.test_bits) < 1e-5, found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_converged_couplings_reproduce_it_unless_the_published_stops_early(path):
    assert replay(path, FitSettings()).passed == (path.stem != STOPS_EARLY_THROUGHOUT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_first_gradient(path):
    golden = load(path)
    rows = golden.tables.train_rows[0, 0]
    batch = take_batch(golden.lane, golden.tables, rows, jnp.ones(len(rows), dtype=bool))
    program = jax.jit(jax.grad(batch_loss, has_aux=True), static_argnums=2)
    gradient, _ = program(golden.params, batch, PUBLISHED)
    with np.load(path) as record:
        recorded = [recorded_params(record, f"grad0/mlp{i}") for i in (1, 2)]
    ours, theirs = (jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]) for tree in (gradient, recorded))
    assert float(jnp.linalg.norm(ours - theirs) / jnp.linalg.norm(theirs)) < 1e-4


def test_vmapped_with_others_and_padded():
    """Beside other problems, and with rows appended that nothing points at, a golden fit stays the same fit."""
    golden = load(FILES[0])
    assert FILES[0].stem == "inconsistent_k4"
    padded = golden.tables._replace(
        x1=jnp.pad(golden.tables.x1, ((0, 0), (0, 100), (0, 0)), constant_values=7.0),
        x2=jnp.pad(golden.tables.x2, ((0, 0), (0, 100), (0, 0)), constant_values=-7.0),
        conditionals=Conditionals(
            *(jnp.pad(p, ((0, 1), (0, 100), (0, 0)), constant_values=0.25) for p in golden.tables.conditionals)
        ),
    )
    lanes = Lane(
        jnp.array([0, 0]), jnp.array([0, 1]), jnp.array([0, 0]),
        jnp.stack([golden.lane.p_y, jnp.full(4, 0.25)]), jax.random.split(golden.lane.key),
    )  # fmt: skip
    program = jax.jit(jax.vmap(lambda lane: fit(lane, padded, FitSettings(), golden.params)))
    both: Fit = program(lanes)
    found = compare(golden, jax.tree.map(lambda leaf: leaf[0], both))
    assert found.passed, found


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.golden", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_a_wrong_record_fails(tmp_path):
    with np.load(FILES[1]) as record:
        arrays = dict(record)
    arrays["test_atoms_nats"] = arrays["test_atoms_nats"] + np.float32(2e-3)
    np.savez(tmp_path / "wrong.npz", **arrays)
    done = run_module(str(tmp_path / "wrong.npz"))
    assert done.returncode == 1
    assert "FAIL" in done.stdout


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
    assert run_module().returncode == 2
