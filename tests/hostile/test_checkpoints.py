"""Checkpoints that anyone may have written: whatever is in their files, a plan ends in a value or in one sentence."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.models.checkpoint.settings_files import check_sizes, read_settings
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.rehearsal.check_data import usable
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan
from tests.extract.tiny_llava import save_tiny_llava

FILES = ("config.json", "processor_config.json", "tokenizer_config.json", "tokenizer.json", "generation_config.json")

nasty = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1, 2, 7, 10**6, 10**7, 10**12, 10**30, -(2**63), 0.5, 1e30, "", "x", "3"]
    ),
    st.sampled_from([[], {}, [1], [[]], {"x": 1}, "\x00\x1b\u2028", "a" * 3000, "{{ x }}", "../../x", "os.system"]),
    st.sampled_from([[10**9] * 3, {"height": 10**6, "width": 1}, {"shortest_edge": 10**7, "longest_edge": 10**9}]),
)
raw_text = st.one_of(
    st.sampled_from([b"", b"[", b"null", b"[]", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000, b'{"x": 1e400}', b"{}\x00"]),
    st.binary(max_size=40),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    picture = tmp_path_factory.mktemp("items") / "picture.png"
    Image.new("RGB", (20, 24)).save(picture)
    items = (Item("1", "g", picture, "which?", ("red", "blue"), 0, row=1),)
    return Dataset("toy", "toy.jsonl", "0" * 64, items)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value, at any depth."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield (*place, key)
        yield from places(child, (*place, key))


def replaced(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return content


def plan(folder: Path, dataset: Dataset) -> None:
    """What `--dry-run` does: no error but ours, in one sentence that can be printed."""
    config = ExtractionConfig(folder.parent / "runs")
    spec = ModelSpec(str(folder))
    try:
        adapter = load_adapter(spec, weights=False)
        chosen = usable(adapter, dataset, config, Reporter(quiet=True), every_item=False)
        describe_plan(adapter, spec, chosen, config)
    except PidError as error:
        text = str(error)
        assert len(text) < 2000
        assert all(character.isprintable() for character in text.replace(str(folder), "")), text
        assert "Traceback" not in text


class Hostile:
    """A copy of the checkpoint to spoil, and restored afterwards."""

    def __init__(self, tiny: Path, folder: Path) -> None:
        self.tiny, self.folder = tiny, folder
        shutil.copytree(tiny, folder, dirs_exist_ok=True)

    @contextlib.contextmanager
    def with_file(self, name: str, content: bytes) -> Iterator[Path]:
        (self.folder / name).write_bytes(content)
        try:
            yield self.folder
        finally:
            shutil.copy(self.tiny / name, self.folder / name)


@pytest.fixture(scope="module")
def hostile(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    return Hostile(tiny, tmp_path_factory.mktemp("hostile") / "tiny")


def check_a_value(data: st.DataObject, hostile: Hostile, dataset: Dataset) -> None:
    name = data.draw(st.sampled_from(FILES))
    content = json.loads((hostile.tiny / name).read_text())
    found = [place for place in places(content) if "vocab" not in place[:-1]]  # one of hundreds of like entries
    for place in data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=2)):
        with contextlib.suppress(KeyError, IndexError, TypeError):  # inside what was just replaced
            replaced(content, place, deepcopy(data.draw(nasty)))
    with hostile.with_file(name, json.dumps(content).encode()) as folder:
        plan(folder, dataset)


quick = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
long = settings(quick, max_examples=500)  # the same in every run: `make fuzz` looks for what is new


@quick
@given(data=st.data())
def test_a_value_of_another_kind(data: st.DataObject, hostile: Hostile, dataset: Dataset) -> None:
    check_a_value(data, hostile, dataset)


@pytest.mark.slow
@long
@given(data=st.data())
def test_many_values_of_another_kind(data: st.DataObject, hostile: Hostile, dataset: Dataset) -> None:
    check_a_value(data, hostile, dataset)


def test_a_tokenizer_whose_compiled_code_fails(
    hostile: Hostile, dataset: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    """A template that names a special token it does not have: tokenizers panics once it reads a text."""
    content = json.loads((hostile.tiny / "tokenizer.json").read_text())
    template = [{"SpecialToken": {"id": "<lost>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    content["post_processor"] = {"type": "TemplateProcessing", "single": template, "pair": [], "special_tokens": {}}
    with hostile.with_file("tokenizer.json", json.dumps(content).encode()) as folder:
        with pytest.raises(
            PidError, match=r"cannot load the tokenizer of `.*`: compiled code fails on its files \(no entry"
        ):
            load_adapter(ModelSpec(str(folder)), weights=False)
        plan(folder, dataset)
    assert "panicked" not in capfd.readouterr().err


@quick
@given(name=st.sampled_from([*FILES, "chat_template.jinja"]), content=raw_text)
def test_a_file_of_other_bytes(name: str, content: bytes, hostile: Hostile, dataset: Dataset) -> None:
    with hostile.with_file(name, content) as folder:
        plan(folder, dataset)


@quick
@given(cut=st.floats(0, 1), flip=st.integers(0, 255), name=st.sampled_from([*FILES, "model.safetensors"]))
def test_damaged_files_with_weights(cut: float, flip: int, name: str, hostile: Hostile) -> None:
    content = bytearray((hostile.tiny / name).read_bytes())
    position = int(cut * (len(content) - 1))
    content[position] ^= flip
    damaged = bytes(content) if flip % 2 else bytes(content[:position])
    with hostile.with_file(name, damaged) as folder, contextlib.suppress(PidError):
        load_adapter(ModelSpec(str(folder), device="cpu"))


@settings(max_examples=50)
@given(
    name=st.sampled_from(["num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads", "patch_size"]),
    depth=st.integers(0, 10),
    value=st.one_of(st.integers(max_value=0), st.integers(min_value=10**9 + 1), st.text(max_size=5), st.booleans()),
    within=st.sampled_from(["{", "["]),
)
def test_a_size_that_cannot_be_is_refused_wherever_it_is(name: str, depth: int, value: Any, within: str) -> None:
    nested: Any = {name: value}
    for _ in range(depth):
        nested = {"part": nested} if within == "{" else {"part": [nested]}
    with pytest.raises(PidError, match=name):
        check_sizes(nested, "config.json", "org/name")


@settings(max_examples=50)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_named_values_or_a_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.json"
    path.write_bytes(content)
    try:
        assert isinstance(read_settings(path, "org/name"), dict)
    except PidError as error:
        assert str(error).isprintable()  # noqa: PT017
