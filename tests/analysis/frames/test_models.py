import pytest

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.over_models.models import across_models, with_total, with_values

MODELS = ("a", "b", "c")


def test_layers_checkpoints_settings_and_seeds_are_not_models(make_row, make_frame):
    rows = [make_row(model=model) for model in MODELS]
    rows += [make_row(model="a", layer=layer) for layer in (1, 2, 3)]
    rows += [make_row(model="a", stage="tune", step=step, run=f"a-{step}") for step in (10, 20)]
    rows += [make_row(model=model, tau=tau) for model in MODELS for tau in (0.2, 0.4)]
    rows += [make_row(model="a", pooling=pooling) for pooling in ("max", "last")]
    rows += [make_row(model="a", recipe='{"seed": 1}'), make_row(model="b", run="again")]
    found = across_models(make_frame(rows))
    assert found.frame["model"].to_list() == list(MODELS)
    assert found.frame.select("layer", "stage", "tau", "pooling").unique().rows() == [(4, None, 0.3, "mean")]
    assert (found.failed, found.other_setting, found.left_out()) == (0, 0, "")


def test_the_setting_is_the_preferred_estimators_and_that_of_most_models(make_row, make_exact, make_frame):
    rows = [make_row(model=model, tau=0.2) for model in MODELS] + [make_row(model="d", tau=0.3)]
    found = across_models(make_frame(rows))
    assert (found.frame["model"].to_list(), found.other_setting) == (["a", "b", "c"], 1)
    assert found.left_out() == "Left out (pairs of model and dataset): 1 measured with a different setting."
    exact = make_frame([*rows, make_exact(model="a"), make_exact(model="b")])
    assert across_models(exact).frame["estimator"].to_list() == ["exact", "exact"]
    assert across_models(exact).other_setting == 2
    assert across_models(exact, "batch").frame["model"].to_list() == ["a", "b", "c"]


def test_datasets_can_have_different_settings(make_exact, make_frame):
    rows = [make_exact("demo-sight", model=model, strata="none") for model in MODELS]
    rows += [make_exact("demo-blend", model=model, strata="options") for model in MODELS]
    assert across_models(make_frame(rows)).frame.height == 6


def test_failed_fits_are_counted_and_not_replaced_by_an_earlier_checkpoint(make_row, make_frame):
    rows = [
        make_row(model="a", stage="tune", step=10),
        make_row(model="a", stage="tune", step=20, result="invalid_run"),
    ]
    found = across_models(make_frame([*rows, make_row(model="b")]))
    assert (found.frame["model"].to_list(), found.failed) == (["b"], 1)
    assert "1 failed" in found.left_out()


def test_of_two_runs_the_one_that_succeeded_counts(make_row, make_frame):
    rows = [make_row(run="1", result="nonfinite_loss"), make_row(run="2"), make_row(run="3")]
    found = across_models(make_frame(rows))
    assert (found.frame["run"].to_list(), found.failed) == (["2"], 0)


def test_shares_of_next_to_nothing_and_without_synergy_do_not_count(make_row, make_exact, make_frame):
    rows = [make_row(model="a"), make_row(model="b", atoms=(0.01, 0.01, 0.01, 0.01))]
    rows.append(make_row(model="c", result="joint_knows_less"))
    assert with_total(across_models(make_frame(rows)).frame)["model"].to_list() == ["a"]


def test_a_column_without_a_value_is_named(make_row, make_frame):
    frame = across_models(make_frame([make_row(accuracy=None)])).frame
    with pytest.raises(NothingToShowError, match="column `accuracy`"):
        with_values(frame, ["synergy", "accuracy"])
    with pytest.raises(NothingToShowError, match="No fit succeeded"):
        with_values(frame.clear(), ["accuracy"])
