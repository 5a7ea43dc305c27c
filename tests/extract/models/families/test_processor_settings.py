"""`--processor`: other settings of an image processor, and those that it does not take."""

from pathlib import Path
from typing import Any

import pytest

from pid_lvlm import data
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError, UsageError
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.options import parse_settings
from tests.extract.console import Command
from tests.extract.models.families.conftest import MakeTiny

QWEN = "qwen2_5_vl"


def load(tiny_of: MakeTiny, **settings: Any) -> Any:
    return load_adapter(ModelSpec(str(tiny_of(QWEN).folder), processor=settings), weights=False).processor


def test_limits_on_pixels_change_the_tokens_of_a_picture(tiny_of: MakeTiny) -> None:
    least, most = 256 * 28**2, 1280 * 28**2
    images = load(tiny_of, min_pixels=least, max_pixels=most).image_processor
    assert (images.size["shortest_edge"], images.size["longest_edge"]) == (least, most)
    tiny = tiny_of(QWEN)
    more = load_adapter(ModelSpec(str(tiny.folder), processor={"min_pixels": least}), weights=False)
    (few,), (many,) = (one.expected_picture_tokens([(56, 56)]) or () for one in (tiny.adapter, more))
    assert many > 8 * few


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_pixel": 3}, "unknown setting `max_pixel`; did you mean `max_pixels`?"),
        ({"do_resize": "no"}, "`do_resize` should be true or false, found 'no'"),
        ({"do_resize": 1}, "`do_resize` should be true or false, found 1"),
        ({"max_pixels": None}, "`max_pixels` should be an integer, found None"),
        ({"rescale_factor": "NaN"}, "`rescale_factor` should be an integer or a number, found 'NaN'"),
        ({"max_pixels": 2.5}, "`max_pixels` should be an integer, found 2.5"),
        ({"patch_size": True}, "`patch_size` should be an integer, found True"),
        ({"size": "large"}, "`size` should be an integer or a list or an object, found 'large'"),
        ({"size": [1, 2, 3]}, "does not take size=[1, 2, 3] ("),
        ({"max_pixels": -5}, "`size.longest_edge` -5; expected 1 to"),
        ({"max_pixels": 10**12}, "`size.longest_edge` 1000000000000; expected 1 to"),
        ({"return_tensors": "np"}, "unknown setting `return_tensors`"),
    ],
)
def test_what_a_processor_does_not_take(tiny_of: MakeTiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(tiny_of, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["max_pixels"], "expected KEY=VALUE, such as max_pixels=1003520, found `max_pixels`"),
        (["=3"], "expected KEY=VALUE"),
        (["max_pixels="], "`max_pixels` has no value; expected KEY=VALUE"),
        (["a=1", "a=2"], "`a` is given twice"),
        (["size={3}"], "--processor size: is not JSON"),
        (["size=" + "[" * 100], "--processor size: "),
    ],
)
def test_what_is_not_a_setting(given: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings(given, "--processor")
    assert message in str(caught.value)


def test_a_run_records_its_settings_and_another_setting_is_another_run(
    checkpoint: Path, items: Path, tmp_path: Path, command: Command
) -> None:
    arguments = ["--model", checkpoint, "--data", items, "--out", tmp_path / "runs", "--limit", 2, "--layers", "last"]
    assert command(*arguments, "--processor", "do_normalize=false")[0] == 0
    (folder,) = (tmp_path / "runs").glob("tiny*")
    manifest = data.read_manifest(folder)
    assert (manifest.processor, manifest.head_dtype) == ({"do_normalize": False}, None)
    code, _, errors = command(*arguments)
    assert code == 2
    assert "other settings (processor.do_normalize was False, now None)" in errors
    code, _, errors = command(*arguments, "--processor", "do_normalise=false")
    assert code == 2
    assert "did you mean `do_normalize`?" in errors
