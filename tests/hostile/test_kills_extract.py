"""`pid-extract` killed at any progress, alone and beside a second one, ends as if nothing had happened."""

import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.hostile.kills.scenes import MODES, Scene, extraction

SEED = int(os.environ.get("PID_KILL_SEED", "0"))
"""Of the draws; another is given in the environment."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with extraction(tmp_path_factory.mktemp("extract")) as scene:
        yield scene


@pytest.mark.parametrize("number", range(2))
def test_killed_and_resumed(scene: Scene, number: int) -> None:
    scene.kill_and_resume(Random(SEED), number)


def test_a_second_one_on_the_same_output(scene: Scene) -> None:
    scene.two_at_once(Random(SEED), MODES[0])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 52))
def test_killed_and_resumed_fifty_times(scene: Scene, number: int) -> None:
    scene.kill_and_resume(Random(SEED), number)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED + 1, SEED + 5))
@pytest.mark.parametrize("mode", MODES)
def test_two_at_once(scene: Scene, mode: str, seed: int) -> None:
    scene.two_at_once(Random(seed), mode)


@pytest.mark.slow
def test_soak(scene: Scene) -> None:
    assert scene.soak(Random(SEED), 100) > 30
