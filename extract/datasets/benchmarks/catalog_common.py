"""Presets for other common benchmarks, from parquet files on the hub and TSV files of VLMEvalKit."""

import re
from typing import Final

from pid_lvlm.extract.datasets.answer_options import BRACKETED_LETTER, cell_text, is_missing
from pid_lvlm.extract.datasets.benchmarks.benchmark import Benchmark
from pid_lvlm.extract.datasets.benchmarks.steps_identity import joined, numbered, resolve_pictures
from pid_lvlm.extract.datasets.benchmarks.steps_inline_options import MMSTAR, REALWORLDQA, split_options
from pid_lvlm.extract.datasets.benchmarks.steps_rows import (
    drop,
    index_answers,
    keep,
    lettered_columns,
    listed_options,
    noted_repeats,
    yes_no,
)
from pid_lvlm.extract.datasets.sources.table import Row, Table

PICTURE_MARK: Final = re.compile(r"\s*<image \d+>\s*")
YES_OR_NO: Final = re.compile(r"\s*Please answer yes or no\.?\s*$", re.IGNORECASE)
MANY_LETTERS: Final = "ABCDEFGHI"
MMMU_PICTURES: Final = tuple(f"image_{number}" for number in range(1, 8))


def _has_no_picture(row: Row) -> bool:
    cell = row.get("image")
    if isinstance(cell, dict):
        return is_missing(cell.get("bytes")) and not cell_text(cell.get("path"))
    return cell is None or cell in ("", [])


def _has_no_letter(row: Row) -> bool:
    return BRACKETED_LETTER.fullmatch(cell_text(row.get("answer"))) is None


def _more_than_one_picture(row: Row) -> bool:
    """Whether a row lacks or has several pictures `image_1`, `image_2`, …; options in MMMU may also be pictures."""
    present = [name for name in MMMU_PICTURES if not _has_no_picture({"image": row.get(name)})]
    return present != ["image_1"] or "<image" in cell_text(row.get("options"))


def _without_instruction(table: Table) -> Table:
    """Remove the instruction at the end of MME's questions: the prompt template has its own."""
    return table.change(lambda row: {**row, "question": YES_OR_NO.sub("", cell_text(row.get("question")))})


def _without_marks(table: Table) -> Table:
    """Remove the picture marks from MMMU's texts: here the picture always comes before the text."""
    return table.change(lambda row: {**row, "question": PICTURE_MARK.sub(" ", cell_text(row.get("question"))).strip()})


VLMEVAL_TSV: Final = Benchmark(
    name="vlmeval-tsv",
    title="a TSV file in VLMEvalKit's form",
    source="TSV files of VLMEvalKit: MMStar, ScienceQA, SEEDBench_IMG, AI2D, A-OKVQA, CV-Bench, …",
    expected=None,
    options="2-9",
    columns={
        **{name: (name,) for name in ("index", "question", "hint", "answer")},
        "image": ("image", "image_path"),
        **{letter: (letter,) for letter in MANY_LETTERS},
    },
    needed=("index", "question", "image", "A", "B"),
    steps=(
        resolve_pictures(),
        lettered_columns({letter: letter for letter in MANY_LETTERS}),
        noted_repeats(),
        joined("id", "index"),
    ),
    exact_options=True,
    named_by_file=True,
)

MMSTAR_PARQUET: Final = Benchmark(
    name="mmstar",
    title="MMStar",
    source="mmstar.parquet of hf:Lin-Chen/MMStar:val",
    expected=1500,
    options="2-4",
    columns={name: (name,) for name in ("index", "question", "image", "answer", "category", "meta_info")},
    needed=("index", "question", "image", "answer", "meta_info"),
    steps=(split_options(MMSTAR), joined("id", "index")),
    split="val",
)

SCIENCE_QA: Final = Benchmark(
    name="scienceqa",
    title="ScienceQA, test questions with a picture",
    source="hf:lmms-lab/ScienceQA:ScienceQA-IMG:test (or ScienceQA-FULL)",
    expected=2017,
    options="2-5",
    columns={
        "image": ("image",),
        "question": ("question",),
        "options": ("choices",),
        "answer": ("answer",),
        "hint": ("hint",),
        "lecture": ("lecture",),
    },
    needed=("image", "question", "options", "answer", "lecture"),
    steps=(drop("without a picture", _has_no_picture), listed_options(), index_answers()),
    split="test",
)

A_OKVQA: Final = Benchmark(
    name="aokvqa",
    title="A-OKVQA, validation",
    source="hf:HuggingFaceM4/A-OKVQA:validation; or aokvqa_v1p0_val.json with COCO 2017 pictures",
    expected=1145,
    options="4",
    columns={
        "image": ("image", "image_id"),
        "question": ("question",),
        "options": ("choices",),
        "answer": ("correct_choice_idx",),
        "question_id": ("question_id",),
    },
    needed=("image", "question", "options", "answer"),
    steps=(listed_options(), index_answers(), joined("id", "question_id")),
    pictures=("{name}", "{padded}.jpg", "val2017/{padded}.jpg"),
    split="validation",
)

