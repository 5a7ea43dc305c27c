"""InstructBLIP's own traps: the Q-Former reads the question, padding after the picture, answers of Flan-T5."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pid_lvlm.data.names import CONDITIONS, VISION_ONLY
from pid_lvlm.extract.conditions.sites import QUESTION
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.logit_lens import layer_states
from pid_lvlm.extract.models.adapters.instructblip import InstructBlipAdapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates, Spelling
from tests.extract.models.families.conftest import Tiny
from tests.extract.models.families.special import FAMILIES
from tests.extract.models.families.test_families import other_questions

KINDS = [family for family in FAMILIES if family.name.startswith("instructblip")]
both_kinds = pytest.mark.parametrize("tiny", KINDS, indirect=True, ids=lambda family: family.name, scope="session")
vicuna = pytest.mark.parametrize("tiny", KINDS[:1], indirect=True, ids=["vicuna"], scope="session")
flan_t5 = pytest.mark.parametrize("tiny", KINDS[1:], indirect=True, ids=["flan_t5"], scope="session")


@both_kinds
def test_the_question_comes_back_through_the_q_former(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in the language span alone leaves the question readable in the visual span."""
    assert set(tiny.measurement.stats) == {"vision", "language", "question"}
    monkeypatch.setattr(tiny.adapter, "sites", tiny.adapter.sites[:2])
    index = CONDITIONS.index(VISION_ONLY)
    one, other = (tiny.measure(tiny.plan(items)[:1])["loglik"] for items in (tiny.dataset.items, other_questions(tiny)))
    assert np.abs(one[0, index, -1, :2] - other[0, index, -1, :2]).max() > 1e-3


@vicuna
def test_unknown_words_are_words(tiny: Tiny) -> None:
    """Words that the Q-Former's vocabulary lacks are replaced too; only its marks and the padding stay."""
    marks = tiny.adapter.processor.qformer_tokenizer
    ids = torch.tensor([[marks.cls_token_id, 9, marks.unk_token_id, marks.sep_token_id, marks.pad_token_id]])
    seen = torch.tensor([[1, 1, 1, 1, 0]])
    mask = tiny.adapter.other_masks({"qformer_input_ids": ids, "qformer_attention_mask": seen})[QUESTION]
    assert mask.tolist() == [[False, True, True, False, False]]


@both_kinds
def test_padding_stands_in_front_of_the_picture(tiny: Tiny) -> None:
    items = tiny.plan()
    inputs = encode_batch(tiny.adapter, items).inputs
    picture = tiny.adapter.visual_mask(inputs)
    assert not inputs["attention_mask"].all()
    for row, planned in enumerate(items):
        end = int(picture[row].nonzero().max()) + 1
        assert picture[row].sum() == 4
        assert inputs["input_ids"][row, end:].tolist() == tiny.adapter.tokenize([planned.prompt])[0]


@both_kinds
def test_the_tower_runs_once(tiny: Tiny) -> None:
    calls, measure = [], tiny.measurement.batch  # statistics run the tower as well
    handle = tiny.adapter.model.vision_model.register_forward_hook(lambda *_: calls.append(1))
    measure(tiny.plan()[:1])
    handle.remove()
    assert len(calls) == 1


@flan_t5
def test_an_answer_of_flan_t5_starts_at_the_decoder(tiny: Tiny) -> None:
    """Letters are the tokenizer's own, without the prompt and without its end token; more of them extend the answer."""
    adapter, items = tiny.adapter, tiny.plan()[:2]
    bare = adapter.spellings(items[0].prompt, 2)[0]
    assert bare.ids == tuple(tuple(adapter.tokenizer(x, add_special_tokens=False)["input_ids"]) for x in "AB")
    inputs = encode_batch(adapter, items).inputs
    word = (*bare.ids[1], *bare.ids[0])
    longer = adapter.append(inputs, word)
    assert longer["decoder_input_ids"].tolist() == [[0, *word]] * 2
    assert longer["input_ids"] is inputs["input_ids"]
    words = Candidates((Spelling("", (word, bare.ids[1])),))
    items = [planned for planned in items if len(planned.item.options) == 2]
    measured = replace(tiny.measurement, candidates=words).batch(items)["loglik"][0, 0, -1]
    with torch.inference_mode():
        forced = adapter.append(encode_batch(adapter, items).inputs, word[:1])
        logprobs = adapter.forward(forced, 2).log_softmax(-1)[0]
    expected = float(logprobs[0, word[0]] + logprobs[1, word[1]]) / 2
    assert measured[0] == pytest.approx(expected, abs=1e-5)


@flan_t5
def test_the_lens_scales_as_tied_t5_does(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = tiny.adapter
    assert len(adapter.layers) == adapter.model.config.text_config.num_decoder_layers == 3
    inputs = encode_batch(adapter, tiny.plan()[:1]).inputs
    monkeypatch.setattr(adapter.model.language_model.config, "scale_decoder_outputs", True)
    with torch.inference_mode():
        states, logits = layer_states(adapter, inputs, None, [3], 1)
        torch.testing.assert_close(adapter.unembed(states[0]), logits, rtol=0, atol=1e-5)


@vicuna
def test_what_does_not_fit_is_one_sentence(tiny: Tiny) -> None:
    adapter = tiny.adapter
    config = SimpleNamespace(image_token_id=None, num_query_tokens=4)
    model = SimpleNamespace(config=config, qformer=adapter.model.qformer)
    with pytest.raises(ModelError, match="no `image_token_index`; use a newer revision"):
        InstructBlipAdapter(model, adapter.processor)
    config.image_token_id, config.num_query_tokens = 3, 32
    with pytest.raises(ModelError, match="writes 4 tokens for a picture, the model has 32 queries"):
        InstructBlipAdapter(model, adapter.processor)
    picture = [open_picture(tiny.dataset.items[0].picture)]
    with pytest.raises(ModelError, match="302 tokens for the Q-Former, which reads at most 256; leave such items out"):
        adapter.process(["x" * 300], picture)
