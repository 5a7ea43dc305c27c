"""The four benchmarks of the paper, from the files that users download."""

from dataclasses import replace
from typing import Final

from pid_lvlm.extract.datasets.benchmarks.benchmark import Benchmark
from pid_lvlm.extract.datasets.benchmarks.steps_identity import (
    joined,
    only_base_rows,
    part_before,
    picture_group,
    resolve_pictures,
    rotation_groups,
)
from pid_lvlm.extract.datasets.benchmarks.steps_inline_options import (
    REEFKNOT,
    clean_prefixes,
    labels_over_texts,
    split_options,
)
from pid_lvlm.extract.datasets.benchmarks.steps_rows import keep, lettered_columns, not_named, noted_repeats, yes_no

LETTERS: Final = {letter: letter for letter in "ABCD"}

MMBENCH: Final = Benchmark(
    name="mmbench",
    title="MMBench en_dev, every circular rotation",
    source="MMBench_DEV_EN.tsv (compact or legacy); or parquet of hf:lmms-lab/MMBench:en:dev",
    expected=4329,
    options="2-4",
    columns={
        "index": ("index",),
        "question": ("question",),
        "hint": ("hint",),
        "image": ("image",),
        "answer": ("answer",),
        "g_index": ("g_index",),
        **{letter: (letter,) for letter in "ABCD"},
    },
    needed=("index", "question", "hint", "image", "A", "B"),
    steps=(
        rotation_groups(),
        resolve_pictures(),
        lettered_columns(LETTERS),
        noted_repeats(),
        joined("id", "index"),
    ),
    exact_options=True,
    prompt="paper",
    split="en_dev",
)

MMBENCH_BASE: Final = replace(
    MMBENCH,
    name="mmbench-base",
    title="MMBench en_dev, each question once",
    expected=1164,
    # The rotations are needed until the pictures are resolved: a reference may point to any row.
    steps=(resolve_pictures(), only_base_rows(), *MMBENCH.steps),
)

POPE_SETTINGS: Final = ("random", "popular", "adversarial")
POPE_PICTURES: Final = (
    "{name}",
    "{stem}.jpg",
    "val2014/{stem}.jpg",
    "val2017/{tail}",
    "{tail}",
)
"""COCO 2014 validation; in COCO 2017 its pictures are named by the twelve digits alone."""


def _pope(setting: str) -> Benchmark:
    """One of POPE's three files. They share pictures and yes questions: pooling them would count those three times."""
    return Benchmark(
        name=f"pope-{setting}",
        title=f"POPE {setting} (COCO 2014)",
        source=f"coco_pope_{setting}.json; or hf:lmms-lab/POPE:Full:{setting}",
        expected=3000,
        options="2",
        columns={
            "question_id": ("question_id", "index"),
            "question": ("text", "question"),
            "answer": ("label", "answer"),
            "image": ("image", "image_path"),
            "name": ("image_source",),
            "category": ("category",),
        },
        needed=("question_id", "question", "answer", "image"),
        steps=(
            not_named(*(other for other in POPE_SETTINGS if other != setting)),
            keep("category", setting, if_present=True),
            resolve_pictures(index="question_id"),
            yes_no(),
            joined("id", "question_id", prefix=setting),
            picture_group("name"),
        ),
        pictures=POPE_PICTURES,
        prompt="paper",
        split=setting,
    )


POPE: Final = tuple(_pope(setting) for setting in POPE_SETTINGS)

REEFKNOT_PERCEPTION: Final = Benchmark(
    name="reefknot",
    title="Reefknot perception, multiple choice",
    source="Multichoice.jsonl of the Reefknot repository; pictures: Visual Genome (VG_100K, VG_100K_2)",
    expected=2150,
    options="4",
    columns={
        "image": ("image_id",),
        "prompt": ("query_prompt",),
        "answer": ("label",),
        "relation_type": ("relation_type",),
        "type": ("type",),
    },
    needed=("image", "prompt", "answer", "relation_type"),
    steps=(
        keep("type", "Multichoice", if_present=True),
        keep("relation_type", "perception"),
        split_options(REEFKNOT, "prompt"),
        joined("group", "image"),
    ),
    pictures=("VG_100K/{name}.jpg", "VG_100K_2/{name}.jpg", "{name}.jpg"),
    prompt="paper",
    split="perception",
)

PMC_VQA: Final = Benchmark(
    name="pmc-vqa",
    title="PMC-VQA test_clean",
    source="test_clean.csv and images.zip of RadGenome/PMC-VQA (version 2 files are read, too)",
    expected=2000,
    options="4",
    columns={
        "image": ("Figure_path",),
        "question": ("Question",),
        "answer_label": ("Answer_label",),
        "answer_text": ("Answer", "Anwser"),
        **{letter: (f"Choice {letter}",) for letter in "ABCD"},
    },
    needed=("image", "question", "A", "B", "C", "D", "answer_text"),
    steps=(
        clean_prefixes(LETTERS),
        labels_over_texts("answer_label", "answer_text"),
        part_before("group", "image", "_"),  # the article, since one article can contain several figures
    ),
    pictures=("{name}", "images/{name}", "figures/{name}"),
    prompt="paper",
    split="test_clean",
)

PAPER: Final = (MMBENCH, MMBENCH_BASE, *POPE, REEFKNOT_PERCEPTION, PMC_VQA)
