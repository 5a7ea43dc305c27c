"""Dataset cards of wrong types, sizes and names: one sentence with the card and the key."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.data.bounds import NAME
from pid_lvlm.extract.datasets.card import CardFile, read_card
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.errors import UsageError
from tests.extract.console import assert_one_sentence, assert_readable, extract_command

FILE = 'file = "items.jsonl"\n'
DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """The command refuses a card with this text: one sentence, nothing written."""

    def check(text: str | bytes, *parts: str, name: str = "card.toml") -> None:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = extract_command("--model", "some/model", "--data", path, "--out", tmp_path / "out" / "runs")
        assert_one_sentence(result, *parts)
        assert_readable(result[2])
        assert {path.name for path in tmp_path.iterdir()} == {name}

    return check


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{FILE}columns = ['a']", "`card.toml`: `columns` should be named values, found ['a']"),
        (f"{FILE}[columns]\nquestion = 3", "`columns.question` should be the name of a column or a list of names"),
        (f"{FILE}[columns]\noptions = []", "`columns.options` should be the name of a column"),
        (f"{FILE}[columns]\noptions = ['a|b']", "`columns.options` should list names without `|`"),
        (f"{FILE}[columns]\nquestoin = 'a'", "unknown field `questoin`; did you mean `question`?"),
        (f"{FILE}name = 3", "`name` should be text, found 3"),
        (f"{FILE}name = '../elsewhere'", "`name` cannot be the name of a file: it contains '/', found '../elsewhere'"),
        (f"{FILE}name = '..'", "`name` cannot be the name of a file: it starts with a dot"),
        (f'{FILE}name = "a\\u2028b"', "`name` cannot be the name of a file: it contains '\\u2028'"),
        (f"{FILE}name = '{'x' * 100_000}'", f"it has 100000 bytes; at most {NAME.most} are possible, found 'xxx"),
        (f"{FILE}where = {{kind = {{a = 1}}}}", "`where.kind` should be a value or a list of values"),
        (f"{FILE}where = ['kind']", "`where` should be named values"),
        (f"{FILE}options = []", "`options` should be a list of at least 2, found []"),
        (f"{FILE}options = ['Yes', 3]", "`options[1]` should be text, found 3"),
        (f"{FILE}options = {{A = 'x'}}", "`options` should be a list"),
        (f"{FILE}first_index = true", "`first_index` should be an integer, found True"),
        (f"{FILE}first_index = -1", "`first_index` should be at least 0, found -1"),
        (f"{FILE}images = 3", "`images` should be text"),
        (f"{FILE}keep_items = 'all'", "`keep_items` should be 'none', 'text' or 'pictures', found 'all'"),
        (f"{FILE}on_bad = 'drop'", "`on_bad` should be 'error' or 'skip', found 'drop'"),
        (f"{FILE}prompt = 1979-05-27", "is the date or time 1979-05-27, and none is expected; put it in quotes"),
        (f"{FILE}ground_truth = 'x'", "`ground_truth` should be named values, found 'x'"),
        (f"{FILE}[ground_truth]\nsynergy = 1", "`ground_truth.redundancy` is missing"),
        (f"{FILE}[ground_truth]\nsynergy = inf", "contains inf, which is not finite"),
        (f"{FILE}[ground_truth]\nsynergy = '1'", "`ground_truth.synergy` should be a number, found '1'"),
        (f"{FILE}[ground_truth]\nsynergy = 1e300", "`ground_truth.synergy` should be at most 100"),
        ("file = ''", "`file` should be text that is not empty"),
        ("file = ['a', 'b']", "`file` should be text"),
        ("fiel = 'x'", "`file` is missing; unknown key `fiel`; did you mean `file`?"),
        (f"{FILE}[true]\nsynergy = 1", "the table `[true]` is now called `[ground_truth]`; rename it"),
        (f"{FILE}about = {DEEP}", "nested more than 64 levels deep"),
        (f"{FILE}first_index = {'9' * 5000}", "is not TOML ("),
        (f"{FILE}{FILE}", "is not TOML ("),
        (f"{FILE}{'k' * 100_000} = 1", "unknown key `kkk"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"# " + b"x" * (16 * 2**20), "has more than 16,777,216 bytes"),
        (f'file = "{"x" * 300}"', "`file` should be a path with parts of at most 255 bytes"),
        ('file = "a\\u0000b"', "`file` should be a path without null characters"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "bytes",
)
def test_cards_that_are_none(refused: Any, text: str | bytes, message: str) -> None:
    refused(text, message)


def test_a_card_is_named_by_its_file_only_if_that_can_be_a_name(refused: Any, tmp_path: Path) -> None:
    refused(FILE, "`name` cannot be the name of a file: it starts with a dot", name=".card.toml")
    (tmp_path / "ok.toml").write_text(FILE)
    assert read_card(tmp_path / "ok.toml").name == "ok"


def test_the_file_of_a_card_is_a_path_first(tmp_path: Path) -> None:
    from pid_lvlm.extract.datasets.sources.read_table import read_table

    for name in ("items[1].jsonl", "items1.jsonl"):
        (tmp_path / name).write_text(f'{{"name": "{name}"}}\n')
    (tmp_path / "card.toml").write_text('file = "items[1].jsonl"\n')
    assert read_table(read_card(tmp_path / "card.toml").file).rows == ((1, {"name": "items[1].jsonl"}),)


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*CardFile.__dataclass_fields__, "fiel", "true"]) | st.text(max_size=5)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return quoted(value) if isinstance(value, str) else str(value)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(mark):08x}" for mark in text) + '"'


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_card_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("".join(f"{quoted(key)} = {toml(value)}\n" for key, value in content.items()), "utf-8")
    try:
        card = read_card(path)
    except (DatasetError, UsageError) as error:
        assert_readable(str(error))
    else:
        assert isinstance(card.file, Path)
        assert card.name is not None
        assert "/" not in card.name
        assert all(isinstance(column, str) for column in card.columns.values())
