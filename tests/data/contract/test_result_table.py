"""Result tables of older versions become tables of this one."""

import polars as pl
import pytest

from pid_lvlm.data.contract.table.result_table import SCHEMA, newest_version, upgrade
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION


def _written_by(version: int) -> pl.DataFrame:
    """A table of one row, in the columns that this version had."""
    row = {
        (column.formerly[0] if column.formerly else column.name): {"text": "x", "int": 1, "float": 0.5, "list": [0]}[
            column.kind
        ]
        for column in COLUMNS
        if column.since <= version
    }
    return pl.DataFrame([row | {"schema_version": version}])


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_table_has_the_columns_of_this_version(version):
    old = _written_by(version)
    assert {"planted_synergy", "n_train", "accuracy_noimage"} <= set(old.columns)
    assert ("accuracy_circular" in old.columns) == (version == 2)
    new = upgrade(old)
    assert new.schema == SCHEMA
    assert new["true_synergy"].to_list() == [0.5]
    assert new["num_train"].to_list() == [1]
    assert new["accuracy_circular"].to_list() == [None if version == 1 else 0.5]
    assert newest_version(new) == RESULT_SCHEMA_VERSION


def test_a_table_of_this_version_stays_as_it_is():
    new = upgrade(_written_by(2))
    assert upgrade(new) is new


def test_a_frame_that_is_not_a_result_table_comes_back_for_its_reader_to_refuse():
    other = pl.DataFrame({"a": [1]})
    assert upgrade(other) is other
