"""An untested adapter: what its model raises is a sentence, what our own code raises is a bug and looks like one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pid_lvlm.extract.conditions.hooks import HookError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import MisfitError, ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.run.extract_run import Outcome

Extract = Callable[..., Outcome]


@pytest.fixture
def untested(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    monkeypatch.setattr(type(adapter), "leak_tested", False)
    return adapter


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("method", ["process", "encode_pictures", "visual_mask", "forward", "unembed", "block_state"])
def test_errors_of_the_model_become_a_sentence(
    method: str, untested: Adapter, run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "visual_mask":  # planning looks for image tokens in the texts; the model's inputs have a mask, too
        whole = type(untested).visual_mask

        def visual_mask(adapter: Adapter, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            return failing(KeyError("grid"))() if "attention_mask" in inputs else whole(adapter, inputs)  # type: ignore

        monkeypatch.setattr(type(untested), method, visual_mask)
    else:
        monkeypatch.setattr(type(untested), method, failing(KeyError("grid")))
    with pytest.raises(
        ModelError, match=r"model type `llava` .* stops with KeyError: 'grid' \(--batch-size 1 may help"
    ):
        run(dataset, tmp_path / "runs")


def test_a_bug_in_our_own_measurement_surfaces(
    untested: Adapter, run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pid_lvlm.extract.measure.measurement.pool", failing(KeyError("mean")))
    with pytest.raises(KeyError, match="mean"):
        run(dataset, tmp_path / "runs")


def test_a_bug_in_a_hook_inside_the_model_surfaces(
    untested: Adapter, run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pid_lvlm.extract.conditions.sites.PositionSite.write", failing(KeyError("vision")))
    with pytest.raises(HookError, match="a hook failed inside the model: KeyError: 'vision'") as caught:
        run(dataset, tmp_path / "runs")
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_model_without_the_expected_input_does_not_fit(
    untested: Adapter, run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pid_lvlm.extract.conditions.sites.EmbeddingSite.argument", "embeds", raising=False)
    for site in untested.sites:
        monkeypatch.setattr(site, "argument", "embeds")
    with pytest.raises(ModelError, match="the model was given no `embeds`, where its vision should enter"):
        run(dataset, tmp_path / "runs")


def test_memory_is_not_a_misfit(adapter: Adapter, untested: Adapter) -> None:
    with pytest.raises(torch.OutOfMemoryError), model_code(untested):
        raise torch.OutOfMemoryError
    with pytest.raises(MisfitError, match="stops with ValueError: a$"), model_code(untested):
        raise ValueError(np.str_("a\nb"))


def test_errors_of_a_tested_adapter_pass_unchanged(adapter: Adapter) -> None:
    with pytest.raises(ValueError, match="a"), model_code(adapter):
        raise ValueError("a")
