"""Checkpoints: hub models pinned to a commit, folders told apart by their content."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
import transformers
from huggingface_hub.errors import GatedRepoError

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.standard import LlavaAdapter
from pid_lvlm.extract.models.load import load_adapter, pinned, recorded_revision, resolve_device

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_hub_models_are_pinned_to_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/cache/models--org--name/snapshots/{COMMIT}/config.json"
    monkeypatch.setattr("pid_lvlm.extract.models.load.cached_file", lambda *_, **__: path)
    spec = pinned(ModelSpec("org/name", revision="main"))
    assert spec.revision == recorded_revision(spec) == COMMIT
    assert spec.display_name == "org/name"
    assert spec.run_name("pope") == "name__pope"


def test_weights_processor_and_configuration_are_of_one_commit(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chat templates and special tokens lie in the processor's files, and are edited after a release."""
    asked: dict[str, str | None] = {}

    def noting(load: Any) -> Any:
        def call(source: str, *, revision: str | None = None, **options: Any) -> Any:
            asked.setdefault(load.__qualname__, revision)  # our own call comes first
            return load(source, **options)

        return call

    for owner in (transformers.AutoConfig, transformers.AutoProcessor, transformers.AutoModelForImageTextToText):
        monkeypatch.setattr(owner, "from_pretrained", noting(owner.from_pretrained))
    load_adapter(ModelSpec(str(checkpoint), revision=COMMIT))
    assert set(asked.values()) == {COMMIT}
    assert len(asked) == 3


def test_folders_are_told_apart_by_content(checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    one, other = ModelSpec(str(checkpoint)), ModelSpec(str(copy))
    assert pinned(one) == one
    (copy / ".cache").mkdir()
    (copy / ".cache" / "download.lock").touch()
    assert recorded_revision(one) == recorded_revision(other)
    (copy / "qformer_tokenizer").mkdir()
    (copy / "qformer_tokenizer" / "vocab.txt").write_text("a")
    assert recorded_revision(one) != recorded_revision(other)
    shutil.rmtree(copy / "qformer_tokenizer")
    assert recorded_revision(one) == recorded_revision(other)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert recorded_revision(one) != recorded_revision(other)


def test_a_model_without_weights_has_the_same_shape(checkpoint: Path) -> None:
    adapter = load_adapter(ModelSpec(str(checkpoint)), weights=False)
    assert isinstance(adapter, LlavaAdapter)
    assert len(adapter.layers) == 3
    assert adapter.model.device.type == "meta"


def test_dtype(checkpoint: Path) -> None:
    assert str(load_adapter(ModelSpec(str(checkpoint))).model.dtype) == "torch.float32"
    assert str(load_adapter(ModelSpec(str(checkpoint), dtype="bfloat16")).model.dtype) == "torch.bfloat16"


def test_a_cpu_computes_in_float32_whatever_the_checkpoint_is_in(checkpoint: Path, tmp_path: Path) -> None:
    """transformers would load it as it was saved, and a CPU's bfloat16 is slow and another number."""
    saved = load_adapter(ModelSpec(str(checkpoint), dtype="bfloat16"))
    saved.model.save_pretrained(tmp_path)
    saved.processor.save_pretrained(tmp_path)
    spec = ModelSpec(str(tmp_path), device="cpu")
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    assert str(load_adapter(spec).model.dtype) == "torch.float32"
    assert not load_adapter(spec).model.training


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(ModelError, match="device `warp` cannot be used"):
        resolve_device("warp")


def test_a_gated_model_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own refusal, as transformers passes it on."""
    response = httpx2.Response(401, request=httpx2.Request("GET", "https://hub.example/org/gated"))

    def refuse(*_: object, **__: object) -> None:
        raise GatedRepoError("Access to model org/gated is restricted.", response=response)

    monkeypatch.setattr("transformers.utils.hub.hf_hub_download", refuse)
    with pytest.raises(
        ModelError, match="`org/gated`: it is gated and no token gives access; accept its terms"
    ) as caught:
        pinned(ModelSpec("org/gated"))
    assert "\n" not in str(caught.value)
