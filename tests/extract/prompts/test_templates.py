"""Prompts in full. A change of the wording must show up here, since it changes every number."""

from pathlib import Path

import pytest

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.prompts.templates import TEMPLATES, get_template
from tests.extract.datasets.benchmarks import files

OPTIONS = ("a cat", "None", "both A and B")
HINTED = Item("1", "g", b"", "What is it?", OPTIONS, hint="Look twice.\nThen think.", raw="stored")
GAP = Item("2", "g", b"", "Which?", ("left", "right"), given_letters="AD", raw="Which? (A) left (D) right")

LETTERS = "Answer with the option's letter from the given choices directly."
PAPER = (
    "Please select the correct answer from the options above. "
    "You must answer with the letter of the correct option only."
)
HINT = "Look twice.\nThen think.\n"
BODY = "What is it?\nA. a cat\nB. None\nC. both A and B"

SNAPSHOTS = {
    "letters": (f"{HINT}{BODY}\n{LETTERS}", f"Which?\nA. left\nD. right\n{LETTERS}"),
    "paper": (f"{HINT}{BODY}\n{PAPER}", f"Which?\nA. left\nD. right\n{PAPER}"),
    "plain": (f"{HINT}{BODY}", "Which?\nA. left\nD. right"),
    "vlmeval": (
        "Hint: Look twice.\nThen think.\nQuestion: What is it?\nOptions:\nA. a cat\nB. None\nC. both A and B\n"
        "Please select the correct answer from the options above. \n",
        "Question: Which?\nOptions:\nA. left\nD. right\nPlease select the correct answer from the options above. \n",
    ),
    "raw": ("stored", "Which? (A) left (D) right"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_in_full(name: str) -> None:
    assert tuple(get_template(name)(item).full for item in (HINTED, GAP)) == SNAPSHOTS[name]


def test_the_question_and_its_options_are_a_part_of_their_own() -> None:
    for name in ("letters", "paper", "plain"):
        assert get_template(name)(HINTED).core == BODY


def test_a_stored_prompt_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="`raw` needs items that have a prompt, but item 'x' has none"):
        get_template("raw")(Item("x", "g", b"", "What?", ("a", "b")))


def prompt(name: str, path: Path) -> str:
    dataset = load_dataset(DatasetSpec(path, benchmark=name), limit=1)
    return get_template(dataset.prompt or "letters")(dataset.items[0]).full


def test_the_papers_benchmarks_in_full(tmp_path: Path) -> None:
    mmbench = files.write_mmbench(tmp_path / "mmbench.tsv", files.mmbench_rows(two=1, three=0, four=0, fixed_d=0))
    pope = files.write_jsonl(tmp_path / "pope.json", files.pope_rows(1))
    reefknot = files.write_jsonl(tmp_path / "reefknot.jsonl", files.reefknot_rows(cognitive=0))
    pmc = files.write_pmc(tmp_path / "pmc.csv", files.pmc_rows(1))
    files.write_pictures(tmp_path, ["COCO_val2014_000000000042.jpg", "VG_100K/2300000.jpg", "PMC0_F1.jpg"])
    assert prompt("mmbench", mmbench) == (
        'The passage says:\n"look twice"\tand think.\nWhat is shown, number 0?\nA. thing 0 0\nB. thing 0 1\n' + PAPER
    )
    assert prompt("pope-random", pope) == "Is there a chair 0 in the image?\nA. Yes\nB. No\n" + PAPER
    assert prompt("reefknot", reefknot) == (
        "What is the relation with man and tree in this photo?\nA. relation0\nB. away\nC. onto\nD. round\n" + PAPER
    )
    assert prompt("pmc-vqa", pmc) == (
        "What is seen in figure 0?\nA. finding 0, 0\nB. finding 0, 1\nC. finding 0, 2\nD. finding 0, 3\n" + PAPER
    )


def test_every_benchmark_asks_for_a_template_that_exists() -> None:
    assert {benchmark.prompt for benchmark in BENCHMARKS.values()} <= set(TEMPLATES)
