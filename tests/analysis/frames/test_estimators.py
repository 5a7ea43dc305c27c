import polars as pl
import pytest

from pid_lvlm.analysis.frames.estimators import SWEEP, one_estimator
from pid_lvlm.analysis.frames.load import failed_fits, successful
from pid_lvlm.analysis.frames.reshape import atoms_long, finals, reported, with_series
from pid_lvlm.data.names import ATOMS


@pytest.mark.parametrize("estimator", ["exact", "batch"])
def test_each_problem_is_shown_once_and_named_after_its_model(both_estimators, estimator):
    final = finals(both_estimators, estimator)
    assert final.height == 5
    assert final["estimator"].unique().to_list() == [estimator]
    assert final["series"].unique().to_list() == ["demo-llava-small"]


def test_what_only_one_estimator_solved_is_shown_by_it_and_says_so(make_row, make_exact, make_frame):
    frame = finals(make_frame([make_row(), make_exact(), make_row("demo-sight", model="other")]))
    assert frame.select("series", "dataset").rows() == [
        ("demo-llava-small · exact", "demo-fusion"),
        ("other · batch", "demo-sight"),
    ]


def test_a_failed_exact_fit_is_not_replaced_by_batch(make_row, make_exact, make_frame):
    frame = make_frame([make_row(), make_exact(result="marginals_unreachable")])
    assert finals(frame).is_empty()
    assert failed_fits(frame)["estimator"].to_list() == ["exact"]
    assert finals(frame, "batch").height == 1


def test_a_curve_is_of_one_estimator_which_has_all_its_layers(make_row, make_exact, make_frame):
    layers = [make_row(layer=layer) for layer in (1, 2, 3, 4)]
    last = make_frame([*layers, make_exact(layer=4)])
    assert one_estimator(last, of=SWEEP)["estimator"].to_list() == ["batch"] * 4
    assert one_estimator(last)["estimator"].to_list() == ["batch"] * 3 + ["exact"]
    every = make_frame([*layers, *(make_exact(layer=layer) for layer in (1, 2, 3, 4))])
    assert one_estimator(every, of=SWEEP)["estimator"].to_list() == ["exact"] * 4


def test_settings_that_only_one_estimator_has_do_not_enter_the_other_s_name(make_row, make_exact, make_frame):
    frame = with_series(
        make_frame([make_row(), make_exact(), make_exact(strata="none"), make_exact(marginals="rescale")])
    )
    assert frame["series"].to_list() == [
        "demo-llava-small · batch",
        "demo-llava-small · exact · marginals tilt · strata options",
        "demo-llava-small · exact · marginals tilt · strata none",
        "demo-llava-small · exact · marginals rescale · strata options",
    ]


def test_results_that_ask_for_care_are_usable(make_exact, make_frame):
    careful = [make_exact(result=result) for result in ("wide_interval", "joint_knows_less")]
    frame = make_frame([*careful, make_exact(result="marginals_unreachable")])
    assert successful(frame)["result"].to_list() == ["wide_interval", "joint_knows_less"]
    assert failed_fits(frame)["result"].to_list() == ["marginals_unreachable"]


def test_synergy_is_not_reported_where_the_joint_knows_less(make_exact, make_frame):
    long = atoms_long(reported(make_frame([make_exact("demo-blend", result="joint_knows_less")])))
    synergy = long.filter(atom="synergy").row(0, named=True)
    values = ("estimate", "raw", "low", "high", "corrected", "certified_low", "certified_high")
    assert [synergy[name] for name in values] == [None] * len(values)
    assert synergy["ground_truth"] == 0.45
    assert long["share"].null_count() == len(ATOMS)
    assert long.filter(pl.col("atom") != "synergy")["raw"].to_list() == [0.3, 0.4, 0.35]
