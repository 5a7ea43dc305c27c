"""User errors, through the command: one sentence that says what is wrong, where, what was expected and how to fix it.

Exit code 2, no traceback, and nothing written.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from PIL import Image

from pid_lvlm import data
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from tests.extract.console import Command, assert_one_sentence
from tests.extract.datasets.benchmarks import files

Rows = list[dict[str, Any]]
Write = Callable[[Rows], Path]
Refuses = Callable[..., None]

COLUMNS = ("id", "image", "question", "A", "B", "answer")
LINE = ("1", "picture-0.png", "what?", "x", "y", "A")


@pytest.fixture
def refuses(command: Command, checkpoint: Path, tmp_path: Path) -> Refuses:
    """Run the command on bad input: one sentence with all `parts`, and no output folder."""

    def check(data_: object, *parts: str, model: object = checkpoint, more: tuple[object, ...] = ()) -> None:
        out = tmp_path / "runs"
        assert_one_sentence(command("--model", model, "--data", data_, "--out", out, *more), *parts)
        assert not out.exists() or not any(out.iterdir())

    return check


def altered(checkpoint: Path, folder: Path, file: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the checkpoint with one of its JSON files changed in place."""
    shutil.copytree(checkpoint, folder)
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    change(content)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_file_of_another_benchmark(refuses: Refuses, tmp_path: Path) -> None:
    mmbench = files.write_mmbench(tmp_path / "dev.tsv", files.mmbench_rows(2, 1, 1, 0))
    not_one = "`dev.tsv`: this is not a file of PMC-VQA test_clean: column `Figure_path` is missing; found `index`"
    refuses(
        f"pmc-vqa={mmbench}",
        not_one,
        f"; it looks like MMBench en_dev, every circular rotation: --data mmbench={mmbench}",
    )
    refuses(
        mmbench,
        f"it looks like MMBench en_dev, every circular rotation: --data mmbench={mmbench} (read as a plain file, row 5",
    )
    pope = files.write_jsonl(tmp_path / "coco_pope_popular.json", files.pope_rows(1))
    refuses(
        pope, f"it looks like POPE popular (COCO 2014): --data pope-popular={pope} (read as a plain file, it has no"
    )
    refuses(
        f"pope-random={pope}", "the file's name says `popular`, which is another part of this benchmark; name that part"
    )


