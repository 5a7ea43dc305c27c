"""The losses of trainings: what is read, whose they are, and what is refused in one sentence."""

import json

import pytest

from pid_lvlm.analysis import LossesError, read_losses
from pid_lvlm.analysis.frames import losses as module
from pid_lvlm.analysis.frames.losses import LOSS_SCHEMA, check_models
from pid_lvlm.data.bounds import Bound

ROW = {"stage": "align", "step": 1, "loss": 2.0, "held_out_loss": None, "learning_rate": 1e-3, "grad_norm": 1.0}


@pytest.fixture
def training(tmp_path):
    """Write the folder of a training: its rows, or any bytes, and what is beside them."""

    def make(content, beside='{"recipe": {"name": "tiny"}}', folder="training"):
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content).encode()
        (out / "losses.jsonl").write_bytes(content)
        if beside is not None:
            (out / "training.json").write_text(beside)
        return out / "losses.jsonl"

    return make


def test_rows_are_in_the_order_of_the_training_under_the_name_of_the_recipe(training):
    rows = [ROW | {"step": 2}, ROW, ROW | {"stage": "tune", "held_out_loss": 1.5, "later": "key"}]
    found = read_losses(training(rows))
    assert dict(found.schema) == LOSS_SCHEMA
    assert found.select("model", "stage", "step", "held_out_loss").rows() == [
        ("tiny", "align", 1, None),
        ("tiny", "align", 2, None),
        ("tiny", "tune", 1, 1.5),
    ]


def test_a_folder_or_a_name_will_do(training):
    path = training([ROW], beside=None)
    assert read_losses(f"a=b={path}".removeprefix("a="))["model"].to_list() == ["b"]
    training([ROW])
    assert read_losses(path.parent, f"other={path.parent}")["model"].to_list() == ["tiny", "other"]
    assert read_losses().is_empty()


def test_half_a_row_of_a_running_training_is_passed_over(training):
    whole = json.dumps(ROW)
    assert read_losses(training(f"{whole}\n{whole[:20]}".encode())).height == 1
    assert read_losses(training(f"{whole}\n\n{json.dumps(ROW | {'step': 2})}".encode())).height == 2


def changed(**values):
    return json.dumps(ROW | values).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"not JSON\n", "line 1: is not JSON"),
        (b"[1]\n", r"line 1: expected named values, found \[1\]"),
        (b"\xff\xfe\n", "is not UTF-8"),
        (b'{"stage": "a", "step": 1}\n', "line 1: `loss` is missing"),
        (changed(loss=float("nan")), "line 1: contains NaN.*as `loss`"),
        (changed(held_out_loss=float("inf")), "line 1: contains Infinity"),
        (changed(loss=-1), "line 1: `loss` should be at least 0.0, found -1"),
        (changed(loss="2"), "line 1: `loss` should be a number, found '2'"),
        (changed(step=1.5), "line 1: `step` should be an integer, found 1.5"),
        (changed(step=10**30), "line 1: `step` should be"),
        (changed(stage="s" * 1001), "line 1: `stage` should be at most 1000 characters"),
        (changed() + changed(), "line 2: step 1 of stage `align` occurs twice"),
        (b'{"step": 1, "step": 2}\n', "line 1: has the key 'step' twice"),
        (b"PAR1\x00\x00PAR1\n", "line 1: is not JSON"),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(training, content, message):
    with pytest.raises(LossesError, match=message) as raised:
        read_losses(training(content))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        (None, r"no training.json next to it.*--losses NAME=losses.jsonl"),
        ("{", "is not JSON.*--losses NAME="),
        ("[]", "expected the model's name as `recipe.name`, found None"),
        ('{"recipe": {"name": 3}}', "found 3"),
        ('{"recipe": {"name": ""}}', "found ''"),
    ],
)
def test_losses_that_do_not_say_whose_they_are(training, beside, message):
    with pytest.raises(LossesError, match=message):
        read_losses(training([ROW], beside=beside))


def test_what_is_no_file_or_too_large_or_there_twice(training, tmp_path, monkeypatch):
    path = training([ROW])
    for given in (tmp_path / "nothing.jsonl", f"a={tmp_path}/nothing.jsonl", "x" * 10_000, f"a={'x' * 10_000}"):
        with pytest.raises(LossesError, match="no such file|cannot be read"):
            read_losses(given)
    with pytest.raises(LossesError, match="expected NAME=FILE"):
        read_losses(f"={path}")
    with pytest.raises(LossesError, match="belongs to the model `tiny`, as does another file"):
        read_losses(path, path.parent)
    monkeypatch.setattr(module, "LOSSES_FILE", Bound(10, "bytes", "a file"))
    with pytest.raises(LossesError, match="has more than 10 bytes"):
        read_losses(path)


def test_losses_of_a_model_that_the_tables_do_not_have(training, make_row, make_frame):
    losses = read_losses(training([ROW]))
    check_models(losses, make_frame([make_row(model="tiny")]))
    with pytest.raises(LossesError, match=r"no model `tiny`; did you mean `tiny-1`\?"):
        check_models(losses, make_frame([make_row(model="tiny-1")]))
