"""Fuyu's own traps: the answer token, questions that look like coordinates, ids that do not fit."""

from types import SimpleNamespace

import pytest

from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.fuyu import FuyuAdapter
from tests.extract.models.families.conftest import Tiny
from tests.extract.models.families.fuyu import FAMILY

pytestmark = pytest.mark.parametrize("tiny", [FAMILY], indirect=True, ids=["fuyu"], scope="session")


def test_every_prompt_ends_where_fuyu_answers(tiny: Tiny) -> None:
    adapter, planned = tiny.adapter, tiny.plan()[0]
    pictures = [open_picture(planned.item.picture)]
    answer = adapter.tokenizer.convert_tokens_to_ids("<0x04>")
    for inputs in (adapter.process([planned.prompt], pictures), adapter.process([planned.text_only_prompt], None)):
        assert inputs["input_ids"][0].tolist().count(answer) == 1
        assert inputs["input_ids"][0, -1] == answer
        assert inputs["input_ids"][0].tolist().count(adapter.tokenizer.bos_token_id) == 1


def test_coordinates_in_a_question_stay_as_they_are(tiny: Tiny) -> None:
    """The processor rescales `<box>…</box>` to the resized picture: the span would not be the question any more."""
    adapter = tiny.adapter
    pictures = [open_picture(tiny.dataset.items[0].picture)]
    prompt = adapter.render("what is in <box>100, 200, 300, 400</box>?", picture=True)
    ids = adapter.process([prompt], pictures)["input_ids"][0].tolist()
    assert ids[-len(adapter.tokenize([prompt])[0]) :] == adapter.tokenize([prompt])[0]


def test_what_does_not_fit_is_one_sentence(tiny: Tiny) -> None:
    processor = tiny.adapter.processor
    with pytest.raises(
        ModelError, match="the picture's token the id 71011, but the tokenizer has 3; use tokenizer and weights"
    ):
        FuyuAdapter(SimpleNamespace(config=SimpleNamespace(image_token_id=71011)), processor)

    class Splitting:
        padding_side = "right"

        def convert_tokens_to_ids(self, token: str) -> int:
            return 5

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": [7, 8, 9]}

    other = SimpleNamespace(tokenizer=Splitting(), image_token_id=3)
    with pytest.raises(ModelError, match="splits `<0x04>`, the token after which Fuyu answers"):
        FuyuAdapter(SimpleNamespace(config=SimpleNamespace(image_token_id=3)), other)
