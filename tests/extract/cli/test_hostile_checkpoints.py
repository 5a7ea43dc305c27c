"""Hostile and damaged checkpoints, through the command: one sentence, exit code 2, little time, no code of theirs."""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.extract.console import Command, assert_one_sentence
from tests.extract.tiny_llava import tiny_model

CONFIG, PROCESSOR, TOKENIZER, WEIGHTS = (
    "config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "model.safetensors",
)
PROJECTOR = "multi_modal_projector.linear_1.weight"

Change = Callable[[Path], object]
Refuses = Callable[..., None]


@pytest.fixture
def refuses(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> Refuses:
    """Run the command on a changed copy of the checkpoint: one sentence with all `parts`, and no output folder."""

    def check(change: Change, *parts: str, weights: bool = False) -> None:
        model = shutil.copytree(checkpoint, tmp_path / "tiny", symlinks=True)
        change(model)
        out = tmp_path / "runs"
        arguments = ("--model", model, "--data", items, "--out", out, "--layers", "last", "--quiet")
        assert_one_sentence(command(*arguments, *(() if weights else ("--dry-run",))), *parts)
        assert not out.exists() or not any(out.iterdir())

    return check


def write(name: str, content: str | bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def put(name: str, place: str, value: Any) -> Change:
    """Another value at `a.b` of a JSON file."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        *parents, last = place.split(".")
        part = content
        for key in parents:
            part = part[key]
        part[last] = value
        (folder / name).write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "config.json of `{}` should hold named values, found [1]"),
        ('"x"', "should hold named values, found 'x'"),
        ("", "is not JSON (Expecting value"),
        ("{}", "has no readable config.json; it should be a hub id or a checkpoint folder"),
        ('{"x": 1}', "config.json of `{}` does not say its `model_type`"),
        ("[" * 5000 + "]" * 5000, "nested more than 64"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        ('{"model_type": "llava", "x": NaN}', "contains NaN, which is not a number of JSON"),
        ('{"model_type": "llava", "x": 1e400}', "contains 1e400, which is not finite"),
        ('{"model_type": 3}', "`model_type` should be text, found 3"),
        ('{"model_type": "' + "a" * 40_000 + '"}', "has model type `aaa"),
    ],
    ids=range(11),
)
def test_configurations_that_are_none(refuses: Refuses, tmp_path: Path, content: str | bytes, message: str) -> None:
    refuses(write(CONFIG, content), message.format(tmp_path / "tiny"))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("text_config.num_hidden_layers", 10**7, "from 1 to 1,000 blocks, found 10000000"),
        ("text_config.num_hidden_layers", -1, "found -1"),
        ("text_config.num_hidden_layers", "3", "found '3'"),
        ("text_config.hidden_size", 10**9, "from 1 to 1,000,000 numbers"),
        ("text_config.vocab_size", -1, "from 1 to 10,000,000 tokens, found -1"),
        ("text_config.vocab_size", 10**12, "found 1000000000000"),
        ("text_config.max_position_embeddings", 10**12, "from 1 to 1,000,000,000 positions"),
        ("text_config.num_attention_heads", 0, "from 1 to 10,000 heads, found 0"),
        ("vision_config.image_size", 10**6, "from 1 to 8,192 pixels"),
        ("vision_config.patch_size", 0, "found 0"),
        ("num_labels", 10**9, "`num_labels`"),
        ("text_config.num_key_value_heads", 0, "ZeroDivisionError"),
        ("text_config.hidden_act", "os.system", "KeyError: 'os.system'"),
        ("text_config", [], "Validation error for field 'text_config'"),
        ("text_config.pad_token_id", 10**9, "AssertionError: Padding_idx"),
        ("dtype", 9, "AttributeError"),
        ("architectures", "x", "`architectures` should be a list"),
    ],
)
def test_sizes_that_cannot_be(refuses: Refuses, place: str, value: Any, message: str) -> None:
    refuses(put(CONFIG, place, value), message)


def test_code_of_the_checkpoint_is_never_run(refuses: Refuses, tmp_path: Path) -> None:
    """A configuration that only its own Python file can read."""

    def change(folder: Path) -> None:
        put(CONFIG, "auto_map", {"AutoConfig": "evil.Evil", "AutoProcessor": "evil.Evil"})(folder)
        put(CONFIG, "model_type", "evil")(folder)
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")

    refuses(change, "has model type `evil`, which no adapter reads")
    assert not (tmp_path / "ran").exists()


def test_a_processor_with_code_of_its_own(refuses: Refuses, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        content = json.loads((folder / PROCESSOR).read_text())
        content |= {"processor_class": "Evil", "auto_map": {"AutoProcessor": "evil.Evil"}}
        (folder / PROCESSOR).write_text(json.dumps(content))
        put(CONFIG, "model_type", "toyvl")(folder)
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")

    refuses(change, "error: ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        (
            PROCESSOR,
            "image_processor.size",
            {"shortest_edge": 10**6},
            "`size.shortest_edge` 1000000; expected 1 to 8,192",
        ),
        (PROCESSOR, "image_processor.size", {"height": 10**6, "width": 16}, "`size.height` 1000000"),
        (PROCESSOR, "image_processor.crop_size", {"height": 10**6, "width": 1}, "`image_processor.crop_size.height`"),
        (PROCESSOR, "image_processor.image_mean", [1.0, 2.0], "the model's processor cannot prepare any picture ("),
        (PROCESSOR, "num_additional_image_tokens", 10**12, "from 0 to 1,000,000 tokens"),
        (PROCESSOR, "processor_class", "os.system", "has no complete processor"),
        (TOKENIZER, "model_max_length", "x", "cannot load the processor"),
        (TOKENIZER, "tokenizer_class", 3, "cannot load the processor"),
    ],
)
def test_processors(refuses: Refuses, name: str, place: str, value: Any, message: str) -> None:
    refuses(put(name, place, value), message)


def test_a_picture_of_more_tokens_than_the_model_reads(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path
) -> None:
    """Told from the sizes of the pictures: a prompt of so many placeholders is never made."""
    model = shutil.copytree(checkpoint, tmp_path / "tiny")
    put(PROCESSOR, "num_additional_image_tokens", 10**6)(model)
    code, _, errors = command("--model", model, "--data", items, "--out", tmp_path / "runs", "--dry-run")
    assert code == 2
    assert "row 1: its prompt has 128 and its picture 1000003 tokens, and the model reads at most 512" in errors


@pytest.mark.parametrize("name", [CONFIG, PROCESSOR])
def test_links_in_a_circle(refuses: Refuses, name: str) -> None:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(name)

    refuses(change, f"{name} of `", "cannot be read (Too many levels of symbolic links)")


def test_an_endless_chat_template(refuses: Refuses, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    refuses(write("chat_template.jinja", loops), "the chat template did not write a prompt within 3 seconds")


def with_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    def spoil(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return spoil


def lying(**lie: object) -> Change:
    """Another shape or place of a tensor in the header."""

    def change(folder: Path) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        header[PROJECTOR] |= lie
        text = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write(WEIGHTS, b""), "is damaged or not a safetensors file (Error while deserializing header"),
        (write(WEIGHTS, struct.pack("<Q", 2**62) + b"x" * 100), "header too large"),
        (lying(shape=[10**9, 10**9]), "is damaged or not a safetensors file"),
        (lying(data_offsets=[0, 10**15]), "is damaged or not a safetensors file"),
        (with_weights(lambda w: w.update({PROJECTOR: w[PROJECTOR].to(torch.int8)})), f"holds `{PROJECTOR}` as I8"),
        (with_weights(lambda w: w.update({PROJECTOR: w[PROJECTOR].to(torch.float8_e4m3fn)})), "as F8_E4M3"),
        (with_weights(lambda w: w[PROJECTOR].__setitem__((0, 0), float("nan"))), "holds NaN or infinity"),
        (with_weights(lambda w: w[PROJECTOR].__setitem__((0, 0), float("inf"))), "holds NaN or infinity"),
        (with_weights(lambda w: w.pop(PROJECTOR)), "lack the parameter"),
        (with_weights(lambda w: w.update({PROJECTOR: w[PROJECTOR][:1].contiguous()})), "have other shapes than"),
        (put(CONFIG, "text_config.hidden_size", 999_936), "describes 1e+03e9 parameters, and its weights hold"),
        (put(CONFIG, "quantization_config", {"quant_method": "gptq", "bits": 4}), "GPTQ"),
        (put(CONFIG, "quantization_config", {"quant_method": "bitsandbytes", "load_in_8bit": True}), "bitsandbytes"),
    ],
    ids=range(13),
)
def test_weights(refuses: Refuses, change: Change, message: str) -> None:
    refuses(change, message, weights=True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({PROJECTOR: "../../x.safetensors"}, "names the file '../../x.safetensors'; expected a file name without"),
        ({PROJECTOR: "/etc/passwd"}, "names the file '/etc/passwd'; expected a file name without a folder"),
        ({PROJECTOR: 3}, "`weight_map` should map parameters to file names"),
        ([1], "`weight_map` should map parameters to file names, found [1]"),
        ({PROJECTOR: "gone.safetensors"}, "names the file 'gone.safetensors', which is missing"),
    ],
)
def test_an_index_of_weights(refuses: Refuses, files: object, message: str) -> None:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))

    refuses(change, message)


def test_a_configuration_that_fails_in_the_first_pass(refuses: Refuses) -> None:
    stops = "stops in its first pass (IndexError: "
    refuses(put(CONFIG, "vision_feature_layer", 99), stops, "its config.json does not fit", weights=True)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_no_pickle_is_run(refuses: Refuses, tmp_path: Path, save: Callable[..., object]) -> None:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        save({"x": Evil(tmp_path / "ran")}, folder / "pytorch_model.bin")

    refuses(change, "is a pickle that holds more than tensors, which could run code and is never opened", weights=True)
    assert not (tmp_path / "ran").exists()


def adapter(folder: Path, base: str, **settings: object) -> Path:
    folder.mkdir(exist_ok=True)
    content = {"peft_type": "LORA", "r": 2, "base_model_name_or_path": base, "target_modules": ["q_proj"], **settings}
    (folder / "adapter_config.json").write_text(json.dumps(content))
    return folder


def test_adapters_of_adapters(refuses: Refuses, tmp_path: Path) -> None:
    refuses(
        lambda folder: adapter(folder, str(folder)), "names itself as its base model, which is also a PEFT checkpoint"
    )
    shutil.rmtree(tmp_path / "tiny")
    other = adapter(tmp_path / "other", str(tmp_path / "tiny"))
    refuses(
        lambda folder: adapter(folder, str(other)),
        f"names `{other}` as its base model, which is also a PEFT checkpoint",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r": 10**9}, "`r` should be at most 4096, found 1000000000"),
        ({"r": 0}, "`r` should be at least 1"),
        ({"rank_pattern": {"q_proj": 10**9}}, "`rank_pattern.q_proj` should be at most 4096"),
        ({"base_model_name_or_path": ["x"]}, "`base_model_name_or_path` should be text"),
        ({"base_model_name_or_path": "/gone"}, "should be in `/gone`, but that folder does not exist"),
        ({"peft_type": 7}, "`peft_type` should be text"),
    ],
)
def test_adapters(refuses: Refuses, checkpoint: Path, settings: dict[str, object], message: str) -> None:
    refuses(lambda folder: adapter(folder, **{"base": str(checkpoint), **settings}), message)


def test_the_tiny_model_has_the_projector() -> None:
    assert f"model.{PROJECTOR}" in dict(tiny_model().named_parameters())
