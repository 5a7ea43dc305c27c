"""A preview shows what will be run: prompts with their spans, letters, and the picture the model receives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.run.jobs import preview_jobs
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.rehearsal.processed_image import received_picture

Rows = list[dict[str, Any]]


def gradient(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows * 3, columns * 2, rows + columns], axis=-1).astype(np.uint8))


def preview(checkpoint: Path, path: Path, out: Path, count: int = 2) -> str:
    models, datasets = [ModelSpec(str(checkpoint))], [DatasetSpec(path)]
    planned = preview_jobs(models, datasets, ExtractionConfig(out), count, Reporter(quiet=True))
    return "\n".join(run.text for run in planned)


def test_preview_of_two_items(
    write_items: Callable[[Rows], Path], rows: Rows, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pid_lvlm.extract.models.load._load_weights", None)  # no weights are needed
    text = preview(checkpoint, write_items(rows), tmp_path / "look")
    folder = tmp_path / "look" / "tiny__toy"
    assert sorted(path.name for path in folder.iterdir()) == ["001.png", "002.png", "preview.txt"]
    assert (folder / "preview.txt").read_text(encoding="utf-8") == text
    assert (
        "<image>\n⟦look closely\nwhich colour is very common here?\nA. red\nB. green\nC. blue\n"
        "Answer with the option's letter from the given choices directly.⟧ ASSISTANT:"
    ) in text
    assert "--- item 'item-1' (row 2), group 'picture-1.png', right answer B 'green'" in text
    assert '--- without picture: "USER: which colour is common here?' in text
    assert "letters: A 36, B 37, C 38 (token ids)" in text
    assert "--- picture: 24 × 20, 4 visual tokens; 001.png shows it as the model receives it, 16 × 16" in text
    preview(checkpoint, tmp_path / "toy.jsonl", tmp_path / "look", count=1)
    assert not (folder / "002.png").exists()


def test_nothing_else_is_replaced(
    write_items: Callable[[Rows], Path], rows: Rows, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "tiny__toy"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(OutputExistsError, match="contains something other than a preview; choose another --out"):
        preview(checkpoint, write_items(rows), tmp_path / "runs")
    assert (folder / "manifest.json").exists()


def test_a_normalised_picture_comes_back() -> None:
    processor = CLIPImageProcessorPil(do_resize=False, do_center_crop=False)
    picture = gradient(40, 30)
    shown = received_picture(processor, processor(picture, return_tensors="pt"))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(picture))


def test_patches_are_put_together_again() -> None:
    processor = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=10**6)
    picture = gradient(84, 56)  # whole blocks of two by two patches of 14 pixels: nothing is resized
    shown = received_picture(processor, processor(picture, return_tensors="pt"))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(picture))


def test_tiles_lie_side_by_side() -> None:
    tiles = torch.arange(3.0)[:, None, None, None].expand(3, 3, 2, 4)[None] / 2
    shown = received_picture(object(), {"pixel_values": tiles})
    assert shown is not None
    assert shown.size == (8, 4)
    assert [shown.getpixel(place) for place in ((0, 0), (4, 0), (0, 2))] == [(0,) * 3, (128,) * 3, (255,) * 3]


def test_unknown_layouts_are_not_guessed() -> None:
    assert received_picture(object(), {"image_patches": [1]}) is None
    assert received_picture(object(), {"pixel_values": torch.zeros(5, 7)}) is None
