"""The receipt of a run: each check fails on an adapter that is broken in that way, and the run stops before a shard."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pid_lvlm import data
from pid_lvlm.data.contract.schema.receipt import CHECKS, FAILED, NOT_CHECKED, PASSED, Check, Receipt
from pid_lvlm.data.names import MANIFEST_FILE, SOURCES
from pid_lvlm.extract.conditions.hooks import CallHook, Edit
from pid_lvlm.extract.conditions.prefix import SharedPrefix, common_length
from pid_lvlm.extract.conditions.sites import EmbeddingSite
from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.run.contents.manifest import _recipe
from pid_lvlm.extract.run.extract_run import Outcome
from pid_lvlm.extract.run.receipt.make import Subject, make_receipt, plan_like_run
from pid_lvlm.extract.run.receipt.verdict import explain, limit_of

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("fresh_receipts")


def subject(adapter: Adapter, dataset: Dataset, **settings: Any) -> Subject:
    """What a run of these items would check."""
    plan = make_plan(adapter, dataset, "letters", "all", "plain")
    like_run = partial(plan_like_run, adapter, dataset, ExtractionConfig(Path(), letters="plain"))
    chosen = {"layers": (1, 2, 3), "seed": 0, "batch_size": 4, "plan_items": like_run, **settings}
    return Subject(adapter, plan, **chosen)


def failed(adapter: Adapter, dataset: Dataset) -> dict[str, Check]:
    receipt = make_receipt(subject(adapter, dataset))
    return {name: receipt.checks[name] for name in receipt.names(FAILED)}


@pytest.fixture
def few(dataset: Dataset) -> Dataset:
    """The first items: two shards."""
    return dataset.first(5)


def test_a_run_records_its_receipt(run: Run, few: Dataset, tmp_path: Path) -> None:
    folder = run(few, tmp_path).folder
    manifest = data.read_manifest(folder)
    assert manifest.receipt is not None
    assert list(manifest.receipt.checks) == list(CHECKS)
    assert manifest.receipt.names(PASSED) == tuple(CHECKS)
    assert (len(manifest.receipt.items), manifest.receipt.batch_size) == (3, 3)
    assert 0 < manifest.receipt.checks["batch"].found < 1e-4
    assert all(manifest.receipt.checks[name].visible > 0.01 for name in ("leak_picture", "leak_text"))
    assert _recipe(manifest) == _recipe(replace(manifest, receipt=None)) == manifest.recipe


@pytest.mark.slow
def test_a_run_that_is_continued_ends_with_the_same_bytes(run: Run, few: Dataset, tmp_path: Path) -> None:
    folder = run(few, tmp_path).folder
    whole = (folder / MANIFEST_FILE).read_bytes()
    for receipt in (data.read_manifest(folder).receipt, None):  # killed after and before the checks
        replace(data.read_manifest(folder), finished=False, receipt=receipt).write(folder)
        (folder / "shard-00001.npz").unlink()
        assert run(few, tmp_path).measured == 1
        assert (folder / MANIFEST_FILE).read_bytes() == whole


@pytest.mark.slow
def test_the_receipt_of_the_first_command_stays(run: Run, few: Dataset, tmp_path: Path) -> None:
    folder = run(few, tmp_path).folder
    first = data.read_manifest(folder).receipt
    replace(data.read_manifest(folder), finished=False).write(folder)
    assert run(few, tmp_path, batch_size=2).measured == 0
    assert data.read_manifest(folder).receipt == first


@pytest.mark.slow
def test_a_complete_run_is_not_checked_again(
    run: Run, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(few, tmp_path).folder
    replace(data.read_manifest(folder), receipt=None).write(folder)  # of an older version
    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", None)
    assert run(few, tmp_path).measured == 0
    assert data.read_manifest(folder).receipt is None


def test_a_failed_check_stops_the_run(
    run: Run, few: Dataset, adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(adapter), "encode", attending_to_padding)
    sentence = r"the same item scores .* nats differently in a batch of 3 than alone, .* --batch-size 1 .*; nothing was"
    with pytest.raises(ModelError, match=sentence):
        run(few, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_relative_to(tmp_path / "tiny__toy")] == []
    monkeypatch.undo()
    folder = run(few, tmp_path).folder
    replace(data.read_manifest(folder), finished=False).write(folder)
    (folder / "shard-00001.npz").unlink()
    monkeypatch.setattr(type(adapter), "encode", attending_to_padding)
    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", make_receipt)
    with pytest.raises(ModelError, match=sentence):
        run(few, tmp_path)
    assert sorted(path.name for path in folder.glob("shard*")) == ["shard-00000.npz"]


def attending_to_padding(self: Adapter, prompts: Any, pictures: Any) -> dict[str, Any]:
    inputs = self.process(prompts, pictures)
    return {**inputs, "attention_mask": torch.ones_like(inputs["attention_mask"])}


class Leaky(EmbeddingSite):
    """Forgets every other vector."""

    def write(self, inputs: Any, masks: Any, values: Tensor) -> dict[str, Any]:
        kept = values.clone()
        kept[::2] = self.read(inputs, masks)[::2].to(kept.dtype)
        return super().write(inputs, masks, kept)


class Rounding(EmbeddingSite):
    """Writes what it was given, nearly."""

    def write(self, inputs: Any, masks: Any, values: Tensor) -> dict[str, Any]:
        return super().write(inputs, masks, values.bfloat16().float())


class Forgotten(CallHook):
    """A hook point whose handle removes nothing."""

    def attach(self, edit: Edit) -> Any:
        super().attach(edit)
        return SimpleNamespace(remove=lambda: None)


@pytest.mark.parametrize(
    ("source", "name", "other"), [(SOURCES[0], "leak_picture", "leak_text"), (SOURCES[1], "leak_text", "leak_picture")]
)
def test_a_hook_that_leaks(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, source: str, name: str, other: str
) -> None:
    sites = tuple(Leaky(one) if one == source else EmbeddingSite(one) for one in SOURCES)
    monkeypatch.setattr(adapter, "sites", sites)
    found = failed(adapter, dataset)
    assert name in found
    assert other not in found
    assert 0 < found[name].found < 10
    assert found[name].limit == 0


def test_a_lens_without_its_norm(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(adapter), "final_norm", lambda _self, states: states)
    assert list(failed(adapter, dataset)) == ["lens"]


def test_a_batch_that_changes_scores(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(adapter), "encode", attending_to_padding)
    assert list(failed(adapter, dataset)) == ["batch"]


def test_a_hook_that_is_not_neutral(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "sites", tuple(Rounding(one) for one in SOURCES))
    assert list(failed(adapter, dataset)) == ["hooks"]


def test_a_hook_that_stays(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    head: nn.Module = adapter.model.get_output_embeddings()
    before = head._forward_pre_hooks.copy()
    monkeypatch.setattr(adapter, "hook_points", (Forgotten(head),))
    try:
        found = failed(adapter, dataset)
        assert found["hooks_left"].found >= 1
    finally:
        head._forward_pre_hooks = before


def test_a_prefix_that_is_not_the_same(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vision_only` must not go on from keys of the question."""
    monkeypatch.setattr("pid_lvlm.extract.measure.passes.common_length", lambda masks: common_length(masks) + 3)
    assert "sharing" in failed(adapter, dataset)


