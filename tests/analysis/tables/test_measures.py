import pytest
from scipy import stats

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError

TERMS = {
    "a": {"broja": 0.30, "mmi": 0.35, "imin": 0.20, "i_vision": 0.40, "i_language": 0.35, "i_joint": 1.5},
    "b": {"broja": 0.20, "mmi": 0.40, "imin": 0.25, "i_vision": 0.45, "i_language": 0.40, "i_joint": 1.2},
    "c": {"broja": 0.10, "mmi": 0.10, "imin": 0.10, "i_vision": 0.10, "i_language": 0.90, "i_joint": 1.1},
}
"""Redundancies and information terms of three models, in bits."""


@pytest.fixture
def three(make_exact, make_frame):
    """The models of `TERMS` as a result table; columns can be replaced."""

    def make(**columns):
        rows = []
        for model, has in TERMS.items():
            own = has["broja"]
            unique = (has["i_vision"] - own, has["i_language"] - own)
            atoms = (own, *unique, has["i_joint"] - own - sum(unique))
            terms = {name: has[name] for name in ("i_vision", "i_language", "i_joint")}
            others = {"redundancy_mmi": has["mmi"], "redundancy_imin": has["imin"]}
            rows.append(make_exact("d", atoms, model=model, **terms | others | columns))
        return make_frame(rows)

    return make


def test_atoms_of_three_measures(three):
    table = tables.other_measures(three())
    first = table.filter(model="a").drop("model", "dataset")
    assert first["measure"].to_list() == ["BROJA", "MMI", "I_min"]
    expected = {
        "BROJA": (0.30, 0.10, 0.05, 1.05),
        "MMI": (0.35, 0.05, 0.0, 1.10),
        "I_min": (0.20, 0.20, 0.15, 0.95),
    }
    for row in first.rows():
        assert row[1:5] == pytest.approx(expected[row[0]])
    assert first["largest"].to_list() == ["synergy"] * 3
    assert table.filter(model="c")["largest"].to_list() == ["unique_language"] * 3


def test_which_orders_survive(three):
    table = tables.surviving_conclusions(three()).drop("dataset")
    redundancy, _, language, synergy, largest = table.to_dicts()
    # BROJA a > b > c; MMI b > a > c; I_min b > a > c
    assert {**redundancy, "kendall_mmi": None, "kendall_imin": None} == {
        "conclusion": "order of two models by redundancy",
        "num_models": 3,
        "cases": 3,
        "survive_mmi": 2,
        "survive_imin": 2,
        "survive_both": 2,
        "kendall_mmi": None,
        "kendall_imin": None,
    }
    assert redundancy["kendall_mmi"] == pytest.approx(stats.kendalltau([0.3, 0.2, 0.1], [0.35, 0.4, 0.1]).statistic)
    # MMI gives both a and b no U2 at all, so that their order by U2 does not survive
    assert (language["cases"], language["survive_mmi"], language["survive_imin"]) == (3, 2, 2)
    assert (synergy["survive_mmi"], synergy["survive_imin"], synergy["survive_both"]) == (3, 3, 3)
    assert [largest[name] for name in ("cases", "survive_both", "kendall_mmi")] == [3, 3, None]


def test_an_order_does_not_survive_a_tie(three):
    row = tables.surviving_conclusions(three(redundancy_mmi=0.1)).row(0, named=True)
    assert (row["cases"], row["survive_mmi"], row["kendall_mmi"], row["survive_imin"]) == (3, 0, None, 2)


def test_pairs_that_broja_does_not_tell_apart_do_not_count(three):
    wide = {"redundancy_certified_low": 0.0, "redundancy_certified_high": 0.5}
    row = tables.surviving_conclusions(three(**wide)).row(0, named=True)
    assert (row["num_models"], row["cases"], row["survive_both"]) == (3, 0, 0)


def test_synergy_that_is_not_reported_has_no_order(three):
    frame = three(result="joint_knows_less")
    assert tables.other_measures(frame)["synergy"].null_count() == 9
    table = tables.surviving_conclusions(frame)
    assert table["num_models"].to_list() == [3, 3, 3, 0, 0]


def test_settings_are_not_models(three, make_frame):
    frame = three()
    again = frame.with_columns(tau=0.4, problem_id="again-" + frame["problem_id"])
    assert tables.surviving_conclusions(frame.vstack(again)).equals(tables.surviving_conclusions(frame))


def test_one_model_or_no_other_measure_is_not_enough(three, five_tasks, make_exact, make_frame):
    with pytest.raises(NothingToShowError, match="two models"):
        tables.surviving_conclusions(three().head(1))
    for function in (tables.other_measures, tables.surviving_conclusions):
        for frame in (five_tasks, three(result="invalid_run"), three(redundancy_imin=None), five_tasks.clear()):
            with pytest.raises(NothingToShowError, match="another measure"):
                function(frame)
        with pytest.raises(ResultTableError, match="no column `redundancy_mmi`"):
            function(three().drop("redundancy_mmi"))
