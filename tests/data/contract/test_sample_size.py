"""The rule for the smallest run is the one that the estimator applies."""

import pytest

from pid_jax.config import PRESETS, make_config
from pid_jax.sweep.batch import check_enough
from pid_lvlm.data import PidError
from pid_lvlm.data.contract.sample_size import describe_rows_needed, rows_needed


def accepts(rows: int, config) -> bool:
    train = int(config.train_share * rows)
    try:
        check_enough("run", rows, [(train, rows - train)], config)
    except PidError:
        return False
    return True


def test_the_defaults_are_those_of_the_default_preset():
    config = PRESETS["default"]
    assert rows_needed() == rows_needed(config.batch_size, config.train_share, config.drop_incomplete) == 342


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("batch_size", [2, 3, 16, 256])
@pytest.mark.parametrize("train_share", [0.1, 0.5, 0.75, 0.9])
def test_one_row_less_is_refused(preset, batch_size, train_share):
    config = make_config(preset, batch_size=batch_size, train_share=train_share)
    rows = rows_needed(batch_size, train_share, config.drop_incomplete)
    assert accepts(rows, config)
    assert not any(accepts(fewer, config) for fewer in range(max(rows - 20, 0), rows))


def test_the_reason_is_told():
    assert describe_rows_needed() == (
        "the estimate needs at least 342 rows: 75% of the rows train the coupling, and they must fill a batch of 256"
    )
    assert "at least 1021 rows" in describe_rows_needed(drop_incomplete=True)
