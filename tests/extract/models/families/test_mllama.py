"""Llama-3.2-Vision's own traps: idle tiles, layers that do not run, the mask of what follows a prompt."""

import numpy as np
import pytest
import torch

from pid_lvlm.data.names import CONDITIONS, LANGUAGE_ONLY
from pid_lvlm.extract.conditions.replacement import replacement
from pid_lvlm.extract.conditions.sites import CrossAttentionSite, DecoderInputs, SpanMasks
from pid_lvlm.extract.measure.encode import encode_batch, encode_text_only
from pid_lvlm.extract.measure.logit_lens import layer_states
from tests.extract.models.families.conftest import Tiny
from tests.extract.models.families.special import FAMILIES
from tests.extract.models.families.test_families import other_pictures

pytestmark = pytest.mark.parametrize(
    "tiny", [family for family in FAMILIES if family.name == "mllama"], indirect=True, ids=["mllama"], scope="package"
)


class FilledTilesOnly(CrossAttentionSite):
    """What one would write first: noise where the picture is."""

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: torch.Tensor) -> dict[str, object]:
        states = inputs[self.argument].clone()
        flat = states.view(*masks.vision.shape, -1)
        flat[masks.vision] = values.to(flat.device).view(flat.shape)[masks.vision]
        return {**inputs, self.argument: states}


def test_idle_tiles_carry_the_picture(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens in front of the picture attend to every slot, and idle slots were computed beside filled ones."""
    index = CONDITIONS.index(LANGUAGE_ONLY)
    planned = [tiny.plan(items)[:1] for items in (tiny.dataset.items, other_pictures(tiny))]
    assert not encode_batch(tiny.adapter, planned[0]).masks.vision.all()
    one, other = (tiny.measure(items)["loglik"][:, index] for items in planned)
    np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(tiny.adapter, "sites", (FilledTilesOnly(), *tiny.adapter.sites[1:]))
    one, other = (tiny.measure(items)["loglik"][0, index, -1, :2] for items in planned)
    assert np.abs(one - other).max() > 1e-4


@torch.inference_mode()
def test_features_and_statistics_are_of_filled_tiles(tiny: Tiny) -> None:
    items = tiny.plan()
    inputs = encode_batch(tiny.adapter, items).inputs
    width = tiny.adapter.model.config.text_config.hidden_size
    slots = inputs["cross_attention_states"].view(len(items), 2, -1, width)
    tiles = [1, 2, 1, 1]
    filled = [slots.cpu()[row, :count].reshape(-1, width) for row, count in enumerate(tiles)]
    arrays = tiny.measure(items)
    assert arrays["x1_tokens"].tolist() == [len(states) for states in filled]
    np.testing.assert_allclose(arrays["x1_mean"], [states.mean(0) for states in filled], atol=1e-5)
    stats = tiny.measurement.stats["vision"]
    everything = torch.cat(filled).numpy()
    assert stats.count == len(everything)
    np.testing.assert_allclose(stats.mean, everything.mean(0), atol=1e-5)
    np.testing.assert_allclose(stats.std, everything.std(0), atol=1e-5)


@torch.inference_mode()
def test_noise_has_no_scale_of_the_picture(tiny: Tiny) -> None:
    """Every sample's noise comes from the statistics of the run: another picture, the same numbers."""
    written = []
    for items in (tiny.dataset.items, other_pictures(tiny)):
        batch = encode_batch(tiny.adapter, tiny.plan(items))
        edit = replacement(tiny.adapter.sites, batch.masks, tiny.measurement.stats, 0, batch.ids, LANGUAGE_ONLY)
        written.append(edit({"cross_attention_states": batch.inputs["cross_attention_states"]}))
    assert torch.equal(*(one["cross_attention_states"] for one in written))


def test_the_prompt_is_the_same_every_day(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates of Llama 3 fall back to today's date if they are given none."""
    template = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}{{ messages[0]['role'] }}"
    monkeypatch.setattr(tiny.adapter.processor, "chat_template", template)
    assert tiny.adapter.render("text", picture=True) == "26 Jul 2024user"


def test_skipped_layers_leave_the_stream_as_it_was(tiny: Tiny) -> None:
    """Without a picture, layers 2 and 4 of four do not run: their lens is that of the layer before."""
    adapter = tiny.adapter
    with torch.inference_mode():
        states, logits = layer_states(adapter, encode_text_only(adapter, tiny.plan()), None, [1, 2, 3, 4], 1)
        assert torch.equal(states[1], states[0])
        assert torch.equal(states[3], states[2])
        assert not torch.equal(states[2], states[1])
        torch.testing.assert_close(adapter.unembed(states[3]), logits, rtol=0, atol=1e-5)
        alone, _ = layer_states(adapter, encode_text_only(adapter, tiny.plan()), None, [2], 1)
    assert torch.equal(alone[0], states[1])
