"""A run that an older version began is read, and continued to the numbers of a run begun today."""

import json
import shutil
from pathlib import Path

import numpy as np

from pid_lvlm import data
from pid_lvlm.data.names import MANIFEST_FILE, SCHEMA_VERSION, shard_file
from pid_lvlm.extract.models.checkpoint.fingerprint import is_sampled
from tests import ROOT
from tests.extract.console import Command

OLD = ROOT / "tests" / "older" / "version_1" / "extracted"
RUN = "tiny__demo-fusion"
DEMO = ROOT / "data" / "demo"
ARGUMENTS = ("--model", OLD.parent / "checkpoint", "--name", "tiny", "--data", DEMO / "items/fusion.toml")
SETTINGS = ("--limit", 24, "--shard-size", 8, "--batch-size", 8, "--layers", "last")


def test_a_killed_run_of_version_1_is_read_and_continued(tmp_path: Path, command: Command) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    part = data.read_run(tmp_path / "old" / RUN, allow_partial=True)
    assert len(part) == 8
    assert part.manifest.ground_truth is not None
    assert part.manifest.ground_truth["synergy"] == 2.0

    begun = (tmp_path / "old" / RUN / shard_file(0)).read_bytes()
    for folder in ("old", "new"):
        code, _, err = command(*ARGUMENTS, *SETTINGS, "--out", tmp_path / folder)
        assert code == 0, err
    assert (tmp_path / "old" / RUN / shard_file(0)).read_bytes() == begun
    manifests = [json.loads((tmp_path / folder / RUN / MANIFEST_FILE).read_bytes()) for folder in ("old", "new")]
    assert is_sampled(manifests[0].pop("revision"))  # the run keeps the fingerprint that it was begun under
    assert not is_sampled(manifests[1].pop("revision"))
    assert manifests[0].pop("recipe") != manifests[1].pop("recipe")
    # The noise statistics of the old run were computed on another processor: later shards are equal up to rounding.
    assert manifests[0].pop("checksums").keys() == manifests[1].pop("checksums").keys()
    assert manifests[0] == manifests[1]

    continued, whole = (data.read_run(tmp_path / folder / RUN) for folder in ("old", "new"))
    assert continued.manifest.schema_version == SCHEMA_VERSION
    assert continued.manifest.recipe == part.manifest.recipe
    for name, wanted in whole.arrays.items():
        if np.issubdtype(wanted.dtype, np.floating):
            np.testing.assert_allclose(continued.arrays[name], wanted, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(continued.arrays[name], wanted, err_msg=name)
