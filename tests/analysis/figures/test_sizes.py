import pytest

from pid_lvlm.analysis import figures
from pid_lvlm.analysis.figures.base import cell_width
from pid_lvlm.analysis.figures.sizes import ONE_COLUMN, SIZES, TWO_COLUMNS, current, sized


def test_a_size_holds_inside_its_block_only():
    with sized("one-column") as size:
        assert size is current() is ONE_COLUMN
    assert current().name == "screen"
    with pytest.raises(ValueError, match="expected one of screen, two-columns, one-column"), sized("poster"):
        pass


def test_panels_get_narrower_and_a_label_is_as_large_in_both_sizes_of_print(five_tasks):
    widths = []
    for name in SIZES:
        with sized(name):
            widths.append(cell_width(4, 100))
    assert widths == sorted(widths, reverse=True)
    units = [size.millimetres / size.pixels for size in (ONE_COLUMN, TWO_COLUMNS)]
    assert units[0] == pytest.approx(units[1], rel=0.01)


def test_panels_of_datasets_are_in_rows_where_one_row_is_too_wide(five_tasks):
    facets = {}
    for name in SIZES:
        with sized(name):
            facets[name] = figures.spectrum(five_tasks).to_dict(validate=True)
    assert list(facets["screen"]["facet"]) == ["column"]
    assert (facets["one-column"]["facet"]["field"], facets["one-column"]["columns"]) == ("dataset", 2)
    assert facets["one-column"]["config"]["axis"]["labelLimit"] == ONE_COLUMN.label


def test_long_names_of_datasets_are_broken_where_panels_are_narrow(layered):
    with sized("one-column"):
        header = figures.layers(layered).to_dict()["facet"]["column"]["header"]
    assert "labelExpr" not in header
    with sized("one-column"):
        header = figures.base.dataset_column(["demo-agreement", "demo-sight"], 44).to_dict()["header"]
    assert header["labelExpr"].startswith("split(datum.label")
