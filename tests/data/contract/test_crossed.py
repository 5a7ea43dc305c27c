"""Crossed pairs of a run: both arrays are read back, every rule is told with its place, older runs have none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.names import CROSSED_ARRAYS, MANIFEST_FILE, shard_file
from tests.data.contract.test_run_folder import change_manifest, change_shard, put

N, PAIRS, LAYERS, OPTIONS = 8, 3, 2, 4
PARTNER, LOGLIK = CROSSED_ARRAYS


def arguments(**changes: Any) -> dict[str, Any]:
    """Eight items in two strata of four and three options, each picture with the questions of three of its stratum."""
    rng = np.random.default_rng(0)
    options = np.repeat([4, 3], N // 2)
    shifts = np.arange(N // 2)[:, None] + np.arange(PAIRS)
    partner = np.concatenate([shifts % (N // 2), shifts % (N // 2) + N // 2])
    both = np.log(rng.dirichlet(np.ones(OPTIONS), (N, LAYERS))).astype(np.float32)
    crossed = np.log(rng.dirichlet(np.ones(OPTIONS), (N, PAIRS, LAYERS))).astype(np.float32)
    both[options == 3, :, 3], crossed[options[partner] == 3, :, 3] = -np.inf, -np.inf
    crossed[:, 0] = both
    x = rng.normal(size=(N, 2))
    given = {"model": "m", "dataset": "d", "loglik": np.stack([both] * 3, axis=1), "x1": x, "x2": x}
    return given | {PARTNER: partner, LOGLIK: crossed} | changes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return data.write_run(tmp_path / "run", **arguments())


def split(folder: Path) -> None:
    """The run's samples in two shards, without checksums."""
    with np.load(folder / shard_file(0)) as archive:
        arrays = dict(archive)
    for index in range(2):
        rows = slice(index * N // 2, (index + 1) * N // 2)
        np.savez(folder / shard_file(index), **{name: array[rows] for name, array in arrays.items()})  # type: ignore[arg-type]
    change_manifest(folder, shard_size=N // 2, checksums={})


def test_pairs_are_read_back(run: Path) -> None:
    read = data.read_run(run)
    assert read.manifest.crossed == {"pairs": PAIRS, "within": "dataset"}
    assert read.crossed is not None
    assert read.crossed.pairs == PAIRS
    np.testing.assert_array_equal(read.crossed.partner, arguments()[PARTNER])
    np.testing.assert_array_equal(read.crossed.loglik, arguments()[LOGLIK])
    assert data.outline_run(run).pairs == PAIRS


def test_partners_count_over_all_shards(run: Path) -> None:
    split(run)
    assert data.validate_run(run) == []
    read = data.read_run(run)
    assert read.crossed is not None
    np.testing.assert_array_equal(read.crossed.partner, arguments()[PARTNER])


def test_a_part_of_a_run_has_no_pairs(run: Path) -> None:
    split(run)
    change_manifest(run, finished=False)
    assert data.read_run(run, allow_partial=True).crossed is not None
    (run / shard_file(0)).unlink()
    part = data.read_run(run, allow_partial=True)
    assert len(part) == N // 2
    assert part.crossed is None
    assert not set(CROSSED_ARRAYS) & set(part.arrays)
    assert data.outline_run(run, allow_partial=True).pairs == 0


def test_one_layer_needs_no_axis(tmp_path: Path) -> None:
    given = arguments()
    given |= {"loglik": given["loglik"][:, :, -1], LOGLIK: given[LOGLIK][:, :, -1]}
    read = data.read_run(data.write_run(tmp_path / "run", **given))
    assert read.crossed is not None
    assert read.crossed.loglik.shape == (N, PAIRS, 1, OPTIONS)


def without(folder: Path, *names: str) -> None:
    change_shard(folder, **dict.fromkeys(names))


def test_older_runs_have_none(run: Path) -> None:
    without(run, *CROSSED_ARRAYS)
    fields = json.loads((run / MANIFEST_FILE).read_text()) | {"schema_version": 4, "checksums": {}}
    del fields["crossed"]
    (run / MANIFEST_FILE).write_text(json.dumps(fields))
    read = data.read_run(run)
    assert read.crossed is None
    assert read.manifest.crossed == {}
    assert data.outline_run(run).pairs == 0


@pytest.mark.parametrize(
    ("changes", "array", "row", "said"),
    [
        ({PARTNER: put(N, 2, 1)}, PARTNER, 2, "is not the number of a sample, 0 to 7"),
        ({PARTNER: put(-1, 2, 1)}, PARTNER, 2, "is not the number of a sample"),
        ({PARTNER: put(3, 3, 1)}, PARTNER, 3, "names an item twice in one row"),
        ({PARTNER: put([2, 1, 3], 1)}, PARTNER, 1, "column 0 is not the item itself"),
        ({PARTNER: put(0, 1, 2)}, PARTNER, None, "asks the question of sample 0 4 times"),
        ({PARTNER: lambda x: x.astype(float)}, PARTNER, None, "expected integers"),
        ({PARTNER: lambda x: x[:, :2]}, PARTNER, None, "expected shape (8, 3) (n, m), found (8, 2)"),
        ({LOGLIK: lambda x: x[:, :2]}, LOGLIK, None, "expected shape (8, 3, 2, 4) (n, m, l, k)"),
        ({LOGLIK: put(np.nan, 4, 1, 0, 0)}, LOGLIK, 4, "NaN"),
        ({LOGLIK: put(np.inf, 4, 1, 0, 0)}, LOGLIK, 4, "infinity"),
        ({LOGLIK: put(0.5, 4, 1, 0, 0)}, LOGLIK, 4, "is positive"),
        ({LOGLIK: put(-1.0, 4, 1, 0, 3)}, LOGLIK, 4, "should be -inf exactly for the options that the asked"),
        ({LOGLIK: put(-np.inf, 0, 1, 0, 3)}, LOGLIK, 0, "should be -inf exactly"),
        ({LOGLIK: put(-0.25, 3, 0, 1, 1)}, LOGLIK, 3, "column 0 differs from `loglik` under 'both'"),
        ({LOGLIK: None}, LOGLIK, None, "missing"),
        ({PARTNER: None}, PARTNER, None, "missing"),
    ],
)
def test_every_broken_rule_names_array_and_row(
    run: Path, changes: dict[str, Any], array: str, row: int | None, said: str
) -> None:
    change_shard(run, **changes)
    change_manifest(run, checksums={})
    faults = data.validate_run(run)
    assert [(fault.file, fault.array, fault.row) for fault in faults] == [(shard_file(0), array, row)]
    assert said in str(faults[0])


def test_arrays_that_the_manifest_does_not_name(run: Path) -> None:
    change_manifest(run, crossed={}, checksums={})
    assert [fault.array for fault in data.validate_run(run)] == list(CROSSED_ARRAYS)


@pytest.mark.parametrize(
    "crossed",
    [{"pairs": 1, "within": "dataset"}, {"pairs": 2}, {"pairs": 2.0, "within": "d"}, {"pairs": True, "within": "d"},
     {"pairs": 2, "within": 3}, {"pairs": 2, "within": "d", "seed": 1}, {"pairs": 10**9, "within": "d"}, [], "8", None,
     {"pairs": 9, "within": "dataset"}],
)  # fmt: skip
def test_a_manifest_that_cannot_be(run: Path, crossed: Any) -> None:
    change_manifest(run, crossed=crossed)
    with pytest.raises(data.ContractError, match="`crossed"):
        data.read_manifest(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({PARTNER: None}, "argument `crossed_partner`: missing, but the other array"),
        ({LOGLIK: None}, "argument `crossed_loglik`: missing, but the other array"),
        ({PARTNER: "all"}, "argument `crossed_partner`: expected integers of shape (n, m)"),
        ({PARTNER: np.full((N, PAIRS), 0.5)}, "argument `crossed_partner`, row 0: expected integers, found 0.5"),
        ({PARTNER: np.arange(N)}, "argument `crossed_partner`: expected shape (n, m), found (8,)"),
        ({PARTNER: np.arange(N)[:, None]}, "`crossed` should give `pairs`"),
        ({PARTNER: np.zeros((N, 0), int)}, "`crossed` should give `pairs`"),
        ({PARTNER: np.zeros((3, PAIRS), int)}, "argument `crossed_partner`: expected shape (8, 3) (n, m)"),
        ({LOGLIK: np.zeros((N, PAIRS))}, "argument `crossed_loglik`: expected shape (n, m, k) or (n, m, l, k)"),
        ({LOGLIK: np.zeros((N, PAIRS, 1, OPTIONS))}, "argument `crossed_loglik`: expected shape (8, 3, 2, 4)"),
        ({PARTNER: np.zeros((N, PAIRS), int)}, "argument `crossed_partner`, row 1: column 0 is not the item itself"),
        ({"crossed": {"pairs": 3, "within": "dataset"}}, "`crossed`: follows from the arrays"),
    ],
)
def test_arguments_that_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(data.ContractError) as caught:
        data.write_run(tmp_path / "run", **arguments(**changes))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())
