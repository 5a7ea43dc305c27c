"""What a run holds without its arrays: counts, checksums that follow the content, and what is wrong at a glance."""

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.names import MANIFEST_FILE, shard_file


@pytest.fixture
def run(tmp_path, make_run):
    return make_run(tmp_path / "run", n=30, d=4)


def test_counts_and_checksums_without_reading_an_array(run, monkeypatch):
    monkeypatch.setattr(np, "load", None)
    outline = data.outline_run(run)
    assert len(outline) == 30
    assert outline.manifest.run == "run"
    assert {"loglik", "x1_mean", "sample_id"} <= set(outline.checksums)


def test_a_checksum_changes_with_its_array_alone(run):
    before = data.outline_run(run).checksums
    with np.load(run / shard_file(0)) as archive:
        arrays = dict(archive)
    arrays["x1_mean"][7, 2] += 1
    np.savez(run / shard_file(0), **arrays)
    after = data.outline_run(run).checksums
    assert {name for name in before if before[name] != after[name]} == {"x1_mean"}


def test_one_small_array_can_be_read(run):
    assert data.outline_run(run).read("group_id").tolist() == [str(i) for i in range(30)]
    with pytest.raises(data.ContractError, match="array `x9`: missing"):
        data.outline_run(run).read("x9")


def test_a_shard_that_is_cut_short_or_gone(run):
    shard = run / shard_file(0)
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(data.ContractError, match="damaged or truncated"):
        data.outline_run(run)
    shard.unlink()
    with pytest.raises(data.ContractError, match="missing; run the same pid-extract command again"):
        data.outline_run(run)


def test_a_partial_run_counts_the_shards_that_are_there(run):
    manifest = run / MANIFEST_FILE
    text = manifest.read_text().replace('"finished": true', '"finished": false')
    manifest.write_text(
        text.replace('"shard_size": null', '"shard_size": 30').replace('"num_samples": 30', '"num_samples": 70')
    )
    with pytest.raises(data.ContractError, match=r"unfinished run \(1 of 3 shards exist\)"):
        data.outline_run(run)
    outline = data.outline_run(run, allow_partial=True)
    assert (len(outline), outline.shards) == (30, (0,))
    assert len(data.read_run(run, shards=outline.shards)) == 30
