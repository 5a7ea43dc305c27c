"""The study of what intervals over items cover: its populations, its command, and (slow) its result."""

import json

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.populations import families
from pid_jax.information import AtomsInBits

LEAST = 0.87
"""Five binomial standard deviations below 0.95, at 200 repetitions."""


@pytest.mark.slow
def test_the_command_prints_every_cell_once(capsys):
    size = ("--options", "4", "--repetitions", "2", "--rows", "32")
    assert coverage.main(["--families", "table", *size, "--grouped", "yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [(cell["population"], cell["method"]) for cell in found["cells"]]
    assert len(names) == len(set(names)) == 6
    for cell in found["cells"]:
        assert cell["grouped"]
        assert set(cell["covers_truth"]) == set(AtomsInBits._fields)
        assert set(cell["covers_truth"].values()) <= {0.0, 0.5, 1.0}


@pytest.mark.parametrize("options", [2, 4, 6])
def test_populations_have_one_distribution_of_answers_and_grouped_items_share_source_1(options):
    for family in families(options).values():
        for items in family.draw((3,), 20_000, grouped=False).values():
            first, second, pair = (part.mean(0) for part in items[:3])
            np.testing.assert_allclose(first, pair, atol=0.02)
            np.testing.assert_allclose(second, pair, atol=0.02)
        for items in family.draw((4,), 8, grouped=True).values():
            np.testing.assert_array_equal(items.first[:4], items.first[[0] * 4])
            assert (items.first[0] != items.first[4]).any() or "table" in family.models


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("family", "options", "grouped"),
    [("table", 2, False), ("table", 4, True)],
)
def test_the_default_interval_covers_the_large_n_atoms(family, options, grouped):
    """Some cells of the study; docs/accuracy.md has more, and one that is covered too rarely."""
    cells = coverage.study(families(options)[family], 200, 252, 2e-3, 7, grouped=grouped)
    for cell in cells:
        if cell["method"] == "items":
            assert min(cell["covers_truth"].values()) >= LEAST, cell
