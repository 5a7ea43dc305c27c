"""A run is continued only with the bytes it was begun with, through the command."""

import os
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import LlavaForConditionalGeneration

from pid_lvlm import data
from pid_lvlm.data.names import MANIFEST_FILE, shard_file
from pid_lvlm.extract.models.checkpoint.fingerprint import sampled_fingerprint
from tests.extract.console import Command, assert_one_sentence
from tests.extract.tiny_llava import tiny_model, tiny_processor

PROJECTOR = "multi_modal_projector.linear_1.weight"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose projector lies more than a MiB from both ends of its file."""
    config = tiny_model().config
    config.text_config.vocab_size = config.vision_config.intermediate_size = 16_384
    folder = tmp_path_factory.mktemp("wide") / "tiny"
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    tiny_processor().save_pretrained(folder)
    return folder


@pytest.fixture
def model(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pid_lvlm.extract.models.checkpoint.hash_cache.SETTLED_SECONDS", -10.0)
    return shutil.copytree(wide, tmp_path / "tiny")


def change_the_projector(folder: Path) -> None:
    """One byte of the projector: size and date of the file stay, and both of its ends."""
    file = folder / "model.safetensors"
    status, content = file.stat(), bytearray(file.read_bytes())
    with safe_open(file, "pt") as tensors:
        values = tensors.get_tensor(PROJECTOR).numpy().tobytes()
    start = content.index(values)
    assert (1 << 20) < start < len(content) - len(values) - (1 << 20)
    content[start + 3] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def interrupted(command: Command, model: Path, items: Path, out: Path) -> tuple[object, ...]:
    """Arguments of a run that lost its second file, as a kill leaves it."""
    arguments = (
        "--model",
        model,
        "--data",
        items,
        "--out",
        out,
        "--layers",
        "last",
        "--limit",
        4,
        "--shard-size",
        3,
        "--quiet",
    )
    assert command(*arguments)[0] == 0
    (out / "tiny__toy" / shard_file(1)).unlink()
    return arguments


@pytest.mark.slow
def test_one_byte_of_the_projector(command: Command, model: Path, items: Path, tmp_path: Path) -> None:
    arguments = interrupted(command, model, items, tmp_path / "runs")
    assert len(list((tmp_path / "cache" / "pid-lvlm" / "hashes").iterdir())) == 1
    change_the_projector(model)
    revision = data.read_manifest(tmp_path / "runs" / "tiny__toy").revision
    refused = f"holds a run with other settings (revision was '{revision}', now 'files-sha256-"
    assert_one_sentence(command(*arguments), refused, "choose another --out or delete that folder")
    assert not (tmp_path / "runs" / "tiny__toy" / shard_file(1)).exists()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["chat_template.jinja", "processor_config.json", "tokenizer_config.json"])
def test_other_files(command: Command, checkpoint: Path, items: Path, tmp_path: Path, file: str) -> None:
    """Changes that only the identity shows: the content means the same."""
    model = shutil.copytree(checkpoint, tmp_path / "tiny")
    arguments = interrupted(command, model, items, tmp_path / "runs")
    content = (model / file).read_text()
    (model / file).write_text(content + "{# new #}" if file.endswith(".jinja") else content + "\n")
    assert_one_sentence(command(*arguments), "holds a run with other settings (revision was ")


def test_a_run_of_an_earlier_version_is_compared_as_it_was(
    command: Command, model: Path, items: Path, tmp_path: Path
) -> None:
    """It recorded both ends of each file: those must be the same, and it keeps what it recorded."""
    run = tmp_path / "runs" / "tiny__toy"
    arguments = interrupted(command, model, items, tmp_path / "runs")
    new, old = data.read_manifest(run).revision, sampled_fingerprint(model)
    manifest = (run / MANIFEST_FILE).read_text()
    (run / MANIFEST_FILE).write_text(manifest.replace(str(new), old))
    assert command(*arguments)[0] == 0
    assert data.read_manifest(run).revision == old

    (run / shard_file(1)).unlink()
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    assert_one_sentence(command(*arguments), f"revision was '{old}', now 'files-")
