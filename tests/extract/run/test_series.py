"""Checkpoints of a series: what their processor makes is made once, and the run folders are those of single runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import host_inputs
from pid_lvlm.extract.measure.host_batches import HostBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.run import series
from pid_lvlm.extract.run.jobs import run_loaded
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.series import Series, fingerprint
from tests.extract.run.conftest import contents
from tests.extract.tiny_llava import save_tiny_llava

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Three steps of one model."""
    return [save_tiny_llava(tmp_path / f"step-{seed}", seed) for seed in (1, 2, 3)]


@pytest.fixture
def processed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures that processors were given, batch by batch."""
    counts: list[int] = []
    process = Adapter.process

    def count(self: Adapter, prompts: list[str], pictures: list[object] | None) -> object:
        counts.append(len(pictures or ()))
        return process(self, prompts, pictures)

    monkeypatch.setattr(Adapter, "process", count)
    return counts


def extracted(folders: list[Path], dataset: Dataset, out: Path, **settings: Any) -> dict[str, dict[str, bytes]]:
    specs = [ModelSpec(str(folder), layers="last") for folder in folders]
    config = ExtractionConfig(out, batch_size=4, shard_size=6, **settings)
    done = run_loaded(specs, [dataset], config, Reporter(quiet=True))
    assert not done.failures
    return {outcome.folder.name: contents(outcome.folder) for outcome in done.outcomes}


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_series_has_the_bytes_of_single_runs(
    checkpoints: list[Path], dataset: Dataset, tmp_path: Path, processed: list[int], workers: int
) -> None:
    alone: dict[str, dict[str, bytes]] = {}
    for folder in checkpoints:
        alone |= extracted([folder], dataset, tmp_path / "alone")
    single = sum(processed)
    processed.clear()
    assert extracted(checkpoints, dataset, tmp_path / "series", workers=workers) == alone
    if not workers:  # what other processes do is not seen here
        assert sum(processed) <= single - 2 * len({item.picture for item in dataset.items})


def test_prompts_are_planned_once(
    checkpoints: list[Path], dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[str] = []
    monkeypatch.setattr(series, "make_plan", lambda *given: (planned.append(given[1].name), make_plan(*given))[1])
    extracted(checkpoints[:2], dataset.first(4), tmp_path / "series")
    assert planned == [dataset.name]


def edited(folder: Path, name: str, edit: Edit) -> Path:
    content = json.loads((folder / name).read_text())
    edit(content)
    (folder / name).write_text(json.dumps(content))
    return folder


def test_another_processor_shares_nothing(checkpoints: list[Path], dataset: Dataset, tmp_path: Path) -> None:
    """Its pictures are prepared otherwise: with the pictures of the first model its numbers would be others."""
    first, second, _ = checkpoints
    edited(second, "processor_config.json", lambda found: found["image_processor"].update(image_mean=[0.1, 0.2, 0.3]))
    alone = extracted([second], dataset, tmp_path / "alone")
    assert extracted([first, second], dataset, tmp_path / "series")["step-2__toy"] == alone["step-2__toy"]


CHANGES: dict[str, tuple[str, Edit]] = {
    "picture": ("processor_config.json", lambda found: found["image_processor"].update(image_std=[0.1, 0.2, 0.3])),
    "token": ("processor_config.json", lambda found: found.update(num_additional_image_tokens=0)),
    "text": ("tokenizer.json", lambda found: found.update(normalizer={"type": "Lowercase"})),
    "context": ("config.json", lambda found: found["text_config"].update(max_position_embeddings=256)),
    "special": ("tokenizer_config.json", lambda found: found.update(bos_token="</s>")),
    "placeholder": ("config.json", lambda found: found.update(image_token_id=4)),
}


def test_checkpoints_of_one_training_have_one_fingerprint(checkpoints: list[Path]) -> None:
    first, second, _ = (load_adapter(ModelSpec(str(folder))) for folder in checkpoints)
    assert fingerprint(first) == fingerprint(second) is not None
    first.model.config.text_config.hidden_size *= 2  # a larger model of the family
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize("what", CHANGES)
def test_what_prompts_and_pictures_depend_on_is_in_the_fingerprint(
    checkpoint: Path, adapter: Adapter, tmp_path: Path, what: str
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "changed"))
    edited(folder, *CHANGES[what])
    assert fingerprint(load_adapter(ModelSpec(str(folder)), weights=False)) != fingerprint(adapter)


def test_the_chat_template_is_in_the_fingerprint(checkpoint: Path, adapter: Adapter, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "changed"))
    (folder / "chat_template.jinja").write_text("Well. " + (folder / "chat_template.jinja").read_text())
    assert fingerprint(load_adapter(ModelSpec(str(folder)), weights=False)) != fingerprint(adapter)


def test_other_settings_and_items_have_other_plans(adapter: Adapter, dataset: Dataset, tmp_path: Path) -> None:
    kept = Series()
    kept.begin(adapter, last=False)
    config = ExtractionConfig(tmp_path)
    plan = kept.plan(adapter, dataset, config)
    assert kept.plan(adapter, dataset, config) is plan
    assert kept.plan(adapter, dataset, ExtractionConfig(tmp_path, prompt="plain")) != plan
    assert len(kept.plan(adapter, dataset.first(5), config).items) == 5
    kept.begin(adapter, last=True)
    assert kept.plan(adapter, dataset, config) is plan
    few = kept.plan(adapter, dataset.first(3), config)
    assert kept.plan(adapter, dataset.first(3), config) is not few  # nobody comes after the last


def test_memory_is_bounded(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    first, second = items[:4], items[4:8]
    sizes = [sum(one.nbytes for one in host_inputs(adapter, part).inputs.values()) for part in (first, second)]
    batches = HostBatches(room=max(sizes))
    batches.keep(first, host_inputs(adapter, first))
    assert not batches.has(first)  # not open yet
    batches.open = True
    for part in (first, second):
        batches.keep(part, host_inputs(adapter, part))
    assert (batches.has(first), batches.has(second)) == (True, False)
    batches.clear()
    batches.keep(second, host_inputs(adapter, second))
    assert (batches.has(first), batches.has(second)) == (False, True)
    monkeypatch.setattr(series, "PLANNED", len(dataset.items) - 1)
    kept, config = Series(), ExtractionConfig(tmp_path)
    kept.begin(adapter, last=False)
    assert kept.plan(adapter, dataset, config) is not kept.plan(adapter, dataset, config)
