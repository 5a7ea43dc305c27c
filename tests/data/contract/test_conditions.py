"""Conditions are a list that a run names: their names, runs that have further ones, and runs of before."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pid_lvlm import data
from pid_lvlm.data.contract.schema.conditions import Condition, ConditionNameError, ablated_conditions, parse_condition
from pid_lvlm.data.names import ABLATIONS, CONDITIONS, MANIFEST_FILE, SOURCES

N = 4
FURTHER = [condition.name for condition in ablated_conditions(ABLATIONS, draws=2)]


def scores(names: list[str], **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Scores of each condition, all different."""
    return {name: np.full(shapes.get(name, (N, 2, 3)), -1.0 - place, np.float32) for place, name in enumerate(names)}


def write(folder: Path, loglik: object) -> Path:
    return data.write_run(folder, model="m", dataset="d", loglik=loglik, x1=np.ones((N, 3)), x2=np.ones((N, 2)))


def test_names_and_what_they_ablate() -> None:
    assert [
        "neither.noise",
        *("vision_only.mean", "language_only.mean", "neither.mean"),
        *("vision_only.other.1", "language_only.other.1", "neither.other.1"),
        *("vision_only.other.2", "language_only.other.2", "neither.other.2"),
        *("vision_only.blank", "language_only.blank", "neither.blank"),
    ] == FURTHER
    assert all(parse_condition(name).name == name for name in (*CONDITIONS, *FURTHER))
    ablates = {name: parse_condition(name).ablates for name in ("both", "vision_only", "language_only.mean")}
    assert ablates == {"both": (), "vision_only": SOURCES[1:], "language_only.mean": SOURCES[:1]}
    assert parse_condition("neither.noise") == Condition("neither", "noise")
    assert parse_condition("neither.noise").ablates == SOURCES
    assert parse_condition("vision_only") == Condition("vision_only", "noise")
    assert parse_condition("vision_only.other") == parse_condition("vision_only.other.1")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "neither", "noise", "vision_only.", "vision_only.noise", "both.mean", "no_image.mean"),
        *("vision_only.other.0", "vision_only.other.01", "vision_only.other.x", "vision_only.other.-1"),
        *("vision_only.other.1001", "vision_only.other." + "9" * 9000, "vision_only.mean.1", "neither.other.²"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConditionNameError, match="unknown condition"):
        parse_condition(name)


@given(st.text(alphabet=[*"visonlyother.12\n"], max_size=40))
def test_whatever_is_read_is_written_alike(name: str) -> None:
    try:
        condition = parse_condition(name)
    except ConditionNameError:
        return
    assert condition == parse_condition(condition.name)


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(ConditionNameError, match=r"did you mean `vision_only\.mean`\? other conditions than both"):
        parse_condition("vision_only.maen")


def test_a_run_with_further_conditions_reads_back_in_its_own_order(tmp_path: Path) -> None:
    names = ["neither.mean", "both", "language_only", "vision_only.other.2", "vision_only"]
    given_scores = scores(names)
    run = data.read_run(write(tmp_path / "run", given_scores))
    assert run.manifest.conditions == ("both", "vision_only", "language_only", "neither.mean", "vision_only.other.2")
    for place, name in enumerate(run.manifest.conditions):
        assert (run.arrays["loglik"][:, place] == given_scores[name]).all()
    assert data.validate_run(tmp_path / "run") == []
    assert data.outline_run(tmp_path / "run").manifest == run.manifest


@pytest.mark.parametrize(
    ("loglik", "said"),
    [
        (scores(["both", "vision_only"]), "lacks 'language_only'"),
        (scores([*CONDITIONS, "vision_only.maen"]), "unknown condition `vision_only.maen`"),
        (scores([*CONDITIONS, "neither.other", "neither.other.1"]), "names a condition twice"),
        (scores(list(CONDITIONS), no_image=(N, 2, 2)), r"expected the shape of `both`, \(4, 2, 3\), found \(4, 2, 2\)"),
        (scores(list(CONDITIONS), both=(N,)), "expected shape"),
        (scores(list(CONDITIONS)) | {1: np.zeros((N, 3))}, "expected names of conditions, found 1"),
        (scores(list(CONDITIONS)) | {"vision_only.mean": "x"}, r'`loglik\["vision_only.mean"\]`: expected numbers'),
        ({}, "lacks 'both'"),
        (np.full((N, 5, 3), -1.0), "name further conditions in a mapping"),
    ],
)
def test_write_run_says_what_is_wrong(tmp_path: Path, loglik: object, said: str) -> None:
    with pytest.raises(data.RunArgumentsError, match=said):
        write(tmp_path / "run", loglik)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["vision_only", "both", "language_only", "no_image"], "should begin with those of"),
        (["both", "vision_only", "language_only", "both"], "names a condition twice"),
        (["both", "vision_only", "language_only", "neither.nose"], "did you mean `neither.noise`"),
        (["both", "vision_only", "neither.noise", "language_only"], "should begin with those of"),
    ],
)
def test_a_manifest_with_other_conditions_is_refused(tmp_path: Path, conditions: list[str], said: str) -> None:
    folder = write(tmp_path / "run", np.full((N, 4, 3), -1.0))
    assert data.read_run(folder).manifest.conditions == CONDITIONS
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"conditions": conditions}))
    with pytest.raises(data.ContractError, match=said):
        data.read_run(folder)
