import pytest

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError
from pid_lvlm.data.names import ATOMS

NO_INTERVAL = {f"{atom}_{end}": None for atom in ATOMS for end in ("low", "high")}


def plotted(results):
    specification = figures.uncertainties(results).to_dict(validate=True)
    rows = specification["datasets"][specification["data"]["name"]]
    return {(row["series"], row["cause"]): row["bits"] for row in rows if row["dataset"] == "demo-blend"}


def test_each_interval_says_what_it_covers(both_estimators):
    table = tables.interval_meanings(both_estimators)
    found = table.select("interval", "estimators", "rows", "median_width", "largest_width").rows()
    assert [row[:3] for row in found] == [
        ("certified", "exact", 5),
        ("items", "exact", 5),
        ("seeds", "batch", 5),
        ("reconciliation", "exact", 5),
    ]
    assert [row[3] for row in found] == pytest.approx([6e-4, 0.08, 0.04, 0.01])
    assert table["covers"].n_unique() == table["not_covered"].n_unique() == 4
    assert table["columns"].to_list()[1:] == ["{atom}_low to {atom}_high"] * 2 + ["marginals_spread"]


def test_the_widest_atom_counts(make_exact, make_frame):
    rows = [make_exact(model=model, synergy_high=2 + extra) for model, extra in (("a", 0.5), ("b", 0.7), ("c", 1.5))]
    table = tables.interval_meanings(make_frame(rows))
    assert table.filter(interval="items").select("median_width", "largest_width").row(0) == pytest.approx((0.73, 1.53))


def test_uncorrected_intervals_and_those_of_older_tables(make_row, make_exact, make_frame):
    rows = [make_exact(interval="items-uncorrected"), make_row(model="old", interval=None)]
    assert tables.interval_meanings(make_frame(rows))["interval"].to_list() == [
        "certified",
        "items-uncorrected",
        "seeds",
        "reconciliation",
    ]


def test_causes_side_by_side(both_estimators):
    table = tables.uncertainties(both_estimators).filter(dataset="demo-blend")
    exact, batch = table.to_dicts()
    names = ("estimator", "certified", "items", "seeds", "reconciliation", "excess", "largest")
    assert [exact[name] for name in names] == [
        "exact",
        pytest.approx(6e-4),
        pytest.approx(0.08),
        None,
        0.01,
        None,
        "items",
    ]
    assert [batch[name] for name in names] == ["batch", None, None, pytest.approx(0.04), None, 0.02, "seeds"]


def test_the_figure_plots_the_table(both_estimators, make_exact, make_frame):
    small = "demo-llava-small"
    assert plotted(both_estimators) == {
        (f"{small} · exact", "optimisation (certified)"): 0.0006,
        (f"{small} · exact", "sample of items (95 %)"): 0.08,
        (f"{small} · exact", "reconciliation of P(Y)"): 0.01,
        (f"{small} · batch", "seeds of BATCH (95 %)"): 0.04,
        (f"{small} · batch", "bias of BATCH (excess)"): 0.02,
    }
    one = make_frame([make_exact("demo-blend", marginals_spread=None, **NO_INTERVAL)])
    assert plotted(one) == {(small, "optimisation (certified)"): 0.0006}


@pytest.mark.parametrize("function", [tables.interval_meanings, tables.uncertainties, figures.uncertainties])
def test_without_intervals_there_is_nothing_to_show(function, make_row, make_frame, both_estimators):
    for frame in (make_frame([make_row(**NO_INTERVAL)]), make_frame([make_row(result="invalid_run")]), make_frame([])):
        with pytest.raises(NothingToShowError, match="interval"):
            function(frame)
    with pytest.raises(ResultTableError, match="no column `synergy_certified_low`"):
        function(both_estimators.drop("synergy_certified_low"))
