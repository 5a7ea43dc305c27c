"""What must hold for every family, on a tiny checkpoint of its real class with its real processor.

A new adapter is covered by one line in `catalogue.py`. Everything goes through the project's own path: a checkpoint
folder, the registry's adapter, the plan, the measurement.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from pid_lvlm import data
from pid_lvlm.data.contract.schema.receipt import (
    BATCH,
    CHECKS,
    FAILED,
    LEAK_PICTURE,
    LEAK_TEXT,
    LENS,
    NOT_CHECKED,
    PASSED,
    Receipt,
)
from pid_lvlm.data.contract.schema.receipt import SHARING as SHARED_PREFIX
from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, NO_IMAGE, VISION_ONLY
from pid_lvlm.extract.conditions.hooks import decoder_inputs
from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.ahead import can_fork, prepared_ahead
from pid_lvlm.extract.measure.encode import encode_batch, host_inputs
from pid_lvlm.extract.measure.logit_lens import layer_states
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.prompts.picture_tokens import expected_picture_tokens
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.prompts.templates import TEMPLATES
from pid_lvlm.extract.run.extract_run import extract_run
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.receipt.make import Subject, make_receipt, plan_like_run
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan
from tests.extract.models.families.conftest import (
    Tiny,
    by_condition,
    lines,
    save_picture,
    spec_of,
    two_pictures,
    with_long_letters,
)
from tests.extract.models.families.tiny import on_device

RESUMING = ("qwen3_vl", "mllama", "instructblip_t5", "toyvl")
"""Families whose runs are interrupted and resumed in the quick suite: sites of every kind, and one from outside."""
RECEIPTS = {
    *("llava", "qwen2_5_vl", "qwen3_vl", "internvl", "paligemma", "gemma4_small", "mllama", "instructblip_t5"),
    *("cambrian_llama", "toyvl"),
}
"""Families whose receipts are made in the quick suite: each kind of site, sharing, and masks of every kind."""
checked = pytest.mark.parametrize("tiny", lines(slow_but=RECEIPTS), indirect=True, scope="session")
slowly = pytest.mark.parametrize("tiny", lines(slow_but=()), indirect=True, scope="session")
resuming = pytest.mark.parametrize("tiny", lines(slow_but=RESUMING), indirect=True, scope="session")

SHARING = {
    *("llava", "llava_next", "llava_next_video", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "internvl", "idefics3"),
    *("smolvlm", "glm4v", "glm46v", "glm4v_moe", "ovis2", "deepseek_vl", "janus", "fuyu"),
}
"""Families whose passes go on from each other's keys and values; transformers' default Mistral has a sliding window."""

CLEARLY, AT_ALL = 0.01, 1e-3
"""Nats by which some item's and every item's scores must differ where a source is visible."""


def other_pictures(tiny: Tiny) -> tuple[Item, ...]:
    """The same items with pictures of the same sizes and other content."""
    folder = tiny.folder.parent
    pictures = [save_picture(folder, index, tiny.family, seed=1) for index in range(len(tiny.dataset.items))]
    return tuple(replace(item, picture=path) for item, path in zip(tiny.dataset.items, pictures, strict=True))


def other_questions(tiny: Tiny) -> tuple[Item, ...]:
    """The same number of bytes, and so of tokens: only the words differ."""
    return tuple(
        replace(item, question=item.question[::-1], hint=item.hint[::-1], options=tuple(o[::-1] for o in item.options))
        for item in tiny.dataset.items
    )


def assert_differ(one: np.ndarray, other: np.ndarray) -> None:
    """Without this a leak test could pass because the model ignores its input."""
    change = np.abs(one - other)[:, -1].max(axis=-1)
    advice = f"scores hardly follow a source that is visible; let the family's `prepare` draw weights that do: {change}"
    assert change.max() > CLEARLY, advice
    assert change.min() > AT_ALL, advice


def test_language_only_does_not_see_the_picture(tiny: Tiny) -> None:
    one, other = by_condition(tiny.arrays), tiny.scores(other_pictures(tiny))
    np.testing.assert_array_equal(one[LANGUAGE_ONLY], other[LANGUAGE_ONLY])
    np.testing.assert_array_equal(one[NO_IMAGE], other[NO_IMAGE])
    for condition in (BOTH, VISION_ONLY):
        assert_differ(one[condition], other[condition])


def test_vision_only_does_not_see_the_question(tiny: Tiny) -> None:
    one, other = by_condition(tiny.arrays), tiny.scores(other_questions(tiny))
    np.testing.assert_array_equal(one[VISION_ONLY], other[VISION_ONLY])
    for condition in (BOTH, LANGUAGE_ONLY, NO_IMAGE):
        assert_differ(one[condition], other[condition])


def test_measuring_changes_nothing(tiny: Tiny) -> None:
    """Hooks on or off, before or after a measurement, and the picture encoded first or by the forward."""
    items, adapter = tiny.plan(), tiny.adapter
    raw = adapter.encode([p.prompt for p in items], [open_picture(p.item.picture) for p in items])
    with torch.inference_mode():
        plain = adapter.forward(raw, 1)
        inputs = encode_batch(adapter, items).inputs
        before = adapter.forward(inputs, 1)
        tiny.measure(items[:1])
        after = adapter.forward(inputs, 1)
        _, hooked = layer_states(adapter, inputs, dict, list(tiny.measurement.layers), 1)
    assert torch.equal(before, after)
    assert torch.equal(before, hooked)
    torch.testing.assert_close(before, plain, rtol=0, atol=2e-5)


def test_the_lens_ends_in_the_output(tiny: Tiny) -> None:
    adapter = tiny.adapter
    inputs = encode_batch(adapter, tiny.plan()).inputs
    with torch.inference_mode():
        states, logits = layer_states(adapter, inputs, None, list(tiny.measurement.layers), 1)
        torch.testing.assert_close(adapter.unembed(states[-1]), logits.float(), rtol=0, atol=2e-5)
        assert (adapter.unembed(states[0]) - logits).abs().max() > 0.1


def test_scores_are_the_plain_models(tiny: Tiny) -> None:
    """One item, no batch, no hook, no picture encoded first: processor and model as a user would call them."""
    item = tiny.plan()[2]
    measured = tiny.measure((item,))
    got, first = measured["loglik"][0, :, -1], measured["first_token"][0]
    adapter, letters = tiny.adapter, torch.tensor([one.first_ids for one in tiny.measurement.candidates.spellings])
    with Image.open(item.item.picture) as picture, torch.inference_mode():
        for condition, prompt, shown in ((BOTH, item.prompt, picture), (NO_IMAGE, item.text_only_prompt, None)):
            inputs = tiny.family.inputs(adapter.processor, prompt, shown)
            logprobs = adapter.model(**on_device(inputs)).logits[0, -1].log_softmax(-1)
            expected, options = logprobs.cpu()[letters].logsumexp(dim=0), len(item.item.options)
            assert first[CONDITIONS.index(condition)] == int(logprobs.argmax())
            np.testing.assert_allclose(got[CONDITIONS.index(condition), :options], expected[:options], atol=2e-5)


def test_batches_change_nothing(tiny: Tiny) -> None:
    """Items alone and together, which pads the shorter ones; noise included."""
    for index, item in enumerate(tiny.plan()[:2]):
        alone = tiny.measure((item,))
        for name, array in alone.items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(array[0], tiny.arrays[name][index], atol=1e-4, err_msg=name)
            else:
                np.testing.assert_array_equal(array[0], tiny.arrays[name][index], err_msg=name)


def test_appended_tokens_continue_the_prompt(tiny: Tiny) -> None:
    """Candidates of several tokens: the same as a prompt that ends in them."""
    items, adapter = tiny.plan()[:2], tiny.adapter
    pictures = [open_picture(p.item.picture) for p in items]
    base, longer = (adapter.tokenize([items[0].prompt + text])[0] for text in ("", "xy"))
    with torch.inference_mode():
        inputs = adapter.encode_pictures(adapter.encode([p.prompt for p in items], pictures))
        appended = adapter.forward(adapter.append(inputs, longer[len(base) :]), 1)
        expected = tiny.family.continued(adapter, [p.prompt for p in items], pictures, "xy")
    torch.testing.assert_close(appended, expected, rtol=0, atol=2e-5)


def test_spans_are_picture_and_text(tiny: Tiny) -> None:
    items, adapter = tiny.plan(), tiny.adapter
    batch = encode_batch(adapter, items)
    ids = batch.inputs["input_ids"]
    for row, planned in enumerate(items):
        text = adapter.decode(ids[row][batch.masks.language[row]])
        assert text == TEMPLATES["letters"](planned.item).full
    text_only = adapter.encode([p.text_only_prompt for p in items], None)
    assert not adapter.visual_mask(text_only).any()
    assert list(tiny.arrays["x1_tokens"]) == batch.masks.vision.sum(dim=1).tolist()


def test_sites_are_written_in_copies(tiny: Tiny) -> None:
    """Conditions share tensors: one that is changed in place would ablate a source in the next condition, too."""
    adapter = tiny.adapter
    with torch.inference_mode():
        batch = encode_batch(adapter, tiny.plan()[:2])
        inputs = decoder_inputs(adapter.decoder, partial(adapter.forward, batch.inputs, 1), adapter.hook_points)
        for site in adapter.sites:
            before = site.read(inputs, batch.masks).clone()
            noise = torch.randn(sum(site.replaced(batch.masks)), before.shape[1])
            changed = site.write(inputs, batch.masks, noise)
            assert torch.equal(site.read(inputs, batch.masks), before), site.name
            if site.replaced(batch.masks) == site.rows(batch.masks):
                assert torch.equal(site.read(changed, batch.masks).cpu(), noise), site.name


def test_shared_or_not_scores_are_the_same(tiny: Tiny) -> None:
    """Passes that go on from each other's keys and values, and passes that compute everything."""
    assert tiny.adapter.can_share_prefix == (tiny.family.name in SHARING)
    if tiny.adapter.can_share_prefix:
        measurement, items = with_long_letters(tiny.measurement), tiny.plan()
        alone, shared = (replace(measurement, share_prefix=share).batch(items) for share in (False, True))
        np.testing.assert_allclose(shared["loglik"], alone["loglik"], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(shared["first_token"], alone["first_token"])


def test_rows_of_one_picture_score_as_alone(tiny: Tiny) -> None:
    """Two pictures in turn under texts of different lengths, in every array that a run writes."""
    if not tiny.adapter.can_share_prefix:
        return
    measurement, planned = with_long_letters(tiny.measurement), tiny.plan(two_pictures(tiny.dataset.items))
    alone, shared = (replace(measurement, share_prefix=share).batch(planned) for share in (False, True))
    for name, array in alone.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(shared[name], array, rtol=0, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(shared[name], array, err_msg=name)


def test_no_cache_lives_on(tiny: Tiny) -> None:
    """A cache would be filled by the first condition, and hold the picture in the others."""
    adapter = tiny.adapter
    inputs = encode_batch(adapter, tiny.plan()[:1]).inputs
    with torch.inference_mode():
        seen = decoder_inputs(adapter.decoder, partial(adapter.forward, inputs, 1), adapter.hook_points)
    assert not seen.get("use_cache")
    assert seen.get("past_key_values") is None


def test_nothing_the_model_needs_may_be_missing(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, item = tiny.adapter, tiny.plan()[0]
    picture = open_picture(item.item.picture)
    full = adapter.process([item.prompt], [picture])
    assert set(adapter.needed) <= set(full)
    for name in adapter.needed:
        less = {key: value for key, value in full.items() if key != name}
        monkeypatch.setattr(adapter, "processor", lambda less=less, **_: less)
        with pytest.raises(ModelError, match=f"returned no `{name}`"):
            adapter.process([item.prompt], [picture])
    monkeypatch.setattr(adapter, "processor", lambda **_: {**full, "token_type_idss": full["input_ids"]})
    with pytest.raises(ModelError, match="returned `token_type_idss`, which the model's forward would ignore"):
        adapter.process([item.prompt], [picture])


def receipt_of(tiny: Tiny, adapter: Adapter) -> Receipt:
    """What a run of the family's items would record of its first ones."""
    plan = make_plan(adapter, tiny.dataset, "letters", "all")
    like_run = partial(plan_like_run, adapter, tiny.dataset, ExtractionConfig(Path("runs")))
    return make_receipt(Subject(adapter, plan, tiny.measurement.layers, 0, 4, like_run))


@checked
def test_the_receipt(tiny: Tiny) -> None:
    """What every run checks first, in float32: nothing fails, and differences are those of rounding."""
    receipt = receipt_of(tiny, tiny.adapter)
    shares = tiny.adapter.can_share_prefix
    assert receipt.names(PASSED) == tuple(name for name in CHECKS if shares or name != SHARED_PREFIX)
    assert receipt.batch_size == 3
    for name, check in receipt.checks.items():
        assert (check.found or 0) <= {LENS: 2e-5, BATCH: 1e-4, SHARED_PREFIX: 1e-5}.get(name, 0), name
    assert min(receipt.checks[name].visible or 0 for name in (LEAK_PICTURE, LEAK_TEXT)) > AT_ALL


@slowly
def test_the_receipt_in_bfloat16(tiny: Tiny) -> None:
    receipt = receipt_of(tiny, load_adapter(spec_of(tiny.folder, "bfloat16")))
    assert set(receipt.names(NOT_CHECKED)) <= {SHARED_PREFIX}
    assert receipt.names(FAILED) == ()
    assert (receipt.checks[BATCH].found or 0) < 0.5  # half of what may be


def test_runs_in_bfloat16(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = Receipt((), 1)  # made above
    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", lambda _subject: receipt)
    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.require", lambda *_: None)
    spec = spec_of(tiny.folder, "bfloat16")
    config = ExtractionConfig(tmp_path, layers="1", batch_size=2)
    folder = extract_run(load_adapter(spec), spec, None, tiny.dataset.first(2), config, Reporter(quiet=True)).folder
    assert data.validate_run(folder) == []
    loaded = data.read_run(folder)
    manifest = loaded.manifest
    assert (manifest.dtype, manifest.head_dtype, manifest.family) == ("bfloat16", "float32", tiny.adapter.family)
    assert loaded.arrays["loglik"].dtype == loaded.arrays["x1_mean"].dtype == np.float32


@resuming
def test_resumes(tiny: Tiny, tmp_path: Path) -> None:
    config = ExtractionConfig(tmp_path, layers="1", batch_size=2, shard_size=2)
    extract = partial(
        extract_run, tiny.adapter, spec_of(tiny.folder), None, tiny.dataset.first(3), config, Reporter(quiet=True)
    )
    folder = extract().folder
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    replace(data.read_manifest(folder), finished=False).write(folder)
    (folder / "shard-00001.npz").unlink()
    assert extract().measured == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


def test_the_plan_needs_no_weights(tiny: Tiny) -> None:
    spec = spec_of(tiny.folder)
    text = describe_plan(load_adapter(spec, weights=False), spec, tiny.dataset, ExtractionConfig(Path("runs"))).text
    count = int(encode_batch(tiny.adapter, tiny.plan()[:1]).masks.vision.sum())
    assert f"first item  'item-0': {count} visual tokens" in text


def test_a_forecast_of_a_pictures_tokens_is_never_too_high(tiny: Tiny) -> None:
    """Items are refused by it before their pictures are prepared."""
    planned = tiny.plan()
    forecast = expected_picture_tokens(tiny.adapter, [one.item for one in planned])
    for one, count in zip(planned, forecast, strict=True):
        inputs = tiny.adapter.process([one.prompt], [open_picture(one.item.picture)])
        assert one.tokens + max(0, count - 1) <= int(inputs["attention_mask"].sum()), (count, one.tokens)


@pytest.mark.slow
@pytest.mark.skipif(not can_fork(), reason="other processes share the model by fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks:DeprecationWarning")
def test_other_processes_prepare_the_same(tiny: Tiny) -> None:
    """Every kind of processor, in a process that was forked after the model had run."""
    batches = [[planned] for planned in tiny.plan()]
    prepare = partial(host_inputs, tiny.adapter)
    ahead = [outcome.get() for outcome in prepared_ahead(batches, prepare, 2)]
    for batch, host in zip(batches, ahead, strict=True):
        assert_close(host.inputs, prepare(batch).inputs, rtol=0, atol=0)
