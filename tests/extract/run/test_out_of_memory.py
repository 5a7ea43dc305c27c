"""A batch that does not fit into memory is halved, the smaller size is remembered, and nothing is lost or doubled."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch

from pid_lvlm import data
from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.batching import Batching, out_of_memory
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import batches, make_plan
from pid_lvlm.extract.run.extract_run import Outcome, extract_run, model_batching
from pid_lvlm.extract.run.progress import Advance, Reporter, Work
from tests.extract.run.conftest import contents

Extract = Callable[..., Outcome]
Limit = Callable[..., list[int]]

DEVICE = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
HOST = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
BLAS = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


class Recorder(Reporter):
    """Keeps what it is told: notes, and of each piece of work its total and the steps."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.notes: list[str] = []
        self.works: list[tuple[int, list[int]]] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    @contextmanager
    def tasks(self, works: Sequence[Work], left: int | None = None) -> Iterator[list[Advance]]:
        del left
        steps: list[list[int]] = [[] for _ in works]
        self.works += [(work.total, taken) for work, taken in zip(works, steps, strict=True)]
        yield [taken.append for taken in steps]


@pytest.fixture
def limit(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Let passes over more than so many rows fail; returns the rows of those that did.

    The traceback of an error holds the tensors of every frame that it went through: they must be gone by the next pass.
    """

    def limited(most: int, error: Exception = DEVICE) -> list[int]:
        failed: list[int] = []
        held: list[ref[torch.Tensor]] = []
        forward = type(adapter).forward

        def refuse(self: Adapter, inputs: dict[str, Any], keep: int) -> torch.Tensor:
            assert all(tensor() is None for tensor in held)
            rows = len(inputs["input_ids"])
            if rows > most:
                failed.append(rows)
                held.append(ref(inputs["input_ids"]))
                raise type(error)(*error.args)
            return forward(self, inputs, keep)

        monkeypatch.setattr(type(adapter), "forward", refuse)
        return failed

    return limited


@pytest.fixture
def recorded(adapter: Adapter, checkpoint: Path) -> Callable[..., tuple[Outcome, Recorder]]:
    """Extract a dataset with the tiny model in batches of 8; keyword arguments are settings."""

    def extract(
        dataset: Dataset, out: Path, batching: Batching | None = None, **settings: Any
    ) -> tuple[Outcome, Recorder]:
        recorder = Recorder()
        config = ExtractionConfig(out, **{"batch_size": 8, "shard_size": 6, "layers": "last", **settings})
        return extract_run(adapter, ModelSpec(str(checkpoint)), "r1", dataset, config, recorder, batching), recorder

    return extract


@pytest.mark.parametrize("error", [DEVICE, pytest.param(HOST, marks=pytest.mark.slow)], ids=["device", "host"])
def test_a_run_goes_on_with_smaller_batches(
    run: Extract, recorded: Callable[..., Any], dataset: Dataset, tmp_path: Path, limit: Limit, error: Exception
) -> None:
    expected = contents(run(dataset, tmp_path / "small", batch_size=2, shard_size=8, layers="last").folder)
    failed = limit(2, error)
    outcome, recorder = recorded(dataset, tmp_path / "halved", shard_size=8)
    assert failed == [8, 4]  # once each: the smaller size holds for both passes and for every shard
    assert data.validate_run(outcome.folder) == []
    assert data.read_manifest(outcome.folder).finished
    assert contents(outcome.folder) == expected  # memory ran out before the first of the passes that count
    assert [(total, sum(steps), max(steps)) for total, steps in recorder.works if total == 11] == [(11, 11, 2)] * 2
    said = [note for note in recorder.notes if "memory" in note]
    assert len(said) == 1
    assert said[0].startswith("tiny: out of memory at batches of 8 samples of up to ")
    assert said[0].endswith("; continuing with at most 2 per batch (--batch-size 2 starts there)")


def test_memory_that_runs_out_in_the_second_pass_only(
    run: Extract, recorded: Callable[..., Any], dataset: Dataset, tmp_path: Path, limit: Limit
) -> None:
    """A run begun elsewhere: its statistics are read, and the first shard meets the limit."""
    settings = {"shard_size": 6, "layers": "last", "letters": "plain"}  # letters of one spelling need no calibration
    whole = run(dataset, tmp_path / "runs", batch_size=2, **settings).folder
    before = data.read_run(whole).arrays["loglik"]
    (whole / "shard-00000.npz").unlink()
    failed = limit(3)
    outcome, recorder = recorded(dataset, tmp_path / "runs", **settings)
    assert (outcome.measured, recorder.works[-1][1]) == (6, [3, 3])
    assert failed == [6]
    np.testing.assert_allclose(data.read_run(whole).arrays["loglik"], before, atol=2e-5)


def test_memory_that_runs_out_while_processes_prepare_batches(
    run: Extract, recorded: Callable[..., Any], dataset: Dataset, tmp_path: Path, limit: Limit
) -> None:
    settings = {"shard_size": 6, "layers": "last", "letters": "plain"}
    expected = data.read_run(run(dataset, tmp_path / "small", batch_size=2, **settings).folder).arrays["loglik"]
    failed = limit(2)
    outcome, recorder = recorded(dataset, tmp_path / "halved", batch_size=3, workers=2, **settings)
    assert failed == [3]
    assert recorder.works[-1][1] == [1] * 11
    np.testing.assert_allclose(data.read_run(outcome.folder).arrays["loglik"], expected, atol=2e-5)


@pytest.mark.slow
def test_a_model_remembers_what_fits(
    adapter: Adapter, recorded: Callable[..., Any], dataset: Dataset, tmp_path: Path, checkpoint: Path, limit: Limit
) -> None:
    recorder = Recorder()
    config = ExtractionConfig(tmp_path, batch_size=8)
    batching = model_batching(adapter, ModelSpec(str(checkpoint)), config, recorder)
    failed = limit(3)
    recorded(dataset, tmp_path / "a", batching, shard_size=8)
    assert failed == [8, 4]
    recorded(dataset, tmp_path / "b", batching, shard_size=8)
    assert failed == [8, 4]
    assert len(recorder.notes) == 1


def test_one_sample_that_does_not_fit_ends_the_run(
    recorded: Callable[..., Any], dataset: Dataset, tmp_path: Path, limit: Limit
) -> None:
    failed = limit(0)
    with pytest.raises(PidError, match="out of memory at batch size 1; try --dtype bfloat16"):
        recorded(dataset, tmp_path)
    assert failed == [1]


def test_a_budget_of_tokens_is_halved_where_there_is_one(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    notes: list[str] = []
    batching = Batching(64, 1000, note=notes.append)

    def work(batch: Any, _prepared: None) -> int:
        if len(batch) * max(item.length for item in batch) > 500:
            raise torch.OutOfMemoryError
        return len(batch)

    found = list(batching.each([items], lambda _batch: None, work))
    assert sorted(index for done in found for index in done.indices) == list(range(len(items)))
    assert batching.tokens is not None
    assert 250 < batching.tokens <= 500
    assert batching.rows == 64
    assert notes == [notes[0]]
    assert notes[0].endswith(
        f"continuing with at most {batching.tokens} tokens per batch (--batch-tokens {batching.tokens} starts there)"
    )


def test_other_errors_are_not_taken_for_it() -> None:
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("CUDA out of memory."))
    assert out_of_memory(MemoryError())
    assert out_of_memory(BLAS)
    said = PidError("the model stops in its first pass")
    said.__cause__ = HOST
    assert out_of_memory(said)


def test_batches_keep_to_both_limits(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    lengths = [planned.length for planned in items]
    assert all(planned.picture_tokens == 4 and planned.length == planned.tokens + 3 for planned in items)
    mixed = [replace(planned, picture_tokens=(4, 900)[i % 2]) for i, planned in enumerate(items)]
    assert [{index % 2 for index in batch} for batch in batches(mixed, 5)] == [{1}, {0}, {0}]
    budget = 3 * min(lengths)
    formed = batches(items, 4, budget)
    assert sorted(index for batch in formed for index in batch) == list(range(len(items)))
    assert all(len(batch) * max(lengths[i] for i in batch) <= budget for batch in formed if len(batch) > 1)
    assert max(map(len, formed)) > 1
    assert batches(items, 64, 1) == [(index,) for batch in batches(items, 64) for index in batch]
