"""LoRA checkpoints of a tiny LLaVA: merged exactly, and refused where they are of no use."""

import json
import sys
from pathlib import Path

import peft
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.checkpoint.peft import ADAPTER_FILE, base_spec, merge_adapter
from pid_lvlm.extract.models.load import load_adapter, pinned, recorded_revision
from tests.extract.tiny_llava import tiny_model

# peft 0.21 asks transformers by a name that 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PROMPT = "USER: <image>\nhello ASSISTANT:"


@pytest.fixture(scope="module")
def lora(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random changes of the language model's queries and values, as a training would save them."""
    folder = tmp_path_factory.mktemp("lora") / "checkpoint-40"
    torch.manual_seed(1)
    settings = peft.LoraConfig(r=2, target_modules=".*language_model.*(q_proj|v_proj)", init_lora_weights=False)
    changed = peft.get_peft_model(tiny_model(), settings)
    changed.peft_config["default"].base_model_name_or_path = str(checkpoint)
    changed.save_pretrained(folder)
    return folder


def edited(lora: Path, folder: Path, **changes: object) -> ModelSpec:
    """A copy of the checkpoint with other settings."""
    folder.mkdir()
    for path in lora.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    settings = json.loads((lora / ADAPTER_FILE).read_text())
    (folder / ADAPTER_FILE).write_text(json.dumps({**settings, **changes}))
    return ModelSpec(str(folder))


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(4, 24)[None]).logits


def test_changes_are_merged_into_the_base(lora: Path, adapter: Adapter) -> None:
    loaded = load_adapter(ModelSpec(str(lora)))
    expected = logits(peft.PeftModel.from_pretrained(tiny_model(), lora))
    torch.testing.assert_close(logits(loaded.model), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logits(adapter.model), expected, atol=0.1)
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())
    assert loaded.tokenize([PROMPT]) == adapter.tokenize([PROMPT])


def test_a_plan_needs_no_weights(lora: Path) -> None:
    assert load_adapter(ModelSpec(str(lora)), weights=False).model.device.type == "meta"


def test_the_revision_names_changes_and_base(lora: Path, checkpoint: Path) -> None:
    spec = ModelSpec(str(lora))
    base = recorded_revision(ModelSpec(str(checkpoint)))
    revision = recorded_revision(pinned(spec))
    assert revision is not None
    assert revision.startswith("files-")
    assert revision.endswith(f"+tiny@{base}")
    assert not revision.startswith(str(base))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_model_name_or_path": None}, "does not name its base model; set base_model_name_or_path"),
        ({"base_model_name_or_path": "/gone/tiny"}, "should be in `/gone/tiny`, but that folder does not exist"),
        ({"target_modules": ["qkv"]}, "do not fit its base model: Target modules"),
        ({"target_modules": ".*q_proj"}, "do not fit its base model: Found missing adapter keys"),
        ({"r": 3}, "do not fit its base model: Error.* in loading state_dict"),
        ({"peft_type": "PROMPT_TUNING"}, "do not fit its base model"),
    ],
)
def test_changes_that_do_not_fit(lora: Path, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_adapter(edited(lora, tmp_path / "edited", **changes))


def test_a_hub_checkpoint_is_pinned_by_its_adapter(lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache as a download leaves it; nothing else is there."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hub" / "models--org--lora"
    spec = edited(lora, tmp_path / "edited", base_model_name_or_path="org/base", revision="v2")
    snapshot = cache / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / ADAPTER_FILE).write_text((Path(spec.model) / ADAPTER_FILE).read_text())
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)

    def fetch(_name: str, file: str, **_: object) -> str:
        if file != ADAPTER_FILE:
            raise LocalEntryNotFoundError(file)
        return str(snapshot / file)

    monkeypatch.setattr("transformers.utils.hub.hf_hub_download", fetch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = pinned(ModelSpec("org/lora"))
    assert found.revision == commit
    assert (base_spec(found).model, base_spec(found).revision) == ("org/base", "v2")


def test_without_the_peft_library(lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        ModelError, match=r"is a PEFT checkpoint and needs the `peft` library, .*pip install '\.\[peft\]'"
    ):
        merge_adapter(tiny_model(), ModelSpec(str(lora)))
