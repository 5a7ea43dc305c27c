"""The plan of a run: what would be measured, whether it is enough, and what is already there."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm import data
from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.datasets.row_counts import describe_enough_rows
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.run.extract_run import Outcome
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan

Rows = list[dict[str, Any]]
Write = Callable[[Rows], Path]


def test_every_letter_and_the_rows_an_estimate_needs(
    adapter: Adapter, write_items: Write, rows: Rows, tmp_path: Path
) -> None:
    nine = [{**{k: v for k, v in row.items() if k != "options"}, **{c: f"w{c}" for c in "ABCDEFGHI"}} for row in rows]
    dataset = load_dataset(DatasetSpec(write_items(nine)))
    assert {item.options[-1] for item in dataset.items} == {"wI"}
    text = describe_plan(adapter, ModelSpec("tiny"), dataset, ExtractionConfig(tmp_path / "runs")).text
    assert ", H 43, I 44" in text
    few = "estimate    11 rows are too few: the estimate needs at least 342 rows: 75% of the rows train the coupling"
    assert few in text


def test_what_is_already_there(adapter: Adapter, run: Callable[..., Outcome], dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "runs"

    def found(**settings: Any) -> str:
        config = ExtractionConfig(out, **{"shard_size": 4, "layers": "last", **settings})
        text = describe_plan(adapter, ModelSpec("tiny"), dataset, config).text
        return re.search(r"^  found       (.*)$", text, re.MULTILINE)[1]  # type: ignore[index]

    assert found() == "nothing yet"
    folder = run(dataset, out, layers="last").folder
    assert found() == "complete; the run would be skipped"
    assert found(seed=5) == (
        f"refused: `{folder}` holds a run with other settings (noise_seed was 0, now 5); choose another "
        "--out or delete that folder"
    )
    separator = data.read_manifest(folder).candidates["separator"]
    assert found(letters="space" if separator else "plain") == "complete; the run would be skipped"
    other = "plain" if separator else "space"
    assert "holds a run with other settings (candidates.separator was" in found(letters=other)
    with pytest.raises(OutputExistsError, match=r"other settings \(candidates.separator was"):
        run(dataset, out, layers="last", letters=other)
    (folder / "shard-00001.npz").unlink()
    assert found() == "2 of 3 files (7 of 11 samples); the run would continue"  # although the manifest says finished
    replace(data.read_manifest(folder), finished=False).write(folder)
    assert found() == "2 of 3 files (7 of 11 samples); the run would continue"
    (folder / "manifest.json").unlink()
    assert found().startswith(f"refused: `{folder}` exists and is not a run folder")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (341, "341 rows are too few: the estimate needs at least 342 rows"),
        (342, "342 rows are enough; --preset paper needs at least 1021"),
        (1021, "1021 rows are enough"),
    ],
)
def test_enough_rows(rows: int, text: str) -> None:
    assert describe_enough_rows(rows).partition(": 75%")[0] == text
