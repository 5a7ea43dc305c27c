"""Candidates, pooling and option scores against plain computations."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pid_lvlm.extract.conditions.hooks import decoder_inputs, edited_inputs
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError, UsageError
from pid_lvlm.extract.measure.embeddings import pool
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.logit_lens import layer_states
from pid_lvlm.extract.measure.option_scores import _summed, option_scores, score_batch
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates, Spelling, chosen_spellings, letter_spellings
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.run.contents.layers import parse_layers

PINNED = ("plain", "space")


def test_candidates_continue_the_prompt(adapter: Adapter) -> None:
    bare, spaced = letter_spellings(adapter.tokenize, "USER: hello ASSISTANT:", 3)
    space = adapter.tokenizer.encode(" ", add_special_tokens=False)
    letters = [tuple(adapter.tokenizer.encode(letter, add_special_tokens=False)) for letter in "ABC"]
    assert bare.ids == tuple(letters)
    assert spaced.ids == tuple((*space, *letter) for letter in letters)
    assert spaced.describe() == {"separator": " ", "token_ids": dict(zip("ABC", map(list, spaced.ids), strict=True))}


def test_letters_that_merge_with_the_prompt_are_an_error() -> None:
    with pytest.raises(ModelError, match="letters merge with the end of the prompt"):
        letter_spellings(lambda prompts: [[len(prompt)] for prompt in prompts], "prompt", 2)


def test_a_way_of_writing_that_changes_the_prompts_end_is_left_out() -> None:
    """Directly after the colon this tokenizer splits the prompt differently: the letters follow other tokens."""
    ids = {"x:": [0, 1], "x:A": [5, 6, 3], "x:B": [5, 6, 4], "x: A": [0, 1, 7], "x: B": [0, 1, 8]}
    found = letter_spellings(lambda prompts: [ids[prompt] for prompt in prompts], "x:", 2)
    assert [(variant.separator, variant.ids) for variant in found] == [(" ", ((7,), (8,)))]


def test_a_letter_counts_with_and_without_a_space_where_both_are_single_tokens() -> None:
    plain, spaced = Spelling("", ((1,), (2,))), Spelling(" ", ((7,), (8,)))
    assert chosen_spellings([plain, spaced], "auto").spellings == (plain, spaced)
    split = Spelling(" ", ((3, 1), (3, 2)))
    assert chosen_spellings([split, plain], "auto").spellings == (plain,)
    assert chosen_spellings([split], "auto").spellings == (split,)
    mixed = Spelling(" ", ((7,), (2,)))  # the tokenizer drops the space before B, which must not count twice
    assert chosen_spellings([plain, mixed], "auto").spellings == (plain,)


def test_a_spelling_can_be_pinned(adapter: Adapter, dataset: Dataset) -> None:
    plain, spaced = (make_plan(adapter, dataset, "letters", "all", letters).candidates for letters in PINNED)
    assert [one.separator for one in (*plain.spellings, *spaced.spellings)] == ["", " "]
    assert make_plan(adapter, dataset, "letters", "all").candidates == plain  # the space is a token of its own
    with pytest.raises(
        ModelError, match="--letters plain: after this prompt .* only one spelling of the option letters, `space`"
    ):
        chosen_spellings(spaced.spellings, "plain")


def test_spellings_are_summed_and_recorded(adapter: Adapter, dataset: Dataset) -> None:
    plain = make_plan(adapter, dataset, "letters", "all").candidates.spellings[0]
    other = Spelling(" ", tuple((token + 32,) for (token,) in plain.ids))  # lower-case letters of a tokenizer of bytes
    batch = encode_batch(adapter, make_plan(adapter, dataset, "letters", "all").items[:3])
    with torch.inference_mode():
        one, two, both = (
            score_batch(adapter, batch.inputs, None, Candidates(spellings), (1,)).loglik.numpy()
            for spellings in ((plain,), (other,), (plain, other))
        )
    np.testing.assert_allclose(both, np.logaddexp(one, two), atol=1e-6)
    assert Candidates((plain, other)).describe() == {"spellings": [plain.describe(), other.describe()]}
    assert Candidates((plain, other)).listed("A") == (
        f"A {plain.ids[0][0]} and A {other.ids[0][0]} (after a space) (token ids)"
    )


def test_a_letter_that_is_certain_in_several_spellings_has_probability_1() -> None:
    sure = torch.log(torch.tensor([[[0.7500001], [0.25]]]))
    assert _summed(sure).item() == 0


def test_several_tokens_score_their_mean(adapter: Adapter, dataset: Dataset) -> None:
    plan = make_plan(adapter, dataset, "letters", "all", "space")
    ids = plan.candidates.spellings[0].ids[2]
    batch = encode_batch(adapter, plan.items[:1])
    with torch.inference_mode():
        scores = score_batch(adapter, batch.inputs, None, plan.candidates, (1,)).loglik.numpy()
        extended = adapter.append(batch.inputs, ids)
        logprobs = adapter.forward(extended, 3).log_softmax(-1)[0]
    expected = (logprobs[0, ids[0]] + logprobs[1, ids[1]]) / 2
    np.testing.assert_allclose(scores[0, -1, 2], float(expected), atol=1e-5)


def test_the_head_of_a_bfloat16_model_is_float32(checkpoint: Path, dataset: Dataset) -> None:
    """The model's own logits have 8 bits; those that are scored are a float32 product of the same normed states."""
    wide, narrow = (
        load_adapter(ModelSpec(str(checkpoint), dtype="bfloat16", head_dtype=head)) for head in ("float32", "model")
    )
    plan = make_plan(wide, dataset, "letters", "all")
    with torch.inference_mode():
        inputs = encode_batch(wide, plan.items[:4]).inputs
        states, logits = layer_states(wide, inputs, None, [1, 3], keep=1)
        scores = score_batch(wide, inputs, None, plan.candidates, (1,)).loglik.numpy()
        as_model = score_batch(narrow, inputs, None, plan.candidates, (1,)).loglik.numpy()
    tokens = list(plan.candidates.spellings[0].first_ids)
    head = wide.model.get_output_embeddings().weight
    for layer, state in enumerate(states):
        expected = (wide.final_norm(state).float() @ head.float().T).log_softmax(-1)[:, 0, tokens]
        np.testing.assert_allclose(scores[:, layer], expected.detach(), atol=1e-5)
    rounded = logits.float().log_softmax(-1)[:, 0, tokens]
    np.testing.assert_allclose(as_model[:, 1], rounded, atol=1e-6)
    assert np.abs(as_model - scores).max() > 1e-4


