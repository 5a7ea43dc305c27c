"""Files in the hub's cache are what the hub published."""

import hashlib
from pathlib import Path

import pytest

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.hub_files import check_downloaded
from pid_lvlm.extract.models.load import recorded_revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SPEC = ModelSpec("org/name", revision=COMMIT)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache as a download leaves it: names that link to blobs, which are named by their hash."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--org--name"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    weights, config = bytes(range(256)) * 10_000, b'{"model_type": "llava"}\n'
    git = hashlib.sha1(b"blob %d\0" % len(config) + config, usedforsecurity=False).hexdigest()
    for name, content, blob in (
        ("model.safetensors", weights, hashlib.sha256(weights).hexdigest()),
        ("config.json", config, git),
        ("own.txt", b"not a hash", "etag"),
    ):
        (folder / "blobs" / blob).write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/{blob}")
    return snapshot


def test_what_was_published_is_accepted(cache: Path) -> None:
    assert (cache / "config.json").resolve().parent.name == "blobs"
    check_downloaded(SPEC)
    assert recorded_revision(SPEC) == COMMIT
    check_downloaded(ModelSpec("org/other", revision=COMMIT))  # nothing of it was downloaded


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_was_damaged_since_is_named(cache: Path, name: str) -> None:
    blob = (cache / name).resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    with pytest.raises(ModelError, match=f"`{name}` of `org/name` is not the file that the hub published") as caught:
        recorded_revision(SPEC)
    assert f"delete `{blob}` and run the same command again" in str(caught.value)
