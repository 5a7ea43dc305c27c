"""Cards of items: what is drawn, where, and that nothing from outside becomes HTML."""

import dataclasses
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from pid_lvlm import data
from pid_lvlm.analysis import NothingToShowError, items
from pid_lvlm.analysis.figures import case_studies
from pid_lvlm.analysis.figures.items.cards import ATOM_WIDTH, BAR_HEIGHT, Scale, make_cards, render_cards
from pid_lvlm.data import PidError
from pid_lvlm.data.bounds import CARD_PICTURE
from tests.analysis.items import KeptItem, item_rows, means, probabilities, reader, write_scores

ATOMS = [(0.1, 0.0, 0.0, 1.5), (-0.5, 0.2, 1.2, 0.1)]
SCORES = [
    probabilities([0.75, 0.25], [0.2, 0.8], [0.9, 0.1], [0.05, 0.15]),
    probabilities([0.25, 0.75]),
]
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e{{ 7 * 7 }}"


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def found(make_exact, make_frame, tmp_path):
    place = {"layer": 1, "num_layers": 1, "accuracy": 0.5, "gap": 2e-5}
    rows, atoms = [], []
    for model in ("small", "large"):
        write_scores(tmp_path / "runs", model, SCORES, [0, 0])
        run = f"{model}__toy"
        rows.append(make_exact("toy", means(ATOMS), model=model, run=run, problem_id=model, **place))
        atoms.append(item_rows(model, run, ATOMS))
    return items(make_frame(rows), pl.concat(atoms), [tmp_path / "runs"])


@pytest.fixture
def kept(monkeypatch):
    def keep(**items_kept):
        monkeypatch.setattr(data, "read_items", reader(items_kept), raising=False)

    return keep


def drawn(found, **row):
    """The card of an item of one model, with other values in some of its columns."""
    frame = found.with_questions(found.frame.filter(model="small").head(1))
    frame = frame.with_columns(
        pl.lit(pl.Series([value], dtype=frame.schema[name])).alias(name) for name, value in row.items()
    )
    scale = Scale.of(found.frame)
    cards = make_cards(frame, {}, scale)
    return cards[0], Tags(render_cards(cards, scale)[0])


def test_picture_question_options_and_every_model_beside_each_other(found, kept):
    kept(q0=KeptItem("q0", "which one?", ("this", "that")))
    shown = case_studies(found, ["q0"])
    page = Tags(shown._repr_html_())
    assert [each["data-model"] for each in page.all("section")] == ["large", "small"]
    assert "which one?" in page.text
    assert "A this ✓ right" in page.text
    (picture,) = page.all("img")
    assert picture["src"].startswith("data:image/png;base64,")
    assert picture["alt"] == "Picture of the item q0"
    assert page.text.count("right: A") == 2
    assert shown.frame["sample_id"].to_list() == ["q0", "q0"]


def test_bars_are_as_high_as_their_probabilities(found):
    card, page = drawn(found)
    both, vision, language, text_only = card.answers[0].conditions
    height = BAR_HEIGHT - 2
    assert card.answers[0].bar == 0.75 * 14
    assert both.top == f"M{0.75 * 14 / 2:g} 22v-{0.75 * height:g}"
    assert both.path == f"M{14 + 0.75 * 14 / 2:g} 22v-{0.25 * height:g}"
    assert text_only.top.endswith("z")
    assert (both.said, both.best) == ("A 0.75, B 0.25", "A 0.75")
    assert (vision.best, language.best) == ("B 0.80", "A 0.90")
    assert "A 0.20, B 0.80" in page.text
    assert (text_only.total, both.total) == ("20 %", "")
    assert [each.get("class") for each in page.all("svg") if each.get("role") == "img"] == [None, None, None, "hollow"]
    assert "20 % of the probability, below τ" in page.text


def test_atoms_share_a_scale_with_zero_in_it(found):
    card, _ = drawn(found)
    scale = Scale.of(found.frame)
    assert (scale.least, scale.most) == (-0.5, 1.5)
    assert scale.zero == ATOM_WIDTH / 4
    assert [bar.value for bar in card.answers[0].atoms] == ["0.10", "0.00", "0.00", "1.50"]
    assert (card.answers[0].atoms[3].start, card.answers[0].atoms[3].length) == (ATOM_WIDTH / 4, 0.75 * ATOM_WIDTH)
    assert scale.bar(-0.5) == (0.0, ATOM_WIDTH / 4)


