"""Files with the columns, order, counts and oddities of the four benchmarks' originals; the contents are made up."""

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

Row = dict[str, Any]

LETTERS = ["A", "B", "C", "D"]
MMBENCH_COLUMNS = ["index", "question", "hint", *LETTERS, "answer"]
MMBENCH_COLUMNS += ["category", "image", "source", "l2-category", "comment", "split"]
TWO, THREE, FOUR, FIXED_D = 89, 96, 979, 53
"""MMBench en_dev: questions with two, three and four options; of the last, those whose option D stays in place."""

POPE_IMAGES = 500
PERCEPTION = [f"relation{i}" for i in range(41)] + ["on left of", "on right of"]
DISTRACTORS = ["away", "onto", "round", "since", "toward", "towards", "until", "upon"]
PER_RELATION, COGNITIVE = 50, 4800
GOLD = {"A": 553, "B": 515, "C": 552, "D": 530}
"""Reefknot perception: right letters. The next counts how many of its pictures have cognitive rows, too."""
SHARED_IMAGES = 145
IMAGES_BY_ROWS = {1: 1849, 2: 113, 3: 14, 4: 4, 5: 1, 6: 2}
"""Reefknot perception: number of pictures with so many rows."""

CHOICES = [f"Choice {letter}" for letter in LETTERS]
PMC_HEADER = ["Figure_path", "Question", "Answer", *CHOICES, "Answer_label"]
PMC_2_HEADER = ["index", "Figure_path", "Caption", "Question", *CHOICES, "Answer", "split"]


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 255 - shade, shade // 2)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = [png(60 * i) for i in range(4)]
ENCODED = [base64.b64encode(picture).decode() for picture in PICTURES]


def write_pictures(folder: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PICTURES[number % len(PICTURES)])


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Row], delimiter: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rotations(question: Mapping[str, Any], options: Sequence[str], right: int, *, fixed: int = 0) -> Iterator[Row]:
    """Every row of a question: row j holds at place i the option (i - j) mod k; the last `fixed` stay in place."""
    k = len(options) - fixed
    for j in range(k):
        turned = [options[(i - j) % k] for i in range(k)] + list(options[k:])
        letters = dict.fromkeys("ABCD", "") | dict(zip("ABCD", turned, strict=False))
        answer = "ABCD"[turned.index(options[right])]
        base = int(question["index"])
        picture = question["image"] if j == 0 else str(base)
        yield {**question, **letters, "index": base + j * 1_000_000, "image": picture, "answer": answer}


