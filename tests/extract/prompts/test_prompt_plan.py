"""Prompts that would be scored without a complaint, and wrongly."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.encode import encode_batch, encode_text_only
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.processor.answer_tokens import letter_spellings
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan
from tests.extract.tiny_llava import TEMPLATE

Plan = Callable[[str], tuple[PlannedItem, ...]]


@pytest.fixture
def plan_with(adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Plan of the toy items under another chat template."""

    def plan(template: str) -> tuple[PlannedItem, ...]:
        monkeypatch.setattr(adapter.processor, "chat_template", template)
        return make_plan(adapter, dataset, "letters", "all").items

    return plan


def bos_counts(adapter: Adapter, ids: torch.Tensor) -> list[int]:
    return (ids == adapter.tokenizer.bos_token_id).sum(dim=1).tolist()


@pytest.mark.parametrize("template", [TEMPLATE, "{{ bos_token }}" + TEMPLATE], ids=["tokenizer", "template"])
def test_bos_stands_once_whoever_writes_it(adapter: Adapter, plan_with: Plan, template: str) -> None:
    items = plan_with(template)[:3]
    for inputs in (encode_batch(adapter, items).inputs, encode_text_only(adapter, items)):
        assert bos_counts(adapter, inputs["input_ids"]) == [1, 1, 1]
    assert [adapter.tokenize([item.prompt])[0].count(adapter.tokenizer.bos_token_id) for item in items] == [1, 1, 1]


def test_two_bos_are_an_error(adapter: Adapter, plan_with: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    items = plan_with("{{ bos_token }}{{ bos_token }}" + TEMPLATE)[:2]
    for encode in (encode_batch, encode_text_only):
        with pytest.raises(
            ModelError, match="the prompt contains the BOS token 2 times; its chat template needs an ada"
        ):
            encode(adapter, items)
    plain = plan_with(TEMPLATE)[:2]
    processor = adapter.processor

    def writes_it_too(text: list[str], **more: Any) -> Any:
        return processor(text=["<s>" + prompt for prompt in text], **more)

    monkeypatch.setattr(adapter, "processor", writes_it_too)
    with pytest.raises(ModelError, match="the prompt contains the BOS token 2 times"):
        encode_text_only(adapter, plain)


def test_bos_in_a_question_is_the_questions(adapter: Adapter, dataset: Dataset) -> None:
    odd = replace(dataset, items=(replace(dataset.items[0], question="what is <s>not</s> there?"),))
    encode_batch(adapter, make_plan(adapter, odd, "letters", "all").items)


def test_a_picture_where_there_is_none_is_an_error(
    adapter: Adapter, plan_with: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = plan_with(TEMPLATE)[:2]
    with pytest.raises(ModelError, match="the chat template writes `<image>` into a prompt without a picture"):
        plan_with(TEMPLATE.replace("USER: ", "USER: <image>\n").replace("<image>\n{% endif", "{% endif"))
    pictures = [Image.new("RGB", (16, 16))] * 2
    always = adapter.processor(pictures, [item.prompt for item in items], padding=True, return_tensors="pt")
    inputs = {name: always[name] for name in ("input_ids", "attention_mask")}
    monkeypatch.setattr(adapter, "processor", lambda **_: inputs)
    with pytest.raises(ModelError, match="the processor writes image tokens for a prompt without an image"):
        encode_text_only(adapter, items)


def test_a_text_that_spells_the_expanded_placeholder(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gemma-3's placeholder is `<start_of_image>`; what stands in its place is `<image_soft_token>`."""
    monkeypatch.setattr(adapter.processor, "image_token", "<start_of_image>")
    bad = replace(dataset, items=(dataset.items[0], replace(dataset.items[1], question="an <image> tag?", row=2)))
    with pytest.raises(DatasetError, match="row 2: a text contains a token that this model fills with the picture"):
        make_plan(adapter, bad, "letters", "all")


def test_no_letter_is_scored_inside_a_block_of_thinking(adapter: Adapter, plan_with: Plan) -> None:
    """Templates that can do without thinking are told to; a prompt that opens it all the same is refused."""
    optional = TEMPLATE + "<think>{% if enable_thinking is defined and not enable_thinking %}</think>{% endif %}"
    assert plan_with(optional)[0].prompt.endswith("<think></think>")
    with pytest.raises(ModelError, match="the prompt ends in an open `<think>`, so the next token is not an ans"):
        plan_with(TEMPLATE + "<think>\n")


def test_a_prompt_that_ends_in_a_space_is_refused() -> None:
    """The letter would merge with the space; after a second space it would not, but no model answers like that."""
    known: dict[str, int] = {}

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        return [[known.setdefault(word, len(known)) for word in split(text)] for text in texts]

    def split(text: str) -> list[str]:
        """As SentencePiece does: a space belongs to the word after it, and is a token by itself at the end."""
        return [part.replace("_", "▁") for part in ("_" + text.replace(" ", " _")).split(" ")]

    spaced = letter_spellings(tokenize, "USER: x ASSISTANT:", 2)
    assert [variant.separator for variant in spaced] == [" "]
    assert spaced[0].ids == ((known["▁A"],), (known["▁B"],))
    with pytest.raises(ModelError, match="letters merge with the end of the prompt .*without a trailing space"):
        letter_spellings(tokenize, "USER: x ASSISTANT: ", 2)
