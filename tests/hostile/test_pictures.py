"""Pictures that are none, too large, of several frames, damaged or rare: decoded or refused, at little cost."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pid_lvlm.data.bounds import PIXELS
from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.errors import RowError
from pid_lvlm.extract.datasets.images import check_picture, open_picture
from pid_lvlm.extract.datasets.load import load_dataset
from tests.extract.console import assert_one_sentence, assert_readable, extract_command
from tests.hostile.datasets.item_files import ROW, png, write

RED = (255, 0, 0)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG of this size, and pixels that are all black as far as they go."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def refusal(content: bytes, **most: int) -> str:
    with pytest.raises(RowError) as caught:
        open_picture(content, **most)
    assert_readable(str(caught.value))
    return str(caught.value)


PROGRAM = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) (w) file\nshowpage\n"


def test_nothing_but_pictures_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also under the name of a picture, and with every reader of Pillow loaded."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.check_call", refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    Image.init()
    others = {kind: encoded(Image.new("L", (8, 8)), kind) for kind in ("EPS", "PCX", "ICO", "TGA", "PDF", "SGI", "DDS")}
    for content in (PROGRAM, *others.values()):
        assert "is not in a format that can be read, such as PNG or JPEG" in refusal(content)
    (tmp_path / "p.png").write_bytes(PROGRAM)
    path = write(tmp_path / "items.jsonl", ROW)
    result = extract_command("--model", "some/model", "--data", path, "--out", tmp_path / "runs")
    assert_one_sentence(result, "row 1: the picture `p.png` is not in a format that can be read")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "MPO"])
def test_pictures_are_decoded(kind: str) -> None:
    image = Image.new("RGB", (16, 8), RED)
    options: dict[str, Any] = {"save_all": True, "append_images": [image]} if kind == "MPO" else {}
    opened = open_picture(encoded(image, kind, **options))
    assert (opened.mode, opened.size) == ("RGB", (16, 8))
    assert max(abs(a - b) for a, b in zip(opened.getpixel((3, 3)), RED, strict=True)) < 4  # type: ignore[arg-type]


def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path) -> None:
    assert (
        "is too large (13000 × 13000 pixels; at most 64,000,000 pixels (--max-pixels raises it) are read)"
        in refusal(png_header(13_000, 13_000))
    )
    assert "is too large (30000 × 30000 pixels" in refusal(png_header(30_000, 30_000))
    assert "truncated or damaged" in refusal(png_header(8_000, 8_000))
    assert "the picture" in refusal(png_header(0, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_picture(encoded(Image.new("1", (10_000, 9_000)), "PNG"), 10**8).size == (10_000, 9_000)
    (tmp_path / "p.png").write_bytes(png_header(13_000, 13_000))
    path = write(tmp_path / "items.jsonl", ROW)
    arguments = ("--model", "some/model", "--data", path, "--out", tmp_path / "runs")
    assert_one_sentence(
        extract_command(*arguments), "is too large (13000 × 13000 pixels; at most 64,000,000 pixels (--max-"
    )
    assert_one_sentence(extract_command(*arguments, "--max-pixels", 10**9), "is truncated or damaged")


def test_a_file_too_large_for_its_pixels_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "p.png").open("wb") as file:
        file.write(png())
        file.truncate(PIXELS.most * 8 + 1)
    with pytest.raises(RowError, match=r"has 512,000,001 bytes; at most 8 bytes per pixel of 64,000,000 pixels"):
        open_picture(tmp_path / "p.png")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_is_used_and_that_is_said(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert open_picture(content).getpixel((0, 0)) == RED
    assert check_picture(content).several
    assert not check_picture(encoded(frames[0], kind)).several
    (tmp_path / "p.png").write_bytes(content)
    (tmp_path / "q.png").write_bytes(content)
    rows = [{**ROW, "id": number, "image": f"{'pq'[number % 2]}.png"} for number in range(5)]
    notes = load_dataset(DatasetSpec(write(tmp_path / "items.jsonl", *rows))).notes
    assert notes == ("2 pictures are animations or have several pages; the first frame is used",)


def test_texts_and_profiles_inside_a_picture() -> None:
    bomb = PngImagePlugin.PngInfo()
    bomb.add_text("a", "x" * 100_000_000, zip=True)
    assert "truncated or damaged" in refusal(encoded(Image.new("RGB", (8, 8)), "PNG", pnginfo=bomb))
    assert (
        open_picture(encoded(Image.new("RGB", (8, 8), RED), "PNG", icc_profile=b"no profile")).getpixel((0, 0)) == RED
    )
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff\xff\xff"
    assert open_picture(encoded(Image.new("RGB", (8, 8), RED), "PNG", exif=exif)).getpixel((0, 0)) == RED


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_as_pillow_turns_it(orientation: int) -> None:
    from PIL import ImageOps

    picture = Image.radial_gradient("L").crop((0, 0, 80, 48)).convert("RGB")
    exif = picture.getexif()
    exif[0x0112] = orientation
    content = encoded(picture, "PNG", exif=exif.tobytes())
    with Image.open(io.BytesIO(content)) as stored:
        assert open_picture(content).tobytes() == ImageOps.exif_transpose(stored).tobytes()


@pytest.mark.parametrize("mode", ["P", "PA", "LA", "RGBA", "CMYK", "1", "LAB"])
def test_modes_become_rgb_without_a_warning(mode: str) -> None:
    image = Image.new("LAB", (8, 8), (128, 128, 128)) if mode == "LAB" else Image.new("RGB", (8, 8), RED).convert(mode)
    options = {"transparency": bytes(range(256))} if mode == "P" else {}
    kind = "TIFF" if mode in ("CMYK", "LAB", "PA") else "PNG"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_picture(encoded(image, kind, **options)).mode == "RGB"


WHOLE = {
    kind: encoded(Image.radial_gradient("L").resize((24, 16)).convert("RGB"), kind)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
}


@pytest.mark.parametrize("kind", sorted(WHOLE))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_pictures_are_decoded_or_refused_in_words(kind: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    try:
        found = check_picture(bytes(content[:cut]), 10**6)
    except RowError as error:
        assert_readable(str(error))
    else:
        assert len(found.sha256) == 64


# The identity of a dataset


def test_a_picture_that_changes_changes_the_items(tmp_path: Path) -> None:
    path = write(tmp_path / "items.jsonl", ROW, {**ROW, "id": "2"})
    (tmp_path / "p.png").write_bytes(png(colour=1))
    before = load_dataset(DatasetSpec(path))
    assert load_dataset(DatasetSpec(path)).items_sha256 == before.items_sha256
    assert before.first(1).items_sha256 == load_dataset(DatasetSpec(path), limit=1).items_sha256
    (tmp_path / "p.png").write_bytes(png(colour=2))
    after = load_dataset(DatasetSpec(path))
    assert (after.sha256, after.items_sha256 == before.items_sha256) == (before.sha256, False)


CHANGES = {
    "id": "3",
    "question": "why?",
    "options": ["x", "z"],
    "answer": "B",
    "hint": "look",
    "group": "g",
    "raw": "r",
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_whatever_an_item_is_made_of_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.png").write_bytes(png())
    spec: Callable[[dict[str, Any]], DatasetSpec] = lambda row: DatasetSpec(  # noqa: E731
        write(tmp_path / "items.jsonl", row), {"raw": "raw"}
    )
    row = {**ROW, "raw": "prompt"}
    assert load_dataset(spec(row)).items_sha256 != load_dataset(spec({**row, name: CHANGES[name]})).items_sha256
