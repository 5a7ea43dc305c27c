"""The command line of the trainer, and the tokenizer it builds."""

import subprocess
import sys
import tomllib

import pytest

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
from transformers import AutoModelForImageTextToText, AutoProcessor

from pid_lvlm.extract.training.__main__ import main
from pid_lvlm.extract.training.demo.llava import MARKS
from pid_lvlm.extract.training.demo.tokenizer import build_tokenizer


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["pid_lvlm.extract.training", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return call


@pytest.mark.slow
def test_quick_run_makes_a_whole_demo(tmp_path, run):
    code, errors = run("--out", tmp_path / "demo", "--model", "demo-qwen2-vl-tiny", "--quick")
    assert code == 0, errors
    entries = tomllib.loads((tmp_path / "demo" / "checkpoints.toml").read_text())["checkpoint"]
    assert [(entry["stage"], entry["step"], entry["final"]) for entry in entries] == [
        ("align", 1, False),
        ("align", 2, False),
        ("tune", 1, False),
        ("tune", 2, True),
    ]
    assert not list((tmp_path / "demo").glob(".training"))
    assert (tmp_path / "demo" / "training" / "qwen2-vl-tiny" / "losses.jsonl").is_file()
    folder = tmp_path / "demo" / entries[-1]["model"]
    AutoProcessor.from_pretrained(folder)
    AutoModelForImageTextToText.from_pretrained(folder)
    assert str(tmp_path) not in "".join(path.read_text() for path in folder.glob("*.json"))


def test_a_users_mistake_is_one_sentence(tmp_path, run):
    (tmp_path / "precious.txt").write_text("keep")
    for arguments, words in (
        (("--out", tmp_path), "is not a demo folder"),
        (
            ("--out", tmp_path / "x", "--model", "huge"),
            "--model: unknown value `huge`; known are demo-llava-small, demo-llava-tiny",
        ),
    ):
        code, errors = run(*arguments)
        assert code == 2
        assert words in errors
        assert "Traceback" not in errors
    assert (tmp_path / "precious.txt").read_text() == "keep"


def test_help_ends_with_an_example():
    command = [sys.executable, "-m", "pid_lvlm.extract.training", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "python -m pid_lvlm.extract.training --out" in done.stdout.split("Example:")[1]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(["what colour is it? A. red"], MARKS)


def test_words_are_tokens_and_the_rest_is_spelled(tokenizer):
    assert tokenizer.tokenize("what colour? A. red") == ["what", "colour", "?", "A", ".", "red"]
    assert tokenizer.tokenize("whale") == ["w", "##h", "##a", "##l", "##e"]
    ids = tokenizer("what colour is a whale? A. red")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "what colour is a whale? A. red"
    assert ids[0] == tokenizer.bos_token_id


def test_the_picture_mark_is_one_token(tokenizer):
    assert tokenizer.tokenize("USER: <image>\nred") == ["USER", ":", "<image>", "red"]
