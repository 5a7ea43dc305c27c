"""Reading and replacing at every hook point, and that a site nobody wrote to is noticed."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pid_lvlm.data.names import LANGUAGE_ONLY
from pid_lvlm.extract.conditions.hooks import OutputHook, decoder_inputs, edited_inputs
from pid_lvlm.extract.conditions.noise import Gaussian, sample_generator
from pid_lvlm.extract.conditions.replacement import Replacement, replacement
from pid_lvlm.extract.conditions.sites import QUESTION, CrossAttentionSite, EmbeddingSite, QuestionSite, SpanMasks
from pid_lvlm.extract.measure.logit_lens import last_states
from pid_lvlm.extract.models.adapters.base import Adapter

MASK = torch.tensor([[True, False], [True, True]])
MASKS = SpanMasks(MASK, ~MASK, {QUESTION: MASK})


class Decoder(nn.Module):
    def forward(self, inputs_embeds: Tensor) -> Tensor:
        return inputs_embeds


class Reader(nn.Module):
    """A module that reads text before the decoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(4, 3)
        self.decoder = Decoder()

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.decoder(inputs_embeds=self.words(ids) * 2)
        return result


def test_other_hook_points_are_read_and_replaced() -> None:
    model, ids, site = Reader(), torch.tensor([[0, 1], [2, 3]]), QuestionSite("the words")
    hook_points = (OutputHook(model.words, site.argument),)
    seen = decoder_inputs(model.decoder, lambda: model(ids), hook_points)
    assert torch.equal(site.read(seen, MASKS), model.words(ids)[MASK])
    assert torch.equal(seen["inputs_embeds"], model.words(ids) * 2)
    noise = torch.arange(9.0).view(3, 3)
    with edited_inputs(model.decoder, Replacement(MASKS, [(site, noise)]), hook_points):
        changed = model(ids)
    assert torch.equal(changed[MASK], noise * 2)
    assert torch.equal(changed[~MASK], model.words(ids)[~MASK] * 2)
    assert torch.equal(model(ids), model.words(ids) * 2)


def test_a_site_that_was_not_written_is_an_error() -> None:
    model, noise = Reader(), torch.zeros(4, 3)
    with (
        pytest.raises(RuntimeError, match="no noise was written to site `vision`: the model was given no `cross_att"),
        edited_inputs(model.decoder, Replacement(MASKS, [(CrossAttentionSite(), noise)])),
    ):
        model(torch.tensor([[0, 1]]))
    assert not model.decoder._forward_pre_hooks


def test_a_layer_that_never_ran_has_no_state(adapter: Adapter) -> None:
    with last_states(adapter, [nn.Identity(), nn.Identity()], 1) as states:
        assert states == {}


@pytest.mark.parametrize("from_numbers", [0, 1 << 30], ids=["side_by_side", "one_after_another"])
def test_every_sample_has_its_own_draws(from_numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are drawn at once: those of a generator that only knows seed, sample and condition."""
    monkeypatch.setattr("pid_lvlm.extract.conditions.replacement.SIDE_BY_SIDE", from_numbers)
    gaussian = Gaussian(np.array([1, 2, 3], np.float32), np.array([0.5, 1, 0], np.float32), 9)
    site, ids = EmbeddingSite("vision"), ["a", "b"]
    edit = replacement([site], MASKS, {site.name: gaussian}, 7, ids, LANGUAGE_ONLY)
    edited = edit({site.argument: torch.zeros(2, 2, 3)})[site.argument]
    for row, (sample, count) in enumerate(zip(ids, (1, 2), strict=True)):
        expected = gaussian.draw(sample_generator(7, sample, LANGUAGE_ONLY), count)
        np.testing.assert_array_equal(edited[row][MASK[row]], expected)
