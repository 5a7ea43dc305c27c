"""Parts of a sweep: together all runs, each once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pid_lvlm.data import PidError
from pid_lvlm.extract.cli.parts import select_part
from pid_lvlm.extract.config import DatasetSpec, ModelSpec


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12))
def test_parts_are_a_partition(models, datasets, count):
    specs = [ModelSpec(f"m{i}") for i in range(models)]
    files = [DatasetSpec(f"d{i}") for i in range(datasets)]
    runs = [
        (model, data.file)
        for index in range(1, count + 1)
        for part in [select_part(f"{index}/{count}", specs, files)]
        for model in part[0]
        for data in part[1]
    ]
    assert len(runs) == len(set(runs)) == models * datasets


@pytest.mark.parametrize("part", ["", "1", "0/2", "3/2", "a/b", "-1/2", "1/2/3"])
def test_wrong_parts_are_refused(part):
    with pytest.raises(PidError, match="expected i/n"):
        select_part(part, [ModelSpec("m")], [DatasetSpec("d")])
