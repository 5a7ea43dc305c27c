"""Every shipped model on the mixture of all four atoms, by the exact estimator, all 1024 items."""

import pytest

from pid_jax import estimate, make_config
from pid_lvlm.data.names import ATOMS
from pid_lvlm.data.world import get_task, true_atoms
from pid_lvlm.extract import extract
from tests import ROOT

DEMO = ROOT / "data" / "demo"
MODELS = ("llava-tiny", "llava-small", "qwen2-vl-tiny", "qwen2-vl-small")
ALLOWED = 0.03
"""Bits; the largest error is 0.023."""


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_exact_finds_all_four_atoms(model, tmp_path):
    checkpoint = sorted((DEMO / "checkpoints" / model).glob("tune-*"))[-1]
    done = extract(
        model=checkpoint,
        data=DEMO / "items" / "blend.toml",
        out=tmp_path / "runs",
        layers="last",
        batch_size=64,
        keep_items="none",
        quiet=True,
    )
    row = estimate(done.folder, make_config(estimator="exact")).row(0, named=True)
    truth = true_atoms(get_task("blend"))
    for atom in ATOMS:
        assert abs(row[f"{atom}_raw"] - getattr(truth, atom)) < ALLOWED, atom
    assert row["interval"] == "items"
    assert row["synergy_low"] <= truth.synergy <= row["synergy_high"]
