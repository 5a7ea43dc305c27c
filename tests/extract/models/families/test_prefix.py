"""Passes that go on from the keys and values of another compute fewer positions; `test_families.py` compares scores."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torch import nn

from pid_lvlm.data.names import CONDITIONS
from tests.extract.models.families.conftest import MakeTiny, two_pictures, with_long_letters


@contextmanager
def positions_seen(decoder: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """Rows and positions of every pass through the decoder."""
    seen: list[tuple[int, int]] = []
    handle = decoder.layers[0].register_forward_pre_hook(
        lambda _module, args, _kwargs: seen.append(tuple(args[0].shape[:2])), with_kwargs=True
    )
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_the_beginning_is_computed_once(name: str, tiny_of: MakeTiny) -> None:
    tiny = tiny_of(name)
    with positions_seen(tiny.adapter.decoder) as seen:
        tiny.measure(tiny.plan())
    both, vision_only, language_only, _ = (positions for _, positions in seen[: len(CONDITIONS)])
    assert both == language_only
    assert 0 < vision_only < both
    with positions_seen(tiny.adapter.decoder) as seen:
        with_long_letters(tiny.measurement).batch(tiny.plan())
    assert [positions for _, positions in seen[1:3]] == [2, 3]


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_a_picture_is_computed_once_for_its_rows(name: str, tiny_of: MakeTiny) -> None:
    """One pass over one row of each picture up to its text; `both` and `vision_only` go on from there."""
    tiny = tiny_of(name)
    planned = tiny.plan(two_pictures(tiny.dataset.items))
    with positions_seen(tiny.adapter.decoder) as seen:
        tiny.measure(planned)
    (pictures_seen, beginning), (rows, both), (_, vision_only), (_, language_only), _ = seen
    assert (pictures_seen, rows) == (2, len(planned))
    assert vision_only == both < language_only
    assert beginning < language_only
