"""Which names are those of the paper's models and datasets, and which only look like them."""

import pytest

from pid_lvlm.analysis import paper
from pid_lvlm.analysis.paper.match import in_paper


@pytest.mark.parametrize("row", paper.models().to_dicts(), ids=lambda row: row["model"])
def test_a_model_is_found_by_every_name_of_its_own(row: dict) -> None:
    named = row["named"] != "candidate"
    names = [row["model"], row["hub_id"], row["read_from"], *(row["also"] or "").split("|")]
    for name in filter(None, names):
        for form in (name, name.upper(), name.replace("-", "_"), name.rpartition("/")[2]):
            assert paper.model_in_paper(form) == (row["model"] if named else None), form


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen2-VL-7B",  # the base model
        "meta-llama/Llama-3.2-11B-Vision",
        "OpenGVLab/InternVL3-8B-Instruct",
        "OpenGVLab/InternVL2_5-8B-MPO-hf",
        "Qwen/Qwen2.5-VL-7B-Instruct-AWQ",
        "someone/Qwen2.5-VL-7B-Instruct",
        "llava-v1.5-7b-lora",
        "Qwen2.5-VL-32B-Instruct",
        "",
        "/",
    ],
)
def test_other_weights_are_other_models(name: str) -> None:
    assert paper.model_in_paper(name) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mmbench", "MMBench"),
        ("MMBench_DEV_EN", "MMBench"),
        ("pope-adversarial", "POPE"),
        ("coco_pope_adversarial", "POPE"),
        ("reefknot", "Reefknot"),
        ("pmc_vqa", "PMC-VQA"),
        ("PMC-VQA", "PMC-VQA"),
        ("mmbench-base", None),
        ("pope-random", None),
        ("pope", None),
        ("demo-fusion", None),
    ],
)
def test_datasets(name: str, found: str | None) -> None:
    assert paper.dataset_in_paper(name) == found


def test_a_checkpoint_is_not_a_model_of_the_paper(make_row, make_frame) -> None:
    rows = [make_row("mmbench", model="LLaVA-1.5-7B", stage=stage) for stage in (None, "tune")]
    matched = in_paper(make_frame(rows))
    assert matched["paper_model"].to_list() == ["LLaVA-1.5-7B", None]
    assert matched["paper_dataset"].to_list() == ["MMBench"] * 2


def test_names_as_categories(make_row, make_frame) -> None:
    import polars as pl

    table = make_frame([make_row("mmbench", model="Gemma3-4B")]).with_columns(
        pl.col("model", "dataset").cast(pl.Categorical)
    )
    assert in_paper(table).select("paper_model", "paper_dataset").row(0) == ("Gemma3-4B", "MMBench")
