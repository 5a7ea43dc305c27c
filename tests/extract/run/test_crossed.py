"""Runs with crossed pairs: valid, resumed to the same bytes, planned by --dry-run, refused where they cannot be."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pid_lvlm import data
from pid_lvlm.data.contract.schema.receipt import CROSSED, FAILED, PASSED
from pid_lvlm.data.names import BOTH
from pid_lvlm.extract.config import Crossing, DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset, outline_dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.crossed_plan import crossed_pair, plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches, make_plan
from pid_lvlm.extract.run.contents.settled import is_settled
from pid_lvlm.extract.run.extract_run import Outcome
from pid_lvlm.extract.run.receipt.make import make_receipt
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan
from tests.extract.console import Command
from tests.extract.run.conftest import contents

Run = Callable[..., Outcome]
Rows = list[dict[str, Any]]
Write = Callable[[Rows], Path]


@pytest.fixture
def crossable(rows: Rows) -> Rows:
    """Ten items in two strata; each picture once in each."""
    return [{**row, "options": ["red", "green", "blue"][: 2 + i // 5], "image": f"picture-{i % 5}.png"} for i, row in enumerate(rows[:10])]  # fmt: skip  # noqa: E501


@pytest.fixture
def items(write_items: Write, crossable: Rows) -> Path:
    return write_items(crossable)


@pytest.fixture
def crossed_dataset(items: Path) -> Dataset:
    return load_dataset(DatasetSpec(items))


def test_a_run_is_valid_and_column_0_is_both(run: Run, crossed_dataset: Dataset, tmp_path: Path) -> None:
    folder = run(crossed_dataset, tmp_path / "runs", crossed=3).folder
    assert data.validate_run(folder) == []
    read = data.read_run(folder)
    assert read.crossed is not None
    assert read.manifest.crossed == {"pairs": 3, "within": "dataset"}
    assert read.crossed.loglik.shape == (10, 3, 3, 3)
    both = read.arrays["loglik"][:, read.manifest.conditions.index(BOTH)]
    np.testing.assert_array_equal(read.crossed.loglik[:, 0], both)
    assert (np.isfinite(read.crossed.loglik).sum(-1) == read.arrays["num_options"][:, None, None]).all()


def test_batches_change_nothing_and_a_resumed_run_ends_with_the_same_bytes(
    run: Run, crossed_dataset: Dataset, tmp_path: Path
) -> None:
    folder = run(crossed_dataset, tmp_path / "runs", crossed=3, layers="last").folder
    whole = contents(folder)
    one = data.read_run(folder).crossed
    other = data.read_run(run(crossed_dataset, tmp_path / "b", crossed=3, layers="last", batch_size=7, shard_size=9).folder).crossed  # fmt: skip  # noqa: E501
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.partner, other.partner)
    np.testing.assert_allclose(one.loglik, other.loglik, rtol=0, atol=2e-5)
    replace(data.read_manifest(folder), finished=False).write(folder)
    (folder / "shard-00000.npz").unlink()
    (folder / "shard-00002.npz").write_bytes(whole["shard-00002.npz"][:100])
    outcome = run(crossed_dataset, tmp_path / "runs", crossed=3, layers="last")
    assert data.read_run(folder).manifest.finished
    assert outcome.measured == 6
    assert contents(folder) == whole
    assert ", 3 questions per picture, in " in str(outcome)
    assert str(outcome).endswith(" passes/s)")


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_receipts")
def test_the_receipt_checks_pairs(
    run: Run, crossed_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(crossed_dataset, tmp_path / "runs", crossed=3, layers="last").folder
    receipt = data.read_manifest(folder).receipt
    assert receipt is not None
    assert CROSSED in receipt.names(PASSED)
    assert receipt.names(FAILED) == ()

    def another(subject: Any) -> Any:  # a limit that every difference is above, 0 too
        monkeypatch.setitem(LIMITS, "batch", dict.fromkeys(LIMITS["batch"], -1.0))
        receipt = make_receipt(subject)
        checks = {**receipt.checks, "batch": replace(receipt.checks["batch"], limit=1.0)}
        return replace(receipt, checks=checks)

    from pid_lvlm.extract.run.receipt.verdict import LIMITS

    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", another)
    with pytest.raises(
        ModelError, match=r"a crossed pair scores .* differently in a batch than alone, .*; nothing was"
    ):
        run(crossed_dataset, tmp_path / "other", crossed=3, layers="last")


def test_batches_keep_a_picture_together(adapter: Adapter, crossed_dataset: Dataset) -> None:
    plan = make_plan(adapter, crossed_dataset, "letters", "all")
    pairs = plan_crossed(adapter, crossed_dataset, plan, Crossing(4), seed=0).of(range(10))
    pictures = [pair.item.picture for pair in pairs]
    for rows, most in ((16, 2), (6, 5), (4, 10)):  # each of the five pictures has six pairs
        formed = batches(pairs, rows, by_picture=True)
        assert sorted(index for batch in formed for index in batch) == list(range(30))
        assert max(map(len, formed)) <= rows
        shared = [{pictures[index] for index in batch} for batch in formed]
        assert sum(map(len, shared)) <= most + 5
    longest = max(pair.length for pair in pairs)
    assert {len(batch) for batch in batches(pairs, 16, 1, by_picture=True)} == {1}
    for batch in batches(pairs, 16, 5 * longest, by_picture=True):
        assert len(batch) * max(pairs[index].length for index in batch) <= 5 * longest


def test_pairs_that_do_not_fit_are_halved(adapter: Adapter, crossed_dataset: Dataset) -> None:
    plan = make_plan(adapter, crossed_dataset, "letters", "all")
    pairs = plan_crossed(adapter, crossed_dataset, plan, Crossing(4), seed=0).of(range(10))

    def work(batch: Sequence[PlannedItem], _host: None) -> int:
        if len(batch) > 3:
            raise torch.OutOfMemoryError
        return len(batch)

    batching = Batching(16, by_picture=True)
    found = list(batching.each([pairs], lambda _batch: None, work))
    assert sorted(index for done in found for index in done.indices) == list(range(30))
    assert batching.rows == 3


def test_a_pair_that_is_too_long_names_both_items(
    adapter: Adapter, crossed_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(adapter, crossed_dataset, "letters", "all")
    first, *others = plan.items
    assert adapter.context is not None
    room = adapter.context - min(planned.tokens for planned in plan.items) - 1
    long = replace(plan, items=(replace(first, picture_tokens=room), *others))
    with pytest.raises(DatasetError) as caught:
        plan_crossed(adapter, crossed_dataset, long, Crossing(5), seed=0)
    assert "with the picture of item 'item-0', row 1, which --crossed asks about: its prompt has" in str(caught.value)
    assert str(caught.value).endswith("leave out --crossed")
    pair = crossed_pair(plan.items[0], plan.items[3])
    assert pair.item.id == "item-3 with the picture of item-0"
    assert (pair.item.picture, pair.prompt) == (plan.items[0].item.picture, plan.items[3].prompt)


def test_the_plan_of_a_run(adapter: Adapter, crossed_dataset: Dataset, tmp_path: Path) -> None:
    config = ExtractionConfig(tmp_path / "runs", crossed=4, batch_size=8, shard_size=4)
    text = describe_plan(adapter, ModelSpec("tiny"), crossed_dataset, config).text
    line = next(line for line in text.splitlines() if line.startswith("  crossed "))
    assert "40 pairs, 4 questions per picture: 30 passes on top of the 40 of the conditions" in line
    assert line.endswith("2 kB in the files")  # 40 pairs of 3 layers × 3 options × 4 bytes and an integer of 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--crossed", 0), "error: --crossed should be at least 2, found 0"),
        (("--crossed", 1), "error: --crossed should be at least 2, found 1"),
        (("--crossed", 10**12), "error: --crossed should be at most 1000, found 1000000000000"),
        (("--crossed", 2.5), "error: invalid value for '--crossed'"),
        (("--crossed", "nan"), "error: invalid value for '--crossed'"),
        (("--crossed", 3, "--crossed-within", "grup"), "error: --crossed-within: unknown value `grup`; did you mean"),
        (("--crossed", 6), "error: --crossed 6: `toy.jsonl` has only 5 items with 2 options, among"),
        (("--crossed", 3, "--crossed-within", "group"), "exchange questions over the dataset (without --"),
    ],
)  # fmt: skip
def test_values_that_are_refused(
    command: Command, items: Path, checkpoint: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    given = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", *options)
    code, out, err = command(*given)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_pairs_change_nothing_else(run: Run, crossed_dataset: Dataset, tmp_path: Path) -> None:
    with_pairs, without = (
        data.read_run(run(crossed_dataset, tmp_path / str(pairs), crossed=pairs).folder) for pairs in (3, None)
    )
    assert without.crossed is None
    assert with_pairs.manifest.recipe != without.manifest.recipe
    spec, outline = ModelSpec("tiny"), outline_dataset(DatasetSpec(Path("toy.jsonl")))
    for read, pairs in ((with_pairs, 3), (without, None)):
        config = ExtractionConfig(tmp_path, batch_size=4, shard_size=4, crossed=pairs)
        assert is_settled(read.folder, spec, outline, config)
        assert not is_settled(read.folder, spec, outline, replace(config, crossed=2))
        assert not is_settled(read.folder, spec, outline, replace(config, crossed=None if pairs else 3))
    for name, array in without.arrays.items():
        np.testing.assert_array_equal(array, with_pairs.arrays[name], err_msg=name)


@pytest.mark.slow
def test_a_sweep_says_it_for_each_model(command: Command, items: Path, checkpoint: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    entry = f'model = "{checkpoint}"\nlayers = "last"\n'
    sweep.write_text(f'[[models]]\n{entry}name = "with"\ncrossed = 2\n[[models]]\n{entry}name = "without"\n')
    given = ("--sweep", sweep, "--data", items, "--out", tmp_path / "runs", "--quiet")
    code, _, err = command(*given)
    assert code == 0, err
    pairs = {name: data.read_manifest(tmp_path / "runs" / f"{name}__toy").pairs for name in ("with", "without")}
    assert pairs == {"with": 2, "without": 0}
    code, _, err = command(*given, "--crossed", 3)
    assert code == 1
    assert "holds a run with other settings (crossed.pairs was None, now 3)" in err
    sweep.write_text(f"[[models]]\n{entry}crossed = 1\n")
    code, _, err = command(*given)
    assert code == 2
    assert "`crossed` should be at least 2, found 1" in err
