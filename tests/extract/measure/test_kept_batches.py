"""What the first pass encodes is used by the second: less work and the same bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.run.extract_run import Outcome
from tests.extract.run.conftest import contents

SETTINGS = {"layers": "last", "batch_size": 4, "shard_size": 6}


@pytest.fixture
def processed(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures that the processor was given, batch by batch."""
    counts: list[int] = []
    process = type(adapter).process

    def count(self: Adapter, prompts: list[str], pictures: list[object] | None) -> object:
        counts.append(len(pictures or ()))
        return process(self, prompts, pictures)

    monkeypatch.setattr(type(adapter), "process", count)
    return counts


def test_pictures_are_prepared_once_for_both_passes(
    run: Callable[..., Outcome],
    dataset: Dataset,
    tmp_path: Path,
    processed: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = contents(run(dataset, tmp_path / "kept", **SETTINGS).folder)
    processed.clear()  # of the receipt, too, which is remembered
    run(dataset, tmp_path / "once", **SETTINGS)
    once = sum(processed)
    processed.clear()
    monkeypatch.setattr(KeptBatches, "keep", lambda *_: None)
    assert contents(run(dataset, tmp_path / "again", **SETTINGS).folder) == kept
    assert sum(processed) - once >= len({item.picture for item in dataset.items})


def test_only_what_fits_is_kept_and_it_is_taken_once(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    first, second = items[:4], items[4:8]
    batch, other = encode_batch(adapter, first), encode_batch(adapter, second)
    kept = KeptBatches(adapter, room=max(batch.nbytes, other.nbytes))
    kept.keep(batch)
    kept.keep(other)
    assert (kept.has(first), kept.has(second), kept.has(items[:3])) == (True, False, False)
    found = kept.take(first)
    assert found is not None
    assert found.ids == batch.ids
    assert found.inputs["input_ids"].equal(batch.inputs["input_ids"])
    assert kept.take(first) is None
    kept.keep(other)
    assert kept.has(second)


def test_nothing_is_kept_of_a_model_on_several_devices(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter.model, "hf_device_map", {"vision": 0, "decoder": "cpu"}, raising=False)
    kept = KeptBatches(adapter)
    items = make_plan(adapter, dataset, "letters", "all").items[:2]
    kept.keep(encode_batch(adapter, items))
    assert not kept.has(items)
