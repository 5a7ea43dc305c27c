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


def test_models_that_cost_the_same_go_to_the_parts_in_turn():
    models = [ModelSpec(f"m{i}", limit=300 if i % 2 else 300) for i in range(7)]
    assert [spec.model for spec in select_part("2/3", models, [DatasetSpec("d")])[0]] == ["m1", "m4"]


@pytest.mark.parametrize(
    ("dear", "cheap"),
    [
        ({"crossed": 43}, {}),
        ({"ablation": ("noise", "other", "mean", "blank"), "other_draws": 14}, {}),
        ({}, {"limit": 125}),
        ({}, {"datasets": ("d0",)}),
        ({"size_b": 56.0}, {"size_b": 7.0}),
    ],
)
def test_a_dear_model_has_a_part_nearly_to_itself(dear, cheap):
    """What costs as much as eight others is in a part with none of them, wherever it is in the file."""
    models = [*(ModelSpec(f"m{i}", **cheap) for i in range(4)), ModelSpec("dear", **dear)]
    models += [ModelSpec(f"m{i}", **cheap) for i in range(4, 8)]
    files = [DatasetSpec(f"d{i}") for i in range(8)]
    parts = [[spec.model for spec in select_part(f"{number}/2", models, files)[0]] for number in (1, 2)]
    assert parts == [["dear"], [f"m{i}" for i in range(8)]]


def test_sizes_count_only_where_all_are_given():
    models = [ModelSpec("m0", size_b=70.0), ModelSpec("m1"), ModelSpec("m2"), ModelSpec("m3")]
    assert [spec.model for spec in select_part("1/2", models, [DatasetSpec("d")])[0]] == ["m0", "m2"]
