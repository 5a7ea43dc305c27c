"""Paired differences of the report, without jax, are those of `pid_jax.exact_difference` on the same problems."""

import sys

import numpy as np
import pytest
from scipy.special import log_softmax

from pid_jax import exact_difference
from pid_jax.cli.main import main
from pid_jax.config import make_config
from pid_jax.estimation import estimate
from pid_lvlm import data
from pid_lvlm.analysis import read_results, tables
from pid_lvlm.data.names import ATOMS

NUMBER, OPTIONS = 48, 3


def write(folder, model, sharpness):
    """Two models on the same items, three of a picture; the same noise at another sharpness."""
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(NUMBER, 3, OPTIONS)) * np.array([1.5, 0.5, 1.0])[:, None]
    return data.write_run(
        folder / model,
        model=model,
        dataset="d",
        loglik=log_softmax(sharpness * draws, axis=-1),
        x1=rng.normal(size=(NUMBER, 2)),
        x2=rng.normal(size=(NUMBER, 2)),
        group_id=[f"picture{i // 3}" for i in range(NUMBER)],
        sample_id=[f"q{i:02}" for i in range(NUMBER)],
    )


@pytest.mark.parametrize("interval", ["items", "items-uncorrected"])
def test_differences_without_jax_are_those_with_it(tmp_path, monkeypatch, interval):
    runs = [write(tmp_path / "runs", model, sharpness) for model, sharpness in (("m1", 1.0), ("m2", 1.6))]
    out, items = tmp_path / "r.parquet", tmp_path / "items.parquet"
    command = ["pid-estimate", *map(str, runs), "--out", str(out), "--pointwise", str(items), "--quiet"]
    command += ["--estimator", "exact", "--interval", interval, "--no-spread"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    results = read_results(out)
    found = tables.differences(results, items, "models")
    outcomes = {}
    config = make_config(estimator="exact", interval=interval, spread=False)
    estimate(runs, config, keep=outcomes.__setitem__)
    first, second = (
        outcomes[results.filter(model=model)["problem_id"][0]] for model in (found["first"][0], found["second"][0])
    )
    expected = exact_difference(second, first)
    assert found["groups"].to_list() == [NUMBER // 3] * len(ATOMS)
    assert found["interval"].unique().to_list() == [interval]
    for name, theirs in {
        "difference": expected.estimate,
        "low": expected.low,
        "high": expected.high,
        "standard_error": expected.standard_error,
    }.items():
        np.testing.assert_allclose(found[name], theirs, atol=1e-12)
    assert (found["standard_error"] > 0).all()