def test_rows_that_do_not_begin_like_their_leader(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of a row in the wrong places."""
    right = SharedPrefix.rows
    monkeypatch.setattr(SharedPrefix, "rows", lambda prefix, of, shift, length: right(prefix, of, shift - 1, length))
    assert list(failed(adapter, dataset)) == ["sharing"]


def test_scores_that_are_not_numbers(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = type(adapter).forward
    monkeypatch.setattr(type(adapter), "forward", lambda *arguments: forward(*arguments) * float("nan"))
    receipt = make_receipt(subject(adapter, dataset))
    assert receipt.names(FAILED)[0] == "leak_picture"
    assert "are not numbers in float32" in explain(adapter, "leak_picture", receipt)


def test_a_device_that_does_not_repeat_itself(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kernels add in another order each time: there no difference is exactly 0, and rounding is allowed."""
    forward = type(adapter).forward

    def noisy(*arguments: Any) -> Tensor:
        logits = forward(*arguments)
        return logits + 1e-6 * torch.randn_like(logits)

    monkeypatch.setattr(type(adapter), "forward", noisy)
    receipt = make_receipt(subject(adapter, dataset))
    assert receipt.names(PASSED) == tuple(CHECKS)
    for name in ("leak_picture", "leak_text", "hooks"):
        assert 0 < receipt.checks[name].found < receipt.checks[name].limit == limit_of(adapter, "batch")


def reasons(receipt: Receipt) -> dict[str, str]:
    return {name: receipt.checks[name].reason for name in receipt.names(NOT_CHECKED)}


def test_what_cannot_be_checked_is_said(
    adapter: Adapter, dataset: Dataset, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reasons(make_receipt(subject(adapter, dataset, batch_size=1))) == {"batch": "a batch size of 1"}
    assert reasons(make_receipt(subject(adapter, dataset.first(1)))) == {"batch": "the dataset has one item"}
    same = replace(dataset.items[0], options=("same", "same"))
    monkeypatch.setattr(type(adapter), "shares_prefix", False)
    receipt = data.read_manifest(run(replace(dataset, items=(same,)), tmp_path).folder).receipt
    assert receipt is not None
    assert reasons(receipt) == {
        "leak_text": "none of the first 1 items can be given another text of equal length",
        "batch": "the dataset has one item",
        "sharing": "passes of this model share nothing",
    }


def test_texts_of_other_items_are_compared_where_none_can_be_reordered(adapter: Adapter, dataset: Dataset) -> None:
    items = tuple(
        replace(item, question=question, options=("same", "same"), hint="")
        for item, question in zip(dataset.items, ("red?", "why?", "where?"), strict=False)
    )
    receipt = make_receipt(subject(adapter, replace(dataset, items=items)))
    assert receipt.checks["leak_text"].result == PASSED
    assert receipt.checks["leak_text"].visible > 0.01


def test_a_model_that_ignores_the_picture_is_measured(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Early checkpoints do: nothing can be seen to leak, and the receipt says so."""
    for parameter in adapter.model.base_model.multi_modal_projector.parameters():
        monkeypatch.setattr(parameter, "data", torch.zeros_like(parameter))
    receipt = make_receipt(subject(adapter, dataset))
    assert reasons(receipt) == {"leak_picture": "another picture does not change what the model answers"}


@pytest.mark.parametrize("name", CHECKS)
def test_every_failure_has_a_sentence(adapter: Adapter, name: str) -> None:
    receipt = Receipt(("a",), 3, {name: Check(2.0, 1.0)})
    assert re.search(r"2.*(; |: ).{20}", explain(adapter, name, receipt))
