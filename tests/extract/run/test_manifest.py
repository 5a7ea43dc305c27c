"""A run's recipe identifies its settings, and stays what earlier versions of this program computed."""

from dataclasses import replace

from pid_lvlm.data import Manifest
from pid_lvlm.extract.run.contents.manifest import _recipe

MANIFEST = Manifest(
    run="m__d",
    model="m",
    dataset="d",
    layers=(1, 2),
    num_layers=2,
    num_samples=5,
    max_options=4,
    d1=3,
    d2=3,
    revision="r",
    noise_seed=0,
    noise_sites={"vision": "here"},
    shard_size=4,
    prompt="letters",
    candidates={"separator": ""},
    ground_truth={"synergy": 1.0},
)


def test_the_recipe_is_that_of_version_1() -> None:
    """Computed by the program that called the ground truth `planted`."""
    assert _recipe(MANIFEST) == "d83a795aa197b16c"


def test_the_recipe_follows_settings_only() -> None:
    assert _recipe(replace(MANIFEST, noise_seed=1)) != _recipe(MANIFEST)
    assert _recipe(replace(MANIFEST, ground_truth=None)) != _recipe(MANIFEST)
    assert _recipe(replace(MANIFEST, finished=True, versions={"torch": "9"})) == _recipe(MANIFEST)
    for other in ({"head_dtype": "float32"}, {"processor": {"max_pixels": 1}}):
        assert _recipe(replace(MANIFEST, **other)) != _recipe(MANIFEST)
