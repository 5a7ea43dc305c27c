import json

from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.analysis import figures
from pid_lvlm.analysis.report.page.columns import Columns, shared

VALUES = st.one_of(st.none(), st.text(max_size=3), st.integers(-9, 9), st.floats(allow_nan=False), st.booleans())
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=12)


def _rows(columns, numbers):
    """What page.js makes of them."""
    packed = {name: columns.content[number] for name, number in numbers.items()}
    values = {
        name: column if isinstance(column, list) else [column["values"][code] for code in column["codes"]]
        for name, column in packed.items()
    }
    length = len(next(iter(values.values()), []))
    return [{name: column[row] for name, column in values.items()} for row in range(length)]


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_rows_come_back(tables):
    columns = Columns()
    for rows in tables:
        names = dict.fromkeys(name for row in rows for name in row)
        found = _rows(columns, columns.add(rows))
        expected = [{name: row.get(name) for name in names} for row in rows] if names else []
        assert json.dumps(found) == json.dumps(expected)


def test_charts_of_the_same_fits_share_their_columns(five_tasks):
    columns = Columns()
    specification = figures.spectrum(five_tasks).to_dict()
    first = shared(specification, columns)
    held = len(columns.content)
    assert shared(figures.spectrum(five_tasks, order="synergy").to_dict(), columns)["datasets"]
    assert len(columns.content) < 2 * held
    assert shared(specification, columns) == first
    name = first["data"]["name"]
    assert _rows(columns, first["datasets"][name]) == specification["datasets"][name]
    assert "$schema" not in first
