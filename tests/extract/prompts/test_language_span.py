"""The language span is exactly the user's text, whatever the text looks like."""

from dataclasses import replace

import pytest

from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.language_span import SENTINELS, Span, SpanFinder, common_prefix
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.prompts.templates import TEMPLATES, UserText


def decoded(adapter: Adapter, dataset: Dataset, setting: str) -> list[str]:
    plan = make_plan(adapter, dataset, "letters", setting)
    return [adapter.decode(planned.span.ids) for planned in plan.items]


def test_span_is_the_users_text(adapter: Adapter, dataset: Dataset) -> None:
    expected = [TEMPLATES["letters"](item).full for item in dataset.items]
    assert decoded(adapter, dataset, "all") == expected


def test_span_can_be_narrowed(adapter: Adapter, dataset: Dataset) -> None:
    expected = [TEMPLATES["letters"](item).core for item in dataset.items]
    assert decoded(adapter, dataset, "question_options") == expected


@pytest.mark.parametrize("question", ["Z", "apple 7", *SENTINELS, "USER: ASSISTANT:", "déjà vu 图", "\n"])
def test_span_of_awkward_texts(adapter: Adapter, dataset: Dataset, question: str) -> None:
    odd = replace(dataset, items=(replace(dataset.items[0], question=question),))
    assert decoded(adapter, odd, "all") == [TEMPLATES["letters"](odd.items[0]).full]


def test_bounds_count_from_the_end() -> None:
    span = Span((7, 8, 9), tail=2)
    assert span.bounds(10) == (5, 8)
    assert span.bounds(30) == (25, 28)


def test_lost_text_is_an_error() -> None:
    finder = SpanFinder(lambda _: "fixed", lambda texts: [[1, 2] for _ in texts], lambda _: "", "all")
    with pytest.raises(ModelError, match="language span was not found"):
        finder.find([UserText("", "question", "")], [[1, 2]])


def test_common_prefix() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([], [1]) == 0


def test_placeholder_in_a_text_is_an_error(adapter: Adapter, dataset: Dataset) -> None:
    bad = replace(dataset, items=(replace(dataset.items[0], question="an <image> tag?"),))
    with pytest.raises(DatasetError, match=r"row 1: a text contains `<image>`"):
        make_plan(adapter, bad, "letters", "all")


def test_prompt_snapshot(adapter: Adapter, dataset: Dataset) -> None:
    """A change of the wording must show up here, since it changes every number."""
    assert make_plan(adapter, dataset, "letters", "all").items[1].prompt == (
        "USER: <image>\nlook closely\nwhich colour is very common here?\nA. red\nB. green\nC. blue\n"
        "Answer with the option's letter from the given choices directly. ASSISTANT:"
    )
    assert make_plan(adapter, dataset, "paper", "all").items[0].text_only_prompt == (
        "USER: which colour is common here?\nA. red\nB. green\nPlease select the correct answer from the options "
        "above. You must answer with the letter of the correct option only. ASSISTANT:"
    )
