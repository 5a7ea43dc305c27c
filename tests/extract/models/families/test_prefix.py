"""Passes that go on from the keys and values of another compute fewer positions; `test_families.py` compares scores."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torch import nn

from pid_lvlm.data.names import CONDITIONS
from tests.extract.models.families.conftest import MakeTiny, with_long_letters


@contextmanager
def positions_seen(decoder: nn.Module) -> Iterator[list[int]]:
    """Positions of every pass through the decoder."""
    seen: list[int] = []
    handle = decoder.layers[0].register_forward_pre_hook(
        lambda _module, args, _kwargs: seen.append(args[0].shape[1]), with_kwargs=True
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
    both, vision_only, language_only, _ = seen[: len(CONDITIONS)]
    assert both == language_only
    assert 0 < vision_only < both
    with positions_seen(tiny.adapter.decoder) as seen:
        with_long_letters(tiny.measurement).batch(tiny.plan())
    assert seen[1:3] == [2, 3]
