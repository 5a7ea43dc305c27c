"""The loss mask is right to the token: compared with a plain writing of LLaVA's forms, piece by piece."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.two_stage.errors import DataError, RecipeError, RecordError
from pid_lvlm.extract.training.two_stage.recipe import StageRecipe
from pid_lvlm.extract.training.two_stage.records.encoding import Encoder
from pid_lvlm.extract.training.two_stage.records.forms import VICUNA_SYSTEM, chat, plain, vicuna
from pid_lvlm.extract.training.two_stage.records.stage_data import Collator, check_data
from pid_lvlm.extract.training.two_stage.records.tokens import IGNORED, tokenise, truncated
from pid_lvlm.extract.training.two_stage.records.turns import Turn, read_conversation
from tests.extract.training.two_stage.small import captions, instructions, make_model, make_pictures, record, write

PLACES = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    make_model(folder / "model")
    make_pictures(folder / "pictures")
    return folder


@pytest.fixture(scope="module")
def adapter(folder):
    return load_adapter(ModelSpec(str(folder / "model"), dtype="float32", device="cpu"))


def stage(folder, **more):
    values = {"name": "tune", "train": ("language",), "data": str(folder / "r.json"), "learning_rate": 1e-3}
    return StageRecipe(**values | {"batch_size": 2, "steps": 2, "images": str(folder / "pictures")} | more)


def by_hand(conversation, form, tokenizer):
    """Ids and labels, written down token by token: every character is one in this tokenizer."""
    image, begin, end = 3, 1, 2
    ids, labels = [begin], [IGNORED]

    def say(text, *, learn=False):
        for token in tokenizer(text, add_special_tokens=False)["input_ids"] if text else []:
            ids.append(token)
            labels.append(token if learn else IGNORED)

    def show():
        ids.extend([image] * PLACES)
        labels.extend([IGNORED] * PLACES)

    if form == "plain":
        show()
        say(conversation.turns[1].text + "\n", learn=True)
        return ids, labels
    if form == "vicuna":
        say(VICUNA_SYSTEM + " ")
    for turn in conversation.turns:
        say("USER: " if turn.role == "user" else "ASSISTANT: ")
        if turn.picture:
            show()
            say("\n")
        say(turn.text, learn=turn.role == "assistant")
        if turn.role == "user":
            say(" ")
        else:
            ids.append(end)
            labels.append(end)
    return ids, labels


@pytest.mark.parametrize("form", ["plain", "vicuna", "chat"])
def test_ids_and_labels_are_those_of_a_plain_writing(folder, adapter, form):
    encoder = Encoder(adapter, stage(folder, conversation=form))
    pictures = [path.name for path in sorted((folder / "pictures").iterdir())]
    records = captions(pictures) if form == "plain" else instructions(pictures)
    for raw in records:
        (example,) = encoder.encode([raw])
        ids, labels = by_hand(read_conversation(raw, folder / "pictures"), form, adapter.tokenizer)
        assert example.tokens.ids.tolist() == ids
        assert example.tokens.labels.tolist() == labels
        assert example.tokens.picture.sum() == (PLACES if "image" in raw else 0)
        assert ("pixel_values" in example.picture) == ("image" in raw)
        assert encoder.check(raw) == (len(ids), "image" in raw, sum(label != IGNORED for label in labels))


def test_the_users_text_is_the_language_span(folder, adapter):
    encoder = Encoder(adapter, stage(folder))
    raw = record(0, "<image>\nWhat is it?", "red", "And?", "blue", image="0.png")
    tokens = encoder.encode([raw])[0].tokens
    assert adapter.tokenizer.decode(tokens.ids[tokens.asked]) == "What is it?And?"
    assert not (tokens.asked & (tokens.answer | tokens.picture)).any()


def test_truncation_keeps_the_first_tokens_and_their_labels(folder, adapter):
    raw = record(0, "<image>\nWhat?", "red and blue", image="0.png")
    whole = Encoder(adapter, stage(folder)).encode([raw])[0].tokens
    most = len(whole) - 5
    cut = Encoder(adapter, stage(folder, max_length=most, too_long="truncate")).encode([raw])[0].tokens
    assert cut.labels.tolist() == whole.labels[:most].tolist()
    assert cut.ids.tolist() == whole.ids[:most].tolist()
    with pytest.raises(RecordError, match="its first 9 of .* tokens do not reach an answer"):
        truncated(whole, 9)
    with pytest.raises(RecordError, match=f"has {len(whole)} tokens; at most {most} are allowed"):
        Encoder(adapter, stage(folder, max_length=most)).check(raw)
    with pytest.raises(RecordError, match="its picture ends at token 11"):
        Encoder(adapter, stage(folder, max_length=8, too_long="truncate")).check(raw)


def test_a_space_in_the_first_token_of_an_answer_does_not_hide_it():
    words = ["<unk>", "<s>", "</s>", "<image>", "▁USER:", "▁what", "▁ASSISTANT:", "▁red", "▁light"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=["<image>"],
    )

    class Processor:
        image_token = "<image>"
        tokenizer = fast

    tokens = tokenise((Turn("user", "what"), Turn("assistant", "light red")), vicuna, Processor)
    assert fast.convert_ids_to_tokens(tokens.ids[tokens.answer]) == ["▁light", "▁red", "</s>"]
    assert fast.convert_ids_to_tokens(tokens.ids[tokens.asked]) == ["▁what"]


def test_forms_refuse_what_they_cannot_write(adapter):
    with pytest.raises(RecordError, match="one question about a picture and one answer"):
        plain((Turn("user", "a"), Turn("assistant", "b")), adapter.processor)
    template = adapter.processor.chat_template
    try:
        adapter.processor.chat_template = template.replace("</s>", ".")
        with pytest.raises(RecipeError, match="does not close answers with a special token"):
            chat((Turn("user", "a"), Turn("assistant", "b")), adapter.processor)
    finally:
        adapter.processor.chat_template = template


BAD = [
    record(0, "<image>\nWhat?", "red", image="0.png"),
    record(1, "<image>\nWhat?", "red", image="none.png"),
    {"conversations": [{"from": "robot", "value": "a"}]},
    record(3, "a <image> <image>", "b", image="0.png"),
    record(4, "a", " "),
    record(5, "a", "b" * 3000),
    record(6, "<image>\nWhat?", "red", image="broken.png"),
]


def test_all_bad_records_are_named_before_anything_is_trained(folder, adapter):
    (folder / "pictures" / "broken.png").write_bytes(b"no picture")
    write(folder / "r.json", BAD)
    with pytest.raises(DataError) as caught:
        check_data(Encoder(adapter, stage(folder)))
    for part in (
        "6 of 7 records cannot be used",
        "record 1: picture `none.png` does not exist",
        "record 2: turn 1 has the unknown role `robot`",
        "record 3: has the placeholder <image> 2 times and has `image`; expected 1",
        "record 4: the answer in turn 2 is empty",
        "record 5: has 3,0",
        "record 6: the picture `broken.png` is not in a format",
    ):
        assert part in str(caught.value)
    data = check_data(Encoder(adapter, stage(folder, on_bad="skip")))
    assert (data.rows.tolist(), data.bad) == ([0], 6)
    write(folder / "r.json", BAD[:2])
    with pytest.raises(DataError, match="r.json`, record 1: picture .* does not exist"):
        check_data(Encoder(adapter, stage(folder)))


def test_a_batch_is_padded_on_the_right_and_labels_with_it(folder, adapter):
    encoder = Encoder(adapter, stage(folder))
    raws = [record(0, "a", "b"), record(1, "<image>\nWhat is it?", "red", image="0.png")]
    items = [{"example": one, "place": 0, "dropped": 0, "source": 0} for one in encoder.encode(raws)]
    batch = Collator(0, {})(items)
    short, long = (len(item["example"].tokens) for item in items)
    assert batch["input_ids"].shape == (2, long)
    assert batch["attention_mask"].sum(1).tolist() == [short, long]
    assert (batch["labels"][0, short:] == IGNORED).all()
    assert batch["pixel_values"].shape[0] == 1
    alone = Collator(0, {}, encoder.blank())(items[:1])
    assert alone["pixel_values"].shape[0] == 1
    assert (alone["labels"][1] == IGNORED).all()
    assert alone["labels"][0].ne(IGNORED).sum() == np.sum(items[0]["example"].tokens.answer)
