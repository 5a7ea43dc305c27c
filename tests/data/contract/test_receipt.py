"""The receipt in the manifest: read as it was written, absent in older runs, never one that failed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.contract.schema.receipt import CHECKS, FAILED, NOT_CHECKED, PASSED, Check, Receipt

RECEIPT = Receipt(
    ("a", "two words"),
    2,
    {
        "leak_picture": Check(0.0, 0.0, visible=1.2),
        "leak_text": Check(reason="another text does not change what the model answers", visible=0.0),
        "batch": Check(2.4e-6, 1e-3),
    },
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scores = np.log(np.full((4, 3, 2), 0.5))
    return data.write_run(
        tmp_path / "run", model="m", dataset="d", loglik=scores, x1=np.ones((4, 2)), x2=np.ones((4, 2))
    )


def change(folder: Path, receipt: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"receipt": receipt}))


def test_a_receipt_is_read_as_it_was_written(folder: Path) -> None:
    assert data.read_manifest(folder).receipt is None
    replace(data.read_manifest(folder), receipt=RECEIPT).write(folder)
    assert data.read_manifest(folder).receipt == RECEIPT
    assert data.validate_run(folder) == []


def test_a_run_without_the_field_is_read(folder: Path) -> None:
    path = folder / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["receipt"]
    path.write_text(json.dumps(fields))
    assert data.read_manifest(folder).receipt is None


@pytest.mark.parametrize(
    ("found", "result"), [(0.0, PASSED), (1e-3, PASSED), (2e-3, FAILED), (float("nan"), FAILED), (None, NOT_CHECKED)]
)
def test_results(found: float | None, result: str) -> None:
    assert Check(found, 1e-3).result == result


def test_one_line_says_what_was_found() -> None:
    assert str(RECEIPT) == (
        "2 checks passed on 2 items (leak_picture 0, batch 2.4e-06); leak_text not checked (another text does not "
        "change what the model answers)"
    )


@pytest.mark.parametrize(
    ("receipt", "said"),
    [
        (
            {"items": ["a"], "batch_size": 1, "checks": {"lens": {"found": 2.0, "limit": 1.0}}},
            "the check 'lens' failed",
        ),
        ({"items": ["a"], "batch_size": 1, "checks": {"lense": {}}}, "names the check 'lense'; known are leak_picture"),
        ({"items": ["a"], "batch_size": 0}, "`receipt.batch_size` should be at least 1"),
        ({"items": ["a"], "batch_size": 1, "checks": {"lens": {"found": -1.0}}}, "should be at least 0"),
        ({"items": ["a"], "batch_size": 1, "more": 1}, "unknown key `receipt.more`"),
        ([], "`receipt` should be named values"),
    ],
)
def test_a_receipt_that_cannot_be_is_a_fault(folder: Path, receipt: Any, said: str) -> None:
    change(folder, receipt)
    with pytest.raises(data.ContractError) as caught:
        data.read_manifest(folder)
    assert said in str(caught.value)


def test_every_check_has_words() -> None:
    assert set(RECEIPT.checks) < set(CHECKS)