def test_pooling_against_numpy() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    pooled = pool(torch.from_numpy(vectors).to(torch.float32), [2, 4, 3])
    parts = np.split(vectors, [2, 6])
    np.testing.assert_allclose(pooled["mean"], [part.mean(axis=0) for part in parts], atol=1e-6)
    np.testing.assert_array_equal(pooled["max"], [part.max(axis=0) for part in parts])
    np.testing.assert_array_equal(pooled["last"], [part[-1] for part in parts])


def test_features_are_the_spans_input_embeddings(adapter: Adapter, dataset: Dataset) -> None:
    plan = make_plan(adapter, dataset, "letters", "all")
    batch = encode_batch(adapter, plan.items[:2])
    with torch.inference_mode():
        inputs = decoder_inputs(adapter.decoder, partial(adapter.forward, batch.inputs, 1))
        vision, language = (site.read(inputs, batch.masks) for site in adapter.sites)
        features = batch.inputs["mm_encoder_outputs"]["image"].pooler_output
        ids = torch.tensor([token for planned in plan.items[:2] for token in planned.span.ids])
        assert torch.equal(vision, torch.cat(list(features)))
        assert torch.equal(language, adapter.model.get_input_embeddings()(ids))


def test_hooks_come_off_when_the_forward_fails(adapter: Adapter) -> None:
    with pytest.raises(ZeroDivisionError), edited_inputs(adapter.decoder, lambda inputs: inputs):
        raise ZeroDivisionError
    assert not adapter.decoder._forward_pre_hooks


def test_a_forward_may_write_into_what_it_is_given(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoded picture is used again under the next condition."""

    def forward(mm_encoder_outputs: dict[str, Any], **_: object) -> Any:
        return SimpleNamespace(logits=mm_encoder_outputs.pop("image"))

    picture = torch.ones(1)
    inputs = {"mm_encoder_outputs": {"image": picture}}
    monkeypatch.setattr(adapter, "model", forward)
    assert [adapter.forward(inputs, 1), adapter.forward(inputs, 1)] == [picture, picture]


def test_scores_of_each_items_own_options() -> None:
    of_letters = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    scores = option_scores(of_letters, ["AB", "ABD"], 3)
    np.testing.assert_array_equal(scores[0, :, :2], of_letters[0, :, :2])
    assert np.isneginf(scores[0, :, 2]).all()
    np.testing.assert_array_equal(scores[1], of_letters[1][:, [0, 1, 3]])


def test_layers_setting() -> None:
    assert parse_layers("all", 3) == (1, 2, 3)
    assert parse_layers("last", 3) == (3,)
    assert parse_layers("2, 1", 4) == (1, 2, 4)
    for wrong in ("0", "5", "x", ""):
        with pytest.raises(UsageError, match="numbers from 1 to 4"):
            parse_layers(wrong, 4)
