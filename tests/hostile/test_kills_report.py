"""`pid-report` killed at any progress and started again writes the same report."""

import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.hostile.kills.scenes import MODES, Scene, report

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("PID_KILL_SEED", "0"))
"""Of the draws; another is given in the environment."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with report(tmp_path_factory.mktemp("report")) as scene:
        yield scene


@pytest.mark.parametrize("number", range(20))
def test_killed_and_resumed(scene: Scene, number: int) -> None:
    scene.kill_and_resume(Random(SEED), number)


@pytest.mark.parametrize("mode", MODES)
def test_two_at_once(scene: Scene, mode: str) -> None:
    scene.two_at_once(Random(SEED), mode)
