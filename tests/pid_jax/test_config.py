"""Settings: what they mean is said once, errors speak of arguments, and problem ids stay what they were."""

from typing import get_args

import numpy as np
import pytest

from pid_jax.config import PRESETS, SETTINGS, Anchor, EstimatorConfig, make_config
from pid_jax.setting import ArgumentError
from pid_lvlm.data.contract.schema.manifest import recipe_hash
from pid_lvlm.data.names import LANGUAGE_ONLY, NO_IMAGE, SOURCES


@pytest.mark.parametrize(("preset", "known"), [("default", "59baccc2ba8ba0f6"), ("paper", "9498aa2ca32195bf")])
def test_settings_are_hashed_as_before(preset, known):
    """Problems in older tables are found by this hash: a field renamed or added would fit all of them again."""
    assert recipe_hash(PRESETS[preset].for_single(0.3, "mean")) == known


def test_every_setting_is_in_the_docstring():
    for name, setting in SETTINGS.items():
        assert f"{name}: {setting.meaning} ({setting.expected})." in str(EstimatorConfig.__doc__)


def test_names_are_those_of_the_runs():
    assert get_args(Anchor) == SOURCES
    assert SETTINGS["language_condition"].rule.choices == (LANGUAGE_ONLY, NO_IMAGE)


def test_lists_and_arrays_are_as_good_as_tuples():
    config = make_config(taus=[0.2, 0.3], seeds=np.arange(2), epochs=np.int64(3))
    assert config == make_config(taus=(0.2, 0.3), seeds=(0, 1), epochs=3)
    assert type(config.epochs) is type(config.seeds[0]) is int


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"taus": (2,)}, "taus: expected a number from 0 to 1, found 2"),
        ({"taus": 0.3}, "taus: expected a tuple, each entry a number from 0 to 1, found 0.3"),
        ({"taus": ()}, "taus: expected at least one value, found none"),
        ({"poolings": ("sum",)}, "poolings: expected mean, max or last, found `sum`"),
        ({"epochs": "3"}, "epochs: expected an integer from 1 to 1000000, found `3`"),
        ({"batch_size": True}, "batch_size: expected an integer from 2 to 1000000, found true"),
        ({"train_share": 1.0}, "train_share: expected a number above 0 and below 1, found 1"),
        ({"drop_incomplete": 1}, "drop_incomplete: expected true or false, found 1"),
        ({"preset": "papr"}, "preset: expected default or paper, found `papr`"),
        ({"tau": 0.3}, "tau: unknown setting; did you mean `taus`?"),
    ],
)
def test_errors_speak_of_arguments(changes, said):
    with pytest.raises(ArgumentError) as caught:
        make_config(**changes)
    assert str(caught.value) == said
