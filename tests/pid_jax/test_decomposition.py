"""A user's own arrays: the same numbers as through a run folder, and mistakes are one sentence."""

import dataclasses

import numpy as np
import pytest

import pid_jax
from pid_jax.config import make_config
from pid_jax.problems.probabilities import option_probabilities
from pid_lvlm.data import PidError, read_run
from pid_lvlm.data.names import ATOMS

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1), estimator="batch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_run):
    return make_run(tmp_path_factory.mktemp("arrays") / "run", "language", n=120, d=6)


@pytest.fixture(scope="module")
def arrays(folder):
    run = read_run(folder)
    p = option_probabilities(run.arrays["loglik"][:, :, -1], run.arrays["num_options"], 0.3).p
    return p[:, 1], p[:, 2], p[:, 0], run.features(1, "mean"), run.features(2, "mean")


@pytest.mark.slow
def test_same_as_through_a_run_folder(folder, arrays):
    found = pid_jax.decompose(*arrays, CONFIG)
    row = pid_jax.estimate([folder], CONFIG).row(0, named=True)
    for atom, raw, clipped, sd in zip(ATOMS, found.raw, found.clipped, found.sd, strict=True):
        assert raw == pytest.approx(row[f"{atom}_raw"], abs=1e-6)
        assert clipped == pytest.approx(row[atom], abs=1e-6)
        assert sd == pytest.approx(row[f"{atom}_sd"], abs=1e-6)
    assert found.terms.i_y_x2 == pytest.approx(row["i_language"], abs=1e-6)
    assert (found.num_train, found.num_test) == (row["num_train"], row["num_test"])
    assert found.loss.shape == (2, 2)
    assert found.loss[:, -1].mean() == pytest.approx(row["loss_last"])
    assert (found.result, found.advice) == (pid_jax.Result.SUCCESSFUL, None)
    assert found.marginal_mismatch == pytest.approx(row["marginal_mismatch"])


@pytest.mark.slow
def test_the_anchor_exchanges_the_sources_and_back(folder, arrays):
    """With language as the anchor, the fit is that of the exchanged arrays, and its atoms carry their own names."""
    p1, p2, p12, x1, x2 = arrays
    exchanged = pid_jax.decompose(p2, p1, p12, x2, x1, CONFIG)
    anchored = pid_jax.decompose(
        *arrays, make_config("default", batch_size=32, epochs=1, seeds=(0, 1), anchor="language")
    )
    r, u1, u2, s = exchanged.raw
    assert anchored.raw == pytest.approx((r, u2, u1, s), abs=1e-6)


def test_every_returned_field_is_in_the_docstring():
    assert all(
        f"`{field.name}`" in str(pid_jax.decompose.__doc__) for field in dataclasses.fields(pid_jax.Decomposition)
    )


@pytest.mark.slow
def test_degenerate_probabilities_carry_nothing(arrays):
    """An answer that never varies: every term and atom is 0, and the fit succeeds."""
    certain = np.tile(np.array([0, 1, 0, 0], np.float32), (120, 1))
    found = pid_jax.decompose(certain, certain, certain, *arrays[3:], CONFIG)
    assert found.result == pid_jax.Result.SUCCESSFUL
    np.testing.assert_allclose(found.raw, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        (0, lambda p: p[:, 0], r"p_y_x1: expected shape \(n, k\) with at least 1 row and 2 options, found \(120,\)"),
        (1, lambda p: p * 2, "p_y_x2, row 0: expected probabilities of at least 0 that sum to 1"),
        (2, lambda p: p[:, [0, 1, 2, 3, 3]] / p[:, [0, 1, 2, 3, 3]].sum(1, keepdims=True), "p_y_x1x2: expected shape"),
        (3, lambda x: x[:7], r"x1: expected shape \(120, d\)"),
        (4, lambda x: np.where(np.arange(120)[:, None] == 5, np.nan, x), "x2, row 5: holds NaN or infinity"),
    ],
)
def test_arrays_that_do_not_fit(arrays, place, change, said):
    given = list(arrays)
    given[place] = change(given[place])
    with pytest.raises(PidError, match=said):
        pid_jax.decompose(*given, CONFIG)


def test_too_few_rows_and_missing_groups(arrays):
    with pytest.raises(
        PidError,
        match=r"the arrays: 120 rows \(90 for training, 30 for testing\) are too few; the estimate needs at least 342",
    ):
        pid_jax.decompose(*arrays)
    grouped = make_config("default", batch_size=32, split="group")
    with pytest.raises(PidError, match=r"groups: the split by groups needs a name for each row, shape \(120,\)"):
        pid_jax.decompose(*arrays, grouped)