SEED_BENCH: Final = Benchmark(
    name="seed-bench",
    title="SEED-Bench, questions about one picture",
    source="hf:lmms-lab/SEED-Bench:test",
    expected=None,
    options="4",
    columns={
        **{letter: (f"choice_{letter.lower()}",) for letter in "ABCD"},
        **{name: (name,) for name in ("image", "question", "answer", "question_id", "data_id", "data_type")},
    },
    needed=("image", "question", "A", "B", "answer", "data_type"),
    steps=(
        keep("data_type", "image"),
        lettered_columns({letter: letter for letter in "ABCD"}),
        joined("id", "question_id"),
        joined("group", "data_id"),
    ),
    split="test",
)

AI2D: Final = Benchmark(
    name="ai2d",
    title="AI2D, test",
    source="hf:lmms-lab/ai2d:test",
    expected=3088,
    options="4",
    columns={name: (name,) for name in ("image", "question", "options", "answer")},
    needed=("image", "question", "options", "answer"),
    steps=(listed_options(), index_answers()),
    split="test",
)

MMMU: Final = Benchmark(
    name="mmmu",
    title="MMMU validation, multiple choice about one picture",
    source="hf:lmms-lab/MMMU:validation; or one subject, such as hf:MMMU/MMMU:Art:validation",
    expected=None,
    options="2-9",
    columns={
        **{name: (name,) for name in ("id", "question", "options", "answer", "question_type", *MMMU_PICTURES)},
        "image": ("image_1",),
    },
    needed=("id", "question", "options", "image_1", "question_type"),
    steps=(
        keep("question_type", "multiple-choice"),
        drop("about several pictures, or with pictures as options", _more_than_one_picture),
        _without_marks,
        listed_options(),
    ),
    split="validation",
)

REAL_WORLD_QA: Final = Benchmark(
    name="realworldqa",
    title="RealWorldQA, multiple choice",
    source="hf:lmms-lab/RealWorldQA:test",
    expected=None,
    options="2-4",
    columns={name: (name,) for name in ("image", "image_path", "question", "answer")},
    needed=("image", "question", "answer", "image_path"),
    steps=(drop("answered by a word or a number", _has_no_letter), split_options(REALWORLDQA)),
    split="test",
)

CV_BENCH: Final = Benchmark(
    name="cv-bench",
    title="CV-Bench",
    source="test_2d.parquet, test_3d.parquet of hf:nyu-visionx/CV-Bench (give the folder for both)",
    expected=2638,
    options="2-6",
    columns={
        **{name: (name,) for name in ("idx", "image", "question", "answer", "task", "source")},
        "options": ("choices",),
    },
    needed=("idx", "image", "question", "options", "answer", "task"),
    steps=(listed_options(), joined("id", "idx")),
    split="test",
)

HALLUSION_BENCH: Final = Benchmark(
    name="hallusionbench",
    title="HallusionBench, questions with a picture",
    source="hf:lmms-lab/HallusionBench:image",
    expected=951,
    options="2",
    columns={
        **{name: (name,) for name in ("category", "subcategory", "set_id", "figure_id", "question_id", "question")},
        "image": ("image", "filename"),
        "answer": ("gt_answer",),
    },
    needed=("category", "subcategory", "set_id", "figure_id", "question_id", "question", "answer", "image"),
    steps=(
        drop("without a picture", _has_no_picture),
        yes_no(),
        joined("id", "category", "subcategory", "set_id", "figure_id", "question_id"),
        joined("group", "category", "subcategory", "set_id", "figure_id"),
    ),
    split="image",
)

BLINK: Final = Benchmark(
    name="blink",
    title="BLINK validation, one task, questions about one picture",
    source="hf:BLINK-Benchmark/BLINK:TASK:val, such as hf:BLINK-Benchmark/BLINK:Counting:val",
    expected=None,
    options="2-4",
    columns={
        **{name: (name,) for name in ("idx", "sub_task", "question", "answer", *MMMU_PICTURES[:4])},
        "image": ("image_1",),
        "options": ("choices",),
    },
    needed=("idx", "sub_task", "question", "options", "answer", "image_1", "image_2"),
    steps=(drop("about several pictures", _more_than_one_picture), listed_options(), joined("id", "idx")),
    split="val",
)

MME: Final = Benchmark(
    name="mme",
    title="MME",
    source="hf:lmms-lab/MME:test",
    expected=2374,
    options="2",
    columns={name: (name,) for name in ("question_id", "image", "question", "answer", "category")},
    needed=("question_id", "image", "question", "answer"),
    steps=(
        _without_instruction,
        yes_no(),
        joined("group", "question_id"),  # two questions about one picture share it
        joined("id", "question_id"),
        numbered("id"),
    ),
    split="test",
)

OTHERS: Final = (
    MMSTAR_PARQUET,
    SCIENCE_QA,
    A_OKVQA,
    SEED_BENCH,
    AI2D,
    MMMU,
    REAL_WORLD_QA,
    CV_BENCH,
    HALLUSION_BENCH,
    BLINK,
    MME,
    VLMEVAL_TSV,
)
