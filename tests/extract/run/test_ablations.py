"""Runs with further ablations: what is written, refused, and continued."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan
from pid_lvlm.extract.prompts.swaps import Swaps
from pid_lvlm.extract.run.extract_run import Outcome
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan
from tests.extract.console import Command
from tests.extract.models.families.conftest import with_long_letters

Run = Callable[..., Outcome]
ALL = ("noise", "mean", "other", "blank")


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_receipts")
def test_a_run_names_its_conditions(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    few = dataset.first(2)
    settings = {"layers": "last", "ablation": ("blank", "mean"), "batch_size": 2}
    outcome = run(few, tmp_path / "ablated", **settings)
    read = data.read_run(outcome.folder)
    further = [f"{role}.{name}" for name in ("mean", "blank") for role in ("vision_only", "language_only", "neither")]
    assert read.manifest.conditions == (*CONDITIONS, *further)
    assert outcome.conditions == 10
    assert read.arrays["first_token"].shape == (2, 10)
    assert read.manifest.receipt is not None
    assert set(read.manifest.receipt.names("passed")) == set(read.manifest.receipt.checks)
    plain = data.read_run(run(few, tmp_path / "plain", layers="last", batch_size=2).folder)
    np.testing.assert_array_equal(plain.arrays["loglik"], read.arrays["loglik"][:, :4])
    assert plain.manifest.conditions == CONDITIONS
    assert plain.manifest.recipe != read.manifest.recipe


def test_a_run_is_not_continued_with_other_ablations(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    few = dataset.first(3)
    run(few, tmp_path, layers="last")
    said = r"\(it has no more, this command asks for the conditions `neither.noise` \(--ablation\)\); choose another"
    with pytest.raises(OutputExistsError, match=said):
        run(few, tmp_path, layers="last", ablation=("noise",))


def test_the_plan_says_how_many_passes(adapter: Adapter, dataset: Dataset, tmp_path: Path) -> None:
    config = ExtractionConfig(tmp_path / "runs", batch_size=4, ablation=ALL, other_draws=3)
    text = describe_plan(adapter, ModelSpec("tiny"), dataset, config).text
    assert "passes      3 batches of up to 4, 20 conditions each (60 passes);" in text
    assert "conditions  both, vision_only, language_only, no_image, neither.noise, vision_only.mean," in text
    text = describe_plan(adapter, ModelSpec("tiny", ablation=("mean",)), dataset, config).text
    assert "7 conditions each (21 passes)" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--ablation", "maen"),
            "--ablation: unknown value `maen`; did you mean `mean`? known are blank, mean, noise, other",
        ),
        (("--ablation", "other", "--other-draws", 0), "--other-draws should be at least 1, found 0"),
        (("--ablation", "other", "--other-draws", 1001), "--other-draws should be at most 1000, found 1001"),
        (("--ablation", "other", "--limit", 1, "--dry-run"), "--ablation other needs at least two items"),
    ],
)
def test_options_that_cannot_be(
    checkpoint: Path, items: Path, tmp_path: Path, command: Command, options: tuple[object, ...], said: str
) -> None:
    code, _, err = command("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", *options)
    assert code == 2
    assert said in err
    assert not (tmp_path / "runs").exists()


def test_a_sweep_file_gives_a_model_its_ablations(
    checkpoint: Path, items: Path, tmp_path: Path, command: Command
) -> None:
    sweep = tmp_path / "sweep.toml"
    entry = f'[[models]]\nmodel = "{checkpoint}"\nablation = ["other"]\nother_draws = 2\n'
    sweep.write_text(f'{entry}[[datasets]]\nfile = "{items}"\n')
    options = ("--out", tmp_path / "runs", "--ablation", "mean", "--dry-run", "--limit", 4)
    code, out, _ = command("--sweep", sweep, *options)
    assert code == 0
    assert "10 conditions each" in out
    assert "neither.other.2" in out
    assert "mean" not in out
    sweep.write_text(sweep.read_text().replace('"other"', '"othr"'))
    code, _, err = command("--sweep", sweep, *options)
    assert code == 2
    assert "`ablation[0]` should be one of noise, mean, other, blank, found 'othr'" in err


@pytest.mark.usefixtures("fresh_receipts")
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("language_only.other.1", "picture"),
        pytest.param("vision_only.other.1", "text", marks=pytest.mark.slow),
        pytest.param("neither.other.1", "picture", marks=pytest.mark.slow),
    ],
)
def test_the_receipt_sees_a_leak_under_further_conditions(
    run: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str
) -> None:
    right = Swaps.of

    def leaking(self: Swaps, planned: PlannedItem, condition: str) -> PlannedItem:
        return planned if condition == name else right(self, planned, condition)

    monkeypatch.setattr(Swaps, "of", leaking)
    with pytest.raises(ModelError, match=f"the model leaks: another {source} moves scores by .* nothing was measured"):
        run(dataset.first(4), tmp_path, layers="last", ablation=("other",), other_draws=1)
    assert not (tmp_path / "tiny__toy").exists()


@pytest.mark.slow
def test_killed_and_continued_runs_end_with_the_same_bytes(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    settings = {"layers": "1", "ablation": ALL, "other_draws": 2, "shard_size": 4}
    folder = run(dataset, tmp_path / "one", **settings).folder
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    replace(data.read_manifest(folder), finished=False).write(folder)
    (folder / "shard-00001.npz").unlink()
    assert run(dataset, tmp_path / "one", **settings).measured == 4
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    other = run(dataset, tmp_path / "two", **settings, workers=2).folder
    assert {path.name: path.read_bytes() for path in other.iterdir()} == whole


@pytest.mark.slow
def test_the_order_of_the_items_and_the_batches_change_nothing(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    settings = {"layers": "last", "ablation": ALL, "other_draws": 2}
    back = replace(dataset, items=dataset.items[::-1])
    one = data.read_run(run(dataset, tmp_path / "one", **settings).folder).arrays["loglik"]
    other = data.read_run(run(back, tmp_path / "two", **settings, batch_size=3, shard_size=5).folder).arrays["loglik"]
    np.testing.assert_allclose(other[::-1], one, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_candidates_of_several_tokens(run: Run, dataset: Dataset, tmp_path: Path, adapter: Adapter) -> None:
    """Every condition goes on from its own prompt: with and without shared prefixes the scores are the same."""
    plan = make_plan(adapter, dataset, "letters", "all")
    stats = measure(adapter, [plan.items], Batching(4), lambda _count: None)
    names = ("both", "vision_only", "language_only", "vision_only.mean", "neither.mean", "vision_only.other.1")
    swaps = Swaps(adapter, plan.items, "letters", "all", 0)
    measurement = with_long_letters(
        Measurement(adapter, plan.candidates, stats, 0, (1, 2, 3), conditions=names, swaps=swaps)
    )
    shared, alone = (replace(measurement, share_prefix=share).batch(plan.items[:4]) for share in (True, False))
    np.testing.assert_allclose(shared["loglik"], alone["loglik"], rtol=0, atol=1e-5)
