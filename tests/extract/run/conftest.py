"""A finished run of three shards that kept everything, measured once for each file of tests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import pinned, recorded_revision
from pid_lvlm.extract.run.extract_run import Outcome, extract_run
from pid_lvlm.extract.run.progress import Reporter

ExtractInto = Callable[..., tuple[Outcome, str]]


@pytest.fixture
def extract_into(
    adapter: Adapter, checkpoint: Path, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> ExtractInto:
    """What the command does once the model is loaded, and what it says."""

    def call(out: Path, keep: str | None = None, items: Dataset = dataset) -> tuple[Outcome, str]:
        spec = pinned(ModelSpec(str(checkpoint)))
        config = ExtractionConfig(out, layers="last", batch_size=4, shard_size=4, keep_items=keep)
        outcome = extract_run(adapter, spec, recorded_revision(spec), items, config, Reporter())
        return outcome, capsys.readouterr().err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished") / "runs"


@pytest.fixture
def finished_run(extract_into: ExtractInto, finished: Path, tmp_path: Path) -> Path:
    """A copy of its folder."""
    if not finished.exists():
        extract_into(finished)
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs" / "tiny__toy"


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of the files in a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
