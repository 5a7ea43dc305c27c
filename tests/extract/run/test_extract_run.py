"""Run folders: valid, the same whatever the batching and order, continued only under the same settings."""

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.errors import OutputExistsError, PidError
from pid_lvlm.data.names import MANIFEST_FILE, shard_file
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.run.contents.run_folder import check_out_folder
from pid_lvlm.extract.run.extract_run import Outcome, extract_run
from pid_lvlm.extract.run.progress import Reporter
from tests.extract.run.conftest import contents

Extract = Callable[..., Outcome]


def test_a_run_folder_is_valid(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    outcome = run(dataset, tmp_path / "runs")
    loaded = data.read_run(outcome.folder)
    assert data.validate_run(outcome.folder) == []
    assert outcome.folder.name == "tiny__toy"
    assert loaded.arrays["sample_id"].tolist() == [item.id for item in dataset.items]
    assert loaded.arrays["loglik"].shape == (11, 4, 3, 4)
    assert loaded.arrays["x1_tokens"].tolist() == [4] * 11
    assert loaded.manifest.layers == (1, 2, 3)
    assert loaded.manifest.noise_sites["vision"].startswith("vision span")
    with np.load(outcome.folder / "noise_stats.npz") as stats:
        assert stats["vision_count"] == 44
        assert stats["language_count"] == loaded.arrays["x2_tokens"].sum()
        np.testing.assert_allclose(stats["vision_mean"], loaded.arrays["x1_mean"].mean(axis=0), atol=1e-5)


def test_batches_shards_and_order_change_nothing(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    one = data.read_run(run(dataset, tmp_path / "a", batch_size=4).folder).arrays
    shuffled = replace(dataset, items=dataset.items[::-1])
    other = data.read_run(run(shuffled, tmp_path / "b", batch_size=3, shard_size=5).folder).arrays
    for name, array in one.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, other[name][::-1], atol=2e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(array, other[name][::-1], err_msg=name)


def test_resume_fills_what_is_missing(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    folder = run(dataset, tmp_path / "runs").folder
    whole = contents(folder)
    replace(data.read_manifest(folder), finished=False).write(folder)
    (folder / "shard-00001.npz").unlink()
    (folder / "shard-00002.npz").write_bytes(whole["shard-00002.npz"][:100])
    (folder / ".shard-00001.npz.partial").write_bytes(b"half")
    outcome = run(dataset, tmp_path / "runs")
    assert outcome.measured == 7
    assert f": 7 samples and {outcome.samples - 7} from before in " in str(outcome)
    assert contents(folder) == whole
    assert run(dataset, tmp_path / "runs").measured == 0
    assert contents(folder) == whole


def test_a_run_of_an_older_version_is_finished(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    """Its manifest does not count the file's rows; that changes no number, so neither does the recipe."""
    out = tmp_path / "runs"
    folder = run(dataset, out, layers="last").folder
    whole = (folder / MANIFEST_FILE).read_text()
    fields = json.loads(whole)
    del fields["dataset_rows"]
    (folder / MANIFEST_FILE).write_text(json.dumps({**fields, "finished": False}))
    (folder / shard_file(1)).unlink()
    assert run(dataset, out, layers="last").measured == 4
    assert (folder / MANIFEST_FILE).read_text() == whole
    fewer = replace(dataset, rows=replace(dataset.rows, read=99))
    run(fewer, tmp_path / "other", layers="last")
    assert data.read_manifest(tmp_path / "other" / folder.name).recipe == fields["recipe"]


def test_other_settings_are_refused(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    folder = run(dataset, tmp_path / "runs", layers="last").folder
    before = contents(folder)
    with pytest.raises(OutputExistsError, match="noise_seed was 0, now 5"):
        run(dataset, tmp_path / "runs", layers="last", seed=5)
    with pytest.raises(OutputExistsError, match="language span"):
        run(dataset, tmp_path / "runs", layers="last", language_span="question_options")
    assert contents(folder) == before


def test_a_run_of_another_size_is_refused_with_a_way_on(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    """`--limit 5` for a look, then the full run into the same folder."""
    out = tmp_path / "runs"
    folder = run(dataset.first(5), out, layers="last").folder
    sentence = (
        f"`{folder}` holds a run of 5 items, and this command asks for 11 (--limit); a run cannot change its size: "
        f"choose another --out, or delete the folder `{folder}` and run the same command again"
    )
    with pytest.raises(OutputExistsError, match=re.escape(sentence)):
        run(dataset, out, layers="last")
    with pytest.raises(OutputExistsError, match="noise_seed was 0, now 5"):
        run(dataset, out, layers="last", seed=5)


def test_an_unfinished_run_is_continued_with_the_same_image_processor(
    run: Extract, dataset: Dataset, tmp_path: Path
) -> None:
    """The two backends resize a little differently. A finished run is left as it is, whatever is installed now."""
    folder = run(dataset, tmp_path / "runs", layers="last").folder
    manifest = data.read_manifest(folder)
    other = {**manifest.versions, "image_processor": "OtherBackend"}
    replace(manifest, versions=other, finished=True).write(folder)
    assert run(dataset, tmp_path / "runs", layers="last").measured == 0
    replace(manifest, versions=other, finished=False).write(folder)
    with pytest.raises(OutputExistsError, match=r"versions.image_processor was 'OtherBackend', now 'CLIPImageProc\w*'"):
        run(dataset, tmp_path / "runs", layers="last")


def test_a_folder_that_is_not_ours_stays_untouched(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    foreign = tmp_path / "runs" / "tiny__toy"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("important")
    with pytest.raises(OutputExistsError, match="is not a run folder"):
        run(dataset, tmp_path / "runs")
    with pytest.raises(OutputExistsError, match="contains files but no run folder"):
        check_out_folder(foreign)
    with pytest.raises(OutputExistsError, match="is a file"):
        check_out_folder(foreign / "thesis.txt")
    with pytest.raises(OutputExistsError, match="`.*thesis.txt/more`: `.*thesis.txt` is a file; choose a folder"):
        check_out_folder(foreign / "thesis.txt" / "more")
    assert contents(foreign) == {"thesis.txt": b"important"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_full_disk_and_read_only_folder(
    run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("pid_lvlm.data.files.os.fsync", refuse)
    with pytest.raises(PidError, match=rf"cannot write `.*manifest.json`: {os.strerror(code)}"):
        run(dataset, tmp_path / "runs")
    assert list((tmp_path / "runs" / "tiny__toy").iterdir()) == []


def test_a_lens_that_is_not_the_output_is_an_error(
    run: Extract, dataset: Dataset, tmp_path: Path, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(adapter), "cap", lambda _self, logits: logits * 2)
    with pytest.raises(PidError, match="differs from the model's logits"):
        run(dataset, tmp_path / "runs")


def test_bfloat16_models_give_float32_arrays(checkpoint: Path, dataset: Dataset, tmp_path: Path) -> None:
    spec = ModelSpec(str(checkpoint), dtype="bfloat16")
    config = ExtractionConfig(tmp_path / "runs", batch_size=4)
    outcome = extract_run(load_adapter(spec), spec, None, dataset, config, Reporter(quiet=True))
    loaded = data.read_run(outcome.folder)
    assert loaded.manifest.dtype == "bfloat16"
    assert loaded.arrays["loglik"].dtype == loaded.arrays["x1_mean"].dtype == np.float32


def test_stage_and_step_name_the_run(adapter: Adapter, dataset: Dataset, tmp_path: Path) -> None:
    spec = ModelSpec("tiny", name="demo/small", stage="stage1", step=40, size_b=0.5)
    config = ExtractionConfig(tmp_path / "runs", layers="2", batch_size=11)
    outcome = extract_run(adapter, spec, None, dataset, config, Reporter(quiet=True))
    manifest = data.read_manifest(outcome.folder)
    assert outcome.folder.name == "small__toy__stage1-40"
    assert (manifest.model, manifest.stage, manifest.step, manifest.size_b) == ("demo/small", "stage1", 40, 0.5)
    assert manifest.layers == (2, 3)
