"""The identity of a checkpoint: every byte of every file that is loaded, and remembered only while it is safe."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.fingerprint import (
    bytes_to_hash,
    checkpoint_files,
    file_hashes,
    fingerprint,
    is_sampled,
    sampled_fingerprint,
)
from pid_lvlm.extract.models.checkpoint.hash_cache import SWITCH, HashCache, Stamp, user_folder

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of 4 MiB that were written an hour ago, as far as their dates say."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * (4 * MIB // 256))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HashCache:
    """A cache that remembers files as young as those of a test."""
    monkeypatch.setattr("pid_lvlm.extract.models.checkpoint.hash_cache.SETTLED_SECONDS", -10.0)
    return HashCache(tmp_path / "hashes")


def change_a_byte(path: Path, offset: int) -> None:
    """Another byte in the middle; size and date stay."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(1)
        file.seek(offset)
        file.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("offset", [0, 2 * MIB, 4 * MIB - 1])
def test_one_byte_anywhere_is_seen_through_the_cache(folder: Path, cache: HashCache, offset: int) -> None:
    before = fingerprint(folder, cache)
    assert bytes_to_hash(folder, cache) == 2  # the configuration
    assert fingerprint(folder, cache) == before
    change_a_byte(folder / "model.safetensors", offset)
    assert bytes_to_hash(folder, cache) == 4 * MIB + 2
    assert fingerprint(folder, cache) != before


def test_the_old_fingerprint_did_not_see_it(folder: Path) -> None:
    before = sampled_fingerprint(folder)
    change_a_byte(folder / "model.safetensors", 2 * MIB)
    assert sampled_fingerprint(folder) == before
    assert is_sampled(before)
    assert is_sampled(f"{before}+base@{fingerprint(folder)}")
    assert not is_sampled(fingerprint(folder))
    assert not is_sampled("0123456789abcdef0123456789abcdef01234567")


def test_a_remembered_hash_is_not_computed_again(folder: Path, cache: HashCache, tmp_path: Path) -> None:
    weights = folder / "model.safetensors"
    (found,) = file_hashes([weights], cache)
    (entry,) = (tmp_path / "hashes").iterdir()
    entry.write_text(entry.read_text().replace(found, "0" * 64))
    assert file_hashes([weights], cache) == ["0" * 64]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"path": 1}', b"\xff\xff", b"[" * 100_000])
def test_a_damaged_cache_is_as_good_as_none(folder: Path, cache: HashCache, tmp_path: Path, damage: bytes) -> None:
    before = fingerprint(folder, cache)
    (entry,) = (tmp_path / "hashes").iterdir()
    entry.write_bytes(damage)
    assert fingerprint(folder, cache) == before
    assert json.loads(entry.read_text())["path"] == os.path.realpath(folder / "model.safetensors")


def test_a_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert fingerprint(folder, HashCache(blocked / "hashes")) == fingerprint(folder)


def test_a_file_that_just_changed_is_not_remembered(folder: Path, tmp_path: Path) -> None:
    cache = HashCache(tmp_path / "hashes")
    fingerprint(folder, cache)
    assert cache.get(folder / "model.safetensors") is None
    assert not Stamp.of((folder / "config.json").stat()).is_settled(time.time())


def test_the_cache_is_the_users_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "pid-lvlm" / "hashes"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert user_folder().is_absolute()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("pid_lvlm.extract.models.checkpoint.hash_cache.SETTLED_SECONDS", -10.0)
    file = tmp_path / "weights"
    file.write_bytes(bytes(2 * MIB))
    monkeypatch.setenv(SWITCH, "off")
    file_hashes([file])
    assert not user_folder().exists()
    monkeypatch.delenv(SWITCH)
    file_hashes([file])
    assert len(list(user_folder().iterdir())) == 1


@pytest.mark.parametrize(
    "name",
    [
        "chat_template.jinja",
        "additional_chat_templates/tool.jinja",
        "processor_config.json",
        "tokenizer.json",
        "adapter_model.safetensors",
        "vision_towers/0/model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "generation_config.json",
    ],
)
def test_every_kind_of_file_counts(folder: Path, name: str) -> None:
    alone = fingerprint(folder)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a")
    one = fingerprint(folder)
    path.write_text("b")
    assert len({alone, one, fingerprint(folder)}) == 3


def test_what_no_loader_opens_does_not_count(folder: Path) -> None:
    before = fingerprint(folder)
    for name in ("README.md", "optimizer.pt", "rng_state_0.pth", "global_step500/x.pt", ".cache/lock", "runs/events"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert fingerprint(folder) == before


def test_names_and_contents_cannot_be_exchanged(folder: Path, tmp_path: Path) -> None:
    for name, content in (("one", "a"), ("two", "b")):
        (folder / name).write_text(content)
    other = shutil.copytree(folder, tmp_path / "other")
    assert fingerprint(other) == fingerprint(folder)
    (other / "one").write_text("b")
    (other / "two").write_text("a")
    assert fingerprint(other) != fingerprint(folder)


def test_links(folder: Path, tmp_path: Path) -> None:
    """A linked folder counts as its content; loops and dead links end."""
    tower = tmp_path / "tower"
    tower.mkdir()
    (tower / "config.json").write_text("{}")
    (folder / "tower").symlink_to(tower)
    (tower / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "gone").symlink_to(tmp_path / "gone")
    assert checkpoint_files(folder) == ["config.json", "model.safetensors", "tower/config.json"]


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"`.*gone` cannot be read \(No such file"):
        file_hashes([folder / "gone"])


def test_a_file_that_grows_while_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = iter([Stamp(1, 1, 1, 1), Stamp(1, 1, 1, 1), Stamp(2, 1, 1, 1)])
    monkeypatch.setattr(Stamp, "of", lambda _: next(stamps))
    with pytest.raises(ModelError, match="changed while it was read; wait until the checkpoint is complete"):
        file_hashes([folder / "config.json"])
