import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.report.laid_out.over_models import correlations_table, regimes_table, scaling_table


@pytest.fixture
def six(make_row, make_frame):
    """Six models of one family, five of which have a known synergy; accuracy rises with it."""
    rows = [
        make_row(
            "pope",
            (0, 0, 0.4 - i / 20, 0.6 + i / 20),
            model=f"m{i}",
            family="llava",
            size_b=float(i + 1),
            accuracy=i / 10,
        )
        for i in range(6)
    ]
    rows[0]["result"] = "joint_knows_less"
    return make_frame(rows)


def _texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_regimes_have_their_intervals_and_what_is_left_out(six):
    (row,) = _texts(regimes_table(tables.regimes(six)))
    assert row[:2] == ["pope", "synergy-driven"]
    assert row[2].startswith("75.0 [")
    assert row[-1] == "5 (1 left out)"
    (few,) = _texts(regimes_table(tables.regimes(six.head(3))))
    assert few[1:] == ["not enough data", "67.5", "32.5", "35.0", "2 (1 left out)"]


def test_correlations_are_one_row_per_dataset(six):
    table = correlations_table(tables.correlations(six))
    assert table.headings == ["dataset", "S", "U2", "I(X1,X2;Y)", "I(X1;X2;Y)", "models"]
    assert _texts(table) == [["pope", "1.00, p = 0.017", "-1.00, p = 0.003", "–", "–", "5 to 6"]]
    assert [cell.style for cell in table.rows[0]] == ["", "strong", "strong", "", "", ""]


def test_scaling_has_signs(six):
    rows = _texts(scaling_table(tables.scaling(six)))
    assert rows[0] == ["llava", "2 → 3", "+10.0", "+5.0", "-5.0", "1"]
    assert len(rows) == 4
