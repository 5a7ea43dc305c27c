"""Accuracy as the paper counts it, and by the best option."""

from dataclasses import replace

import numpy as np
import pytest

from pid_jax.problems.accuracy import accuracy_columns, circular_accuracy, strict_accuracy
from pid_lvlm import data
from pid_lvlm.data import Run


@pytest.fixture
def run(tmp_path) -> Run:
    """Six items, four conditions, two layers, and the first token that a model said."""
    rng = np.random.default_rng(0)
    loglik = np.log(rng.dirichlet(np.ones(3), size=(6, 4, 2)))
    folder = data.write_run(
        tmp_path / "run",
        model="m",
        dataset="d",
        loglik=loglik,
        x1=rng.normal(size=(6, 2)),
        x2=rng.normal(size=(6, 2)),
        label=[0, 1, 2, 1, -1, 0],
    )
    return data.read_run(folder)


def said(run: Run, both: list[str], no_image: list[str], **more: np.ndarray) -> Run:
    texts = np.stack([np.array(both), np.array(["A"] * 6), np.array(["A"] * 6), np.array(no_image)], axis=1)
    return replace(run, arrays={**run.arrays, "first_token_text": texts, **more})


def test_first_token_lower_cased_without_punctuation(run):
    """Five items have a right answer: A B C B . A."""
    spoken = said(run, [" a", "B.", "(c)", "Banana", "D", "\n"], ["A"] * 6)
    assert strict_accuracy(spoken, "both") == pytest.approx(3 / 5)
    assert strict_accuracy(spoken, "no_image") == pytest.approx(2 / 5)
    columns = accuracy_columns(spoken, 2)
    assert columns["accuracy_strict"] == pytest.approx(3 / 5)
    assert columns["accuracy_strict_no_image"] == pytest.approx(2 / 5)
    assert accuracy_columns(spoken, 1)["accuracy_strict_no_image"] is None  # tokens are said at the output only


def test_options_keep_their_letters_across_a_gap(run):
    letters = np.array(["ABC", "ABD", "ABD", "ACD", "ABC", "BCD"])
    spoken = said(run, ["A", "B", "D", "C", "x", "B"], ["A", "B", "C", "B", "x", "A"], letters=letters)
    assert strict_accuracy(spoken, "both") == 1
    assert strict_accuracy(spoken, "no_image") == pytest.approx(2 / 5)


def test_best_option_against_a_plain_count(run):
    columns = accuracy_columns(run, 1)
    best = run.arrays["loglik"][:, [0, 3], 0].argmax(axis=-1)
    right = (best == run.arrays["label"][:, None])[run.arrays["label"] >= 0].mean(axis=0)
    assert columns["accuracy"] == pytest.approx(right[0])
    assert columns["accuracy_no_image"] == pytest.approx(right[1])
    assert columns["d_vision"] == pytest.approx(right[0] - right[1])
    assert columns["accuracy_strict"] is None


def rotated(run: Run, chosen: list[int], **arrays: list) -> Run:
    """The run with given best options under `both` at the last layer, and rotations of questions."""
    loglik = run.arrays["loglik"].copy()
    loglik[:, 0, 1] = np.where(np.eye(3)[chosen] > 0, -0.1, -5)
    new = {name: np.array(values) for name, values in arrays.items()}
    return replace(run, arrays={**run.arrays, "loglik": loglik, "label": np.zeros(6, int), **new})


def test_a_question_is_right_only_if_all_its_rotations_are(run):
    """Question p is right twice, q once of two, r twice; four of six rows, plus one, are right."""
    turned = rotated(run, [0, 0, 1, 0, 0, 0], rotation_of=["p", "q", "q", "p", "r", "r"], rotations=[2] * 6)
    columns = accuracy_columns(turned, 2)
    assert columns["accuracy"] == pytest.approx(5 / 6)
    assert columns["accuracy_circular"] == pytest.approx(2 / 3)
    assert accuracy_columns(turned, 1)["accuracy_circular"] != pytest.approx(2 / 3)


def test_questions_with_a_missing_rotation_do_not_count(run):
    """r has a third row that is not in the run, s an unknown answer: only p and q are left."""
    names = ["p", "q", "r", "r", "s", "s"]
    turned = rotated(run, [0, 1, 0, 0, 0, 0], rotation_of=names, rotations=[1, 1, 3, 3, 2, 2], label=[0] * 5 + [-1])
    assert circular_accuracy(turned, 2) == pytest.approx(1 / 2)
    cut = rotated(run, [0] * 6, rotation_of=names, rotations=[4] * 6)
    assert circular_accuracy(cut, 2) is None


def test_groups_alone_are_no_rotations(run):
    """POPE asks six questions about an image: the group is the image, and no question has reordered options."""
    pictures = replace(run, arrays={**run.arrays, "group_id": np.array(["picture"] * 6)})
    assert accuracy_columns(pictures, 2)["accuracy_circular"] is None


def test_nothing_to_count(run):
    unknown = replace(run, arrays={**run.arrays, "label": np.full(6, -1)})
    assert set(accuracy_columns(said(unknown, ["A"] * 6, ["A"] * 6), 2).values()) == {None}
    three = replace(run, manifest=replace(run.manifest, conditions=run.manifest.conditions[:3]))
    assert strict_accuracy(said(three, ["A"] * 6, ["A"] * 6), "no_image") is None
