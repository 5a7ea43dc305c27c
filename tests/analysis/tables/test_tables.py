import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.data.names import ATOMS


def test_summary_has_one_row_per_model_and_dataset(five_tasks):
    summary = tables.summary(five_tasks)
    assert summary.height == 5
    assert set(ATOMS) <= set(summary.columns)


def test_ground_truth_has_one_row_per_atom_and_judges_the_dominant_one(make_row, make_frame):
    ground_truth = tables.ground_truth(make_frame([make_row("demo-fusion", atoms=(0.0, 0.02, -0.3, 1.9))]))
    assert ground_truth["atom"].to_list() == list(ATOMS)
    assert ground_truth["judged"].to_list() == [False, False, False, True]
    assert ground_truth["within"].to_list() == [True, True, False, True]
    assert ground_truth["difference"].to_list() == pytest.approx([0.0, 0.02, -0.3, -0.1])


def test_a_mixture_is_judged_on_every_atom_with_a_wider_tolerance(make_row, make_frame):
    ground_truth = tables.ground_truth(make_frame([make_row("demo-blend", atoms=(0.12, 0.4, 0.35, 0.45))]))
    assert ground_truth["judged"].all()
    assert ground_truth["within"].all()
    assert ground_truth["tolerance"].unique().to_list() == [0.2]


def test_ground_truth_without_a_known_truth_says_so(make_row, make_frame):
    with pytest.raises(NothingToShowError, match="known ground truth"):
        tables.ground_truth(make_frame([make_row("mmbench")]))


def test_failed_lists_what_went_wrong(make_row, make_frame):
    failed = tables.failed(make_frame([make_row(), make_row(result="nonfinite_loss", layer=2)]))
    assert failed.select("layer", "result").rows() == [(2, "nonfinite_loss")]


def test_steps_are_in_numerical_order(make_row, make_frame):
    places = [("tune", 40), ("align", 240), ("align", 15), ("align", 100)]
    rows = [make_row(stage=stage, step=step, uniform_both=0.9) for stage, step in places]
    assert tables.diagnostics(make_frame(rows))["step"].to_list() == [15, 100, 240, 40]
    failed = [row | {"result": "nonfinite_loss"} for row in rows]
    assert tables.failed(make_frame(failed))["step"].to_list() == [15, 100, 240, 40]


@pytest.mark.parametrize(
    ("column", "fine", "beyond"),
    [
        ("uniform_vision_only", 0.2, 0.21),
        ("marginal_mismatch", 0.05, 0.06),
        ("sinkhorn_error", 0.01, 0.02),
        ("synergy_raw", -0.05, -0.06),
        ("synergy_sd", 0.1, 0.11),
    ],
)
def test_diagnostics_name_the_diagnostic_beyond_its_limit(make_row, make_frame, column, fine, beyond):
    assert tables.diagnostics(make_frame([make_row(**{column: fine})])).is_empty()
    diagnostics = tables.diagnostics(make_frame([make_row(**{column: beyond})]))
    assert diagnostics.select("diagnostic", "value").rows() == [(column, beyond)]


def test_issues_count_fits_by_reason(make_row, make_frame):
    rows = [make_row(result="nonfinite_loss"), make_row(marginal_mismatch=0.3), make_row(marginal_mismatch=0.06)]
    found = tables.issues(make_frame([*rows, make_row(layer=2, uniform_both=0.9), make_row()]))
    assert found.select("num_fits", "worst", "limit").rows() == [(1, None, None), (2, 0.3, 0.05)]
    assert found["what"].to_list()[0] == "failed: nonfinite_loss"
    assert "P(Y) differs" in found["what"].to_list()[1]
    assert tables.issues(make_frame([make_row()])).is_empty()