def test_an_atom_that_is_not_known_has_no_bar(found):
    card, _ = drawn(found, synergy=None)
    assert [bar.value for bar in card.answers[0].atoms] == ["0.10", "0.00", "0.00", "–"]
    assert card.answers[0].atoms[3].length == 0
    assert card.answers[0].values == "0.1000,0.0000,0.0000,"
    assert (
        not drawn(found, **dict.fromkeys(("redundancy", "unique_vision", "unique_language", "synergy")))[0]
        .answers[0]
        .atoms
    )


def test_a_wrong_answer_says_which_one_was_right(found):
    assert drawn(found, predicted=1, correct=False)[0].answers[0].verdict == "wrong: B, not A"
    assert drawn(found, correct=None, label=None)[0].answers[0].verdict == "answers A"
    card, page = drawn(found, predicted=None, correct=None, **dict.fromkeys(("p_both", "p_vision_only"), None))
    assert card.answers[0].verdict == "answer not known"
    assert "picture only" not in page.text


def test_what_was_not_kept_is_said(found):
    card, page = drawn(found)
    assert "No question: " in page.text
    assert not page.all("img")


@pytest.mark.parametrize("thumbnail", [None, b"GIF89a", b"\xff\xd8\xff" + bytes(CARD_PICTURE.most)])
def test_only_small_jpeg_and_png_pictures_are_shown(found, kept, thumbnail):
    kept(q0=KeptItem("q0", "which one?", ("this", "that"), thumbnail=thumbnail))
    assert not Tags(case_studies(found, ["q0"]).html).all("img")


def test_nothing_from_outside_becomes_html(found, kept, make_frame):
    kept(q0=KeptItem("q0", HOSTILE + "x" * 10_000, (HOSTILE, HOSTILE), thumbnail=b"<svg onload=alert(1)>"))
    frame = found.frame.with_columns(model=pl.lit(HOSTILE), dataset=pl.lit(HOSTILE))
    shown = case_studies(dataclasses.replace(found, frame=frame), ["q0"]).html
    page = Tags(shown)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe"})
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not set("\x1b\u202e") & set(shown)
    assert "{{ 7 * 7 }}" in page.text
    assert "49" not in re.sub(r"[\d.]+", lambda number: "" if "." in number[0] else number[0], page.text)
    assert shown.count("x" * 500) == 1
    assert len(shown) < 20_000


def test_many_options_are_cut(found):
    many = [1 / 40] * 40
    card, page = drawn(found, p_both=many, num_options=40, predicted=39, label=30, correct=False, letters=None)
    assert card.answers[0].verdict == "wrong: option 40, not option 31"
    assert page.all("path")[0]["d"].count("M") == 25
    assert card.more_options == 14


def test_models_are_in_the_order_asked_for_and_rules_look_at_these(found):
    page = Tags(case_studies(found, "synergy", models=["small"], most=1).html)
    assert [each["data-model"] for each in page.all("section")] == ["small"]
    ordered = Tags(case_studies(found, "language-prior", models=["small", "large"], most=1).html)
    assert [each["data-model"] for each in ordered.all("section")] == ["small", "large"]
    assert "strongest language prior" in ordered.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"chosen": "sinergy"}, "unknown rule `sinergy`; did you mean `synergy`"),
        ({"chosen": ["q7"]}, "no item of dataset `toy` has the id `q7`; did you mean `q1`"),
        ({"models": ["smal"]}, "no model with items is called `smal`; did you mean `small`"),
        ({"dataset": "toi"}, "no dataset with items is called `toi`; did you mean `toy`"),
    ],
)
def test_names_that_are_not_there(found, arguments, said):
    with pytest.raises(PidError) as caught:
        case_studies(found, **arguments)
    assert said in str(caught.value)


def test_no_items_is_nothing_to_show(found):
    with pytest.raises(NothingToShowError, match="The table has no items"):
        case_studies(dataclasses.replace(found, frame=found.frame.head(0)))