def mmbench_rows(two: int = TWO, three: int = THREE, four: int = FOUR, fixed_d: int = FIXED_D) -> list[Row]:
    """All base rows, then the first rotations, and so on, as the compact file has them."""
    kinds = [(2, 0)] * two + [(3, 0)] * three + [(4, 1)] * fixed_d + [(4, 0)] * (four - fixed_d)
    rows = []
    for number, (k, fixed) in enumerate(kinds):
        question = {
            "index": number,
            "question": f"What is shown, number {number}?",
            "hint": 'The passage says:\n"look twice"\tand think.' if number % 8 == 0 else "",
            "image": ENCODED[number % len(ENCODED)],
            "category": "object_localization",
            "l2-category": "finegrained_perception (instance-level)",
            "source": "reasoning",
            "comment": "",
            "split": "dev",
        }
        options = [f"thing {number} {place}" for place in range(k)]
        rows += rotations(question, options, right=number % (k - fixed), fixed=fixed)
    return sorted(rows, key=lambda row: row["index"] // 1_000_000)


def mmbench_hub_rows(rows: Sequence[Row], index: type = str, missing: str | None = None) -> list[Row]:
    """The same as the hub has it: `L2-category`, every row with its picture, missing cells as None or as a word."""
    texts = ("question", "hint", *LETTERS, "answer", "category", "source", "comment", "split")
    pictures = {str(row["index"]): row["image"] for row in rows}
    return [
        {
            "index": index(row["index"]),
            **{name: row[name] or (missing if name in ("hint", *LETTERS) else None) for name in texts},
            "image": {"bytes": base64.b64decode(pictures.get(row["image"], row["image"])), "path": None},
            "L2-category": row["l2-category"],
        }
        for row in rows
    ]


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def write_mmbench(path: Path, rows: Sequence[Row]) -> Path:
    return write_table(path, MMBENCH_COLUMNS, rows, "\t")


def pope_rows(images: int = POPE_IMAGES, setting: str = "random") -> list[Row]:
    """Six rows per picture, yes and no in turn. Settings share pictures, numbers and all yes questions."""
    return [
        {
            "question_id": image * 6 + place + 1,
            "image": f"COCO_val2014_{image * 37 + 42:012d}.jpg",
            "text": f"Is there {(f'a chair {place}', f'an {setting} apple {place}')[place % 2]} in the image?",
            "label": ("yes", "no")[place % 2],
        }
        for image in range(images)
        for place in range(6)
    ]


def pope_hub_rows(setting: str, images: int = POPE_IMAGES) -> list[Row]:
    """The same as the hub has it: text throughout, and the picture itself."""
    return [
        {
            "id": str(number),
            "question_id": str(row["question_id"]),
            "question": row["text"],
            "answer": row["label"],
            "image_source": row["image"].removesuffix(".jpg"),
            "image": {"bytes": PICTURES[number // 6 % len(PICTURES)], "path": None},
            "category": setting,
        }
        for number, row in enumerate(pope_rows(images, setting))
    ]


def pope_tsv_rows(settings: Sequence[str], images: int) -> list[Row]:
    """The same as VLMEvalKit has it: an equal question stands once and names all its settings; so do pictures."""
    found: dict[tuple[str, str], Row] = {}
    for setting in settings:
        for row in pope_rows(images, setting):
            known = found.setdefault((row["image"], row["text"]), {**row, "category": []})
            known["category"].append(setting)
    first: dict[str, int] = {}
    rows = []
    for index, row in enumerate(found.values()):
        shown = str(first[row["image"]]) if row["image"] in first else ENCODED[len(first) % len(ENCODED)]
        first.setdefault(row["image"], index)
        texts = {"question": row["text"], "answer": row["label"].title(), "category": ",".join(row["category"])}
        rows.append({"index": index, "image": shown, **texts})
    return rows


def reefknot_rows(cognitive: int = COGNITIVE) -> list[Row]:
    """Sorted by answer word, perception first. Every image id with several rows has them spread over the file."""
    ids = [str(2_300_000 + number) for number in range(sum(IMAGES_BY_ROWS.values()))]
    counts = [count for count, images in IMAGES_BY_ROWS.items() for _ in range(images)]
    of_rows = [name for turn in range(6) for name, count in zip(ids, counts, strict=True) if count > turn]
    words = [word for word in PERCEPTION for _ in range(PER_RELATION)]
    letters = _gold_letters(len(words))
    perception = [_reefknot_row(i, of_rows[i], word, letters[i], "perception") for i, word in enumerate(words)]
    others = [*ids[:SHARED_IMAGES], *(str(9_000_000 + i) for i in range(max(0, cognitive - SHARED_IMAGES)))]
    return perception + [_reefknot_row(i, others[i], "eating", "C", "cognitive") for i in range(cognitive)]


def _gold_letters(count: int) -> list[str]:
    """A, B, C, D in turn, with as many of the later B and D exchanged as `GOLD` asks."""
    letters = ["ABCD"[i % 4] for i in range(count)]
    for i in range(100, count):
        wanted = next((name for name in "AC" if letters.count(name) < GOLD[name]), None)
        if wanted and letters[i] in "BD" and letters.count(letters[i]) > GOLD[letters[i]]:
            letters[i] = wanted
    return letters


def _reefknot_row(number: int, image: str, word: str, letter: str, relation: str) -> Row:
    options = [DISTRACTORS[(number + step) % len(DISTRACTORS)] for step in range(3)]
    options.insert("ABCD".index(letter), word)
    subject = "salt and pepper" if number == 7 else "man"
    shown = " ".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    return {
        "image_id": image,
        "query_prompt": f"What is the relation with {subject} and tree in this photo? {shown}, please choose.",
        "label": letter,
        "type": "Multichoice",
        "mllm_name": "",
        "response": "",
        "relation_type": relation,
    }


def pmc_rows(count: int = 2000, figures: int = 500) -> list[Row]:
    """Choices with their letters, blanks of several kinds, and commas that need quotes."""
    rows = []
    for number in range(count):
        texts = [f"finding {number}, {place}" for place in range(4)]
        choices = {f"Choice {letter}": f" {letter}:{text} " for letter, text in zip("ABCD", texts, strict=True)}
        rows.append(
            {
                "Figure_path": f"PMC{number % figures // 2}_F{number % figures % 2 + 1}.jpg",
                "Question": f"What is seen in figure {number}? ",
                "Answer": texts[number % 4],
                **choices,
                "Answer_label": "ABCD"[number % 4],
            }
        )
    return rows


def write_pmc(path: Path, rows: Sequence[Row], header: Sequence[str] = PMC_HEADER) -> Path:
    return write_table(path, header, rows, ",")