def test_a_missing_column(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    path = write_items([{("quest" if name == "question" else name): row[name] for name in row} for row in rows])
    refuses(path, "`toy.jsonl`: no column for `question`; did you mean `quest`? the file has `id`, `image`, `quest`")
    refuses(path, "(set it with --columns)", more=("--on-bad", "skip"))
    path = write_items([{"id": row["id"], "label": "A"} for row in rows])
    refuses(path, "no column for `image` and none for `question` and none for `options`; the file has `id`, `label`")


def test_an_answer_that_is_no_option(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    path = write_items([rows[0], {**rows[1], "answer": "E"}, rows[2]])
    wanted = "expected a letter, an index from 0 or a text of A 'red', B 'green', C 'blue'"
    refuses(path, f"`toy.jsonl`, row 2: the answer 'E' is not an option of the item; {wanted}", "--on-bad skip leaves")


def test_options_that_are_all_empty(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    path = write_items([rows[0], rows[1], {**rows[2], "options": ["", None, " "]}])
    refuses(path, "`toy.jsonl`, row 3: all 3 options are empty; expected at least two texts", "--on-bad skip leaves")


def test_a_picture_folder_that_is_not_there(refuses: Refuses, items: Path, tmp_path: Path) -> None:
    gone = tmp_path / "pictures"
    refuses(
        items,
        f"picture folder `{gone}` does not exist; pass the folder that holds the pictures",
        more=("--images", gone),
    )
    gone.mkdir()
    refuses(items, "no picture was found in 11 rows; the first, row 1: picture `", more=("--images", gone))


def test_an_unsupported_checkpoint(refuses: Refuses, items: Path, checkpoint: Path, tmp_path: Path) -> None:
    model = altered(checkpoint, tmp_path / "odd", "config.json", lambda config: config.update(model_type="llava_nxt"))
    unknown = "has model type `llava_nxt`, which no adapter reads; did you mean `llava_next`?"
    refuses(items, str(model), unknown, "docs/adding-a-model.md says how to add one", model=model)
    for wrong in (tmp_path / "ood", tmp_path / "x" / "y"):
        refuses(items, f"model `{wrong}` is not there; expected a checkpoint folder or a hub id", model=wrong)
    refuses(items, "did you mean `", "odd`?", model=tmp_path / "ood")
    refuses(items, f"model `{items}` is a file; expected a checkpoint folder", model=items)


def hub_refuses(monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int) -> None:
    response = httpx2.Response(status, request=httpx2.Request("GET", "https://hub.example/org/name"))

    def refuse(*_: object, **__: object) -> None:
        raise error("Access is restricted.", response=response)  # type: ignore[call-arg]

    monkeypatch.setattr("transformers.utils.hub.hf_hub_download", refuse)


def test_a_gated_checkpoint_without_a_token(refuses: Refuses, items: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_refuses(monkeypatch, GatedRepoError, 401)
    gated = (
        "cannot load the configuration of `org/gated`: it is gated and no token gives access; accept its terms on its"
    )
    refuses(items, gated, "(hf auth login, or set HF_TOKEN)", model="org/gated")


def test_a_hub_model_that_is_not_there(refuses: Refuses, items: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_refuses(monkeypatch, RepositoryNotFoundError, 404)
    near = "or it is private and no token gives access; did you mean `llava-hf/llava-1.5-7b-hf`?"
    refuses(items, near, model="llava-hf/llava-1.5-7b")


def merging(*pairs: tuple[str, str]) -> Callable[[dict[str, Any]], None]:
    """A tokenizer that joins these pairs of characters, across words too."""

    def change(tokenizer: dict[str, Any]) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary.update({a + b: len(vocabulary) + number for number, (a, b) in enumerate(pairs)})
        tokenizer["model"]["merges"] = [list(pair) for pair in pairs]
        tokenizer["pre_tokenizer"]["use_regex"] = False

    return change


def test_letters_that_cannot_follow_the_prompt(refuses: Refuses, items: Path, checkpoint: Path, tmp_path: Path) -> None:
    joined = merging((":", "A"), (":", "Ġ"))
    model = altered(checkpoint, tmp_path / "merging", "tokenizer.json", joined)
    ends = "the option letters merge with the end of the prompt ('"
    refuses(
        items, ends, "ASSISTANT:') or are unknown to the tokenizer; the prompt must end where an answer", model=model
    )


@pytest.mark.slow
def test_a_tokenizer_that_splits_the_letters(command: Command, items: Path, checkpoint: Path, tmp_path: Path) -> None:
    """No error: the score is the mean over the letter's tokens. A sentence says so, and the manifest has the tokens."""
    model = altered(checkpoint, tmp_path / "splitting", "tokenizer.json", merging((":", "A")))
    arguments = ("--model", model, "--data", items, "--out", tmp_path / "runs", "--layers", "last")
    code, _, errors = command(*arguments)
    assert code == 0
    note = (
        "note: splitting__toy: the tokenizer splits the option letters; an option's score is the mean over its tokens"
    )
    assert errors.count(note) == 1
    candidates = data.read_manifest(tmp_path / "runs" / "splitting__toy").candidates
    assert {len(ids) for ids in candidates["token_ids"].values()} == {2}


def table(path: Path, *lines: str, ends: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes((ends.join(lines) + ends).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "`empty.csv`: the file is empty; expected at least one item"),
        ("empty.parquet", b"", "`empty.parquet`: the file is empty; expected at least one item"),
        ("header.tsv", b"id\timage\n", "it has a header but no rows; expected at least one item"),
        (
            "semi.csv",
            b"id;image;question\n1;x;y\n",
            "its columns are separated by semicolons; expected commas in a .csv",
        ),
        (
            "tabs.csv",
            b"id\timage\tquestion\n1\tx\ty\n",
            "separated by tabs; expected commas in a .csv file: rename it to .tsv",
        ),
        (
            "commas.tsv",
            b"id,image,question\n1,x,y\n",
            "separated by commas; expected tabs in a .tsv file: rename it to .csv",
        ),
        ("mac.csv", b"id,image\r1,x\r", "its lines end in a carriage return only; save it with line feeds"),
        (
            "latin.csv",
            b"id,image\n1,x\n2,tr\xe8s\n",
            "line 3 contains byte 0xe8, which is not UTF-8; save the file as UTF-8",
        ),
        ("latin.jsonl", b'{"id": 1}\n{"id": "tr\xe8s"}\n', "line 2 contains byte 0xe8, which is not UTF-8"),
        ("wide.json", "[]".encode("utf-16"), "is UTF-16; expected UTF-8: save it as UTF-8"),
        (
            "long.csv",
            b'id,image\n1,"a\nb"\n2,x,y\n',
            "the row that ends in line 4 has 3 fields, and the header 2; put texts",
        ),
        (
            "quote.csv",
            b'id,image\n1,a "b\n2,c\n',
            'a text with a quotation mark must be in quotation marks, with "" for',
        ),
        ("twice.csv", b"id,image,image\n1,x,y\n", "the column `image` occurs twice; rename one"),
        ("no.parquet", b"id,image\n1,x\n", "it is not a parquet file, whatever its name says; download it again"),
        ("cut.parquet", b"PAR1 and so on", "it is cut short, after 14 bytes; download it again"),
        ("both.parquet", b"PAR1 and so on PAR1", "cannot be read as parquet: "),
        ("inside.json", b'{"data": [{"id": 1}]}', "the items are under `data`; expected a list of them at the top"),
        ("csv.jsonl", b"id,image\n1,x\n", "none of its lines is a JSON object; the first, row 1: is not JSON ("),
        ("half.json", b'[{"id": 1}, {"i', "is not JSON ("),
        ("noending", b"id\n1\n", "its name has no extension that says what it is; known are .csv, .json"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and len(value) < 16 else "",
)
def test_damaged_files(refuses: Refuses, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refuses(path, f"dataset `{path}` cannot be used: `{name}`: ", message)


def test_a_folder_in_place_of_a_file(refuses: Refuses, tmp_path: Path) -> None:
    (tmp_path / "toy.jsonl").mkdir()
    refuses(
        tmp_path / "toy.jsonl", "the folder holds neither *.parquet files nor a saved dataset; give the file itself"
    )


def test_a_truncated_parquet_among_whole_shards(refuses: Refuses, tmp_path: Path) -> None:
    shards = [tmp_path / f"val-0000{number}-of-00002.parquet" for number in range(2)]
    for shard in shards:
        pl.DataFrame({"id": [1], "image": ["x"]}).write_parquet(shard)
    shards[1].write_bytes(shards[1].read_bytes()[:200])
    refuses(
        tmp_path / "val-*.parquet",
        "`val-00001-of-00002.parquet`: cannot be read as parquet: it is cut short, after 200 bytes",
    )


@pytest.mark.parametrize(("ends", "encoding"), [("\r\n", "utf-8"), ("\n", "utf-8-sig"), ("\r\n", "utf-8-sig")])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_windows_files_are_read(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path, ends: str, encoding: str, separator: str
) -> None:
    name = {",": "toy.csv", "\t": "toy.tsv"}[separator]
    path = table(tmp_path / name, separator.join(COLUMNS), separator.join(LINE), ends=ends, encoding=encoding)
    arguments = ("--model", checkpoint, "--data", path, "--out", tmp_path / "runs", "--dry-run")
    code, output, _ = command(*arguments)
    assert code == 0
    assert "options     2 in 1 rows\n  answers     A 1\n" in output


def test_ids_that_occur_twice(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    refuses(
        write_items([rows[0], rows[1], {**rows[2], "id": "item-0"}]), "row 3: id 'item-0' occurs twice (first in row 1)"
    )


def test_pictures_that_are_none(refuses: Refuses, write_items: Write, rows: Rows, tmp_path: Path) -> None:
    def check(name: str, content: bytes, message: str) -> None:
        path = write_items([{**rows[0], "image": name}])
        (tmp_path / name).write_bytes(content)
        refuses(path, f"row 1: the picture `{name}` {message}", "replace the file")

    Image.radial_gradient("L").save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    check("cut.jpg", whole[: len(whole) // 2], "is truncated or damaged (")
    check("page.png", b"<html>not found</html>", "is not in a format that can be read, such as PNG or JPEG")
    check("nothing.png", b"", "is empty (0 bytes); replace the file")


def test_pictures_too_large_to_be_true(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    said = (
        "row 1: the picture `picture-0.png` is too large (24 × 20 pixels; at most 479 pixels (--max-pixels raises it)"
    )
    refuses(write_items(rows[:1]), said, "scale it down", more=("--max-pixels", 479))


def test_a_picture_of_one_pixel_is_read(
    command: Command, checkpoint: Path, write_items: Write, rows: Rows, tmp_path: Path
) -> None:
    path = write_items([{**rows[0], "image": "dot.png"}])
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    arguments = ("--model", checkpoint, "--data", path, "--out", tmp_path / "runs", "--layers", "last", "--quiet")
    assert command(*arguments)[0] == 0


def test_a_picture_that_the_processor_refuses(
    refuses: Refuses, write_items: Write, rows: Rows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Qwen2-VL's refuses a picture more than 200 times as long as wide."""
    many = [{**rows[number % 11], "id": f"item-{number}"} for number in range(40)]
    many[36]["image"] = "thin.png"  # after the items that choose the letters' spelling
    path = write_items(many)
    Image.new("RGB", (1, 300)).save(tmp_path / "thin.png")
    whole = Adapter.process

    def process(adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        if any(picture.height > 200 * picture.width for picture in pictures or ()):
            message = "absolute aspect ratio must be smaller than 200, got 300.0"
            raise ValueError(message)
        return whole(adapter, prompts, pictures)

    monkeypatch.setattr(Adapter, "process", process)
    cannot = (
        "item 'item-36' (row 37): the model's processor cannot prepare its picture of 1 × 300 pixels (absolute aspect"
    )
    refuses(path, cannot, "leave the item out", more=("--batch-size", 8, "--quiet"))
    refuses(path, cannot, more=("--preview", 40))


def test_stretched_positions_count(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    text = adapter.model.config.get_text_config()
    assert adapter.context == 512
    for rope in (
        {"rope_type": "linear", "factor": 4.0},
        {"full": {"factor": 4.0}, "sliding": {"rope_type": "default"}},
    ):
        monkeypatch.setattr(text, "rope_parameters", rope)
        assert adapter.context == 2048


def test_a_prompt_longer_than_the_model_reads(refuses: Refuses, write_items: Write, rows: Rows) -> None:
    path = write_items([rows[0], {**rows[1], "question": "word " * 60_000}])
    refuses(
        path, "`toy.jsonl`, row 2: its prompt has 300", "tokens, and the model reads at most 512; shorten it or leave"
    )
