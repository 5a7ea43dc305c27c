"""The study of what intervals over items cover: its populations, its command, and (slow) its result."""

import json

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.inputs.populations import families
from pid_jax.information import AtomsInBits

LEAST = 0.87
"""Five binomial standard deviations below 0.95, at 200 repetitions."""


@pytest.mark.slow
def test_the_command_continues_from_what_it_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "AT_ONCE", 1)
    kept = tmp_path / "kept.jsonl"
    command = ["--families", "table", "--options", "4", "--rows", "32", "--grouped", "yes", "--keep", str(kept)]
    assert coverage.main([*command, "--repetitions", "2", "--json"]) == 0
    kept.write_text(kept.read_text() + '{"key": {"opt')  # the process ended while it wrote
    assert coverage.main([*command, "--repetitions", "3", "--json"]) == 0
    printed = capsys.readouterr().out.splitlines()
    cells = json.loads(printed[-1])["cells"]
    names = [(cell["population"], cell["method"]) for cell in cells]
    assert len(names) == len(set(names)) == 6
    for cell in cells:
        assert cell["grouped"]
        assert cell["samples"] == 3
        assert set(cell["covers_truth"]) == set(AtomsInBits._fields)
        assert set(cell["covers_truth"].values()) <= {0.0, 0.3333, 0.6667, 1.0}
    monkeypatch.setattr(coverage, "_solved", None)  # all is kept
    assert coverage.main([*command, "--repetitions", "3"]) == 0
    found = capsys.readouterr()
    assert found.out.splitlines()[2:] == coverage.table(cells)[2:]
    assert "(4, 'table', True): 100%" in found.err


def test_the_table_marks_what_is_covered_too_rarely_or_too_often():
    ends = {"low": -1.0, "high": 1.0}
    rows = np.array([[ends["low"]] * 4 + [ends["high"]] * 4 + [0.01 * sample] * 4 + [1.0] for sample in range(10)])
    truth = np.array([0.0, 2.0, -1.0, 1.0])
    cell = {"options": 4, "grouped": True, "population": "one", **coverage._summary(rows, truth)}
    lines = coverage.table([{**cell, "method": method} for method in coverage.METHODS])
    assert lines[2].startswith("| one | 4 | 4 | 10 | **100** | **0** | **100** | **100** | 0-100 | -1.955 | ")


@pytest.mark.parametrize("options", [2, 4, 6])
def test_populations_have_one_distribution_of_answers_and_grouped_items_share_source_1(options):
    for family in families(options).values():
        for items in family.draw((3,), 20_000, grouped=False).values():
            first, second, pair = (part.mean(0) for part in items[:3])
            np.testing.assert_allclose(first, pair, atol=0.02)
            np.testing.assert_allclose(second, pair, atol=0.02)
        for items in family.draw((4,), 8, grouped=True).values():
            np.testing.assert_array_equal(items.first[:4], items.first[[0] * 4])
            assert (items.first[0] != items.first[4]).any() or not {"table", "skewed"}.isdisjoint(family.models)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("family", "options", "grouped"),
    [("table", 2, False), ("table", 4, True)],
)
def test_the_default_interval_covers_the_large_n_atoms(family, options, grouped):
    """Some cells of the study; docs/accuracy.md has more, and one that is covered too rarely."""
    cells = coverage.study(families(options)[family], coverage.Sampling(200, 252, 2e-3, 7), grouped=grouped)
    for cell in cells:
        if cell["method"] == "items":
            assert min(cell["covers_truth"].values()) >= LEAST, cell
