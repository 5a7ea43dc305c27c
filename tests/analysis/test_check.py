import pytest

from pid_lvlm.analysis.check import main


@pytest.fixture
def checked(tmp_path, make_frame, monkeypatch, capsys):
    """Check a table of the given rows; returns exit code, stdout and stderr."""

    def check(*rows):
        path = tmp_path / "results.parquet"
        make_frame(list(rows)).write_parquet(path)
        monkeypatch.setattr("sys.argv", ["check", str(path)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return check


def test_estimates_near_the_truth_pass_and_are_shown(checked, make_row):
    code, out, err = checked(make_row("demo-fusion", atoms=(0.0, 0.0, 0.1, 1.9)), make_row("demo-blend"))
    assert (code, err) == (0, "")
    assert "2.00 → 1.90*" in out
    assert "\x1b" not in out


def test_a_dominant_atom_too_far_off_fails_by_name(checked, make_row):
    code, out, err = checked(make_row("demo-sight", atoms=(0.0, 1.8, 0.0, 0.0)), make_row("demo-fusion"))
    assert code == 1
    assert "OFF" in out
    assert err == "off: demo-llava-small on demo-sight: unique_vision is off by -0.200 bits (allowed 0.15)\n"


def test_in_a_mixture_every_atom_counts(checked, make_row):
    assert checked(make_row("demo-blend", atoms=(0.12, 0.4, 0.35, 0.45)))[0] == 0
    assert checked(make_row("demo-blend", atoms=(0.05, 0.4, 0.35, 0.45)))[0] == 1


def test_a_minor_atom_does_not_decide(checked, make_row):
    assert checked(make_row("demo-fusion", atoms=(0.0, 0.0, -0.4, 2.0)))[0] == 0


def test_earlier_layers_and_checkpoints_do_not_decide(checked, make_row):
    nothing = (0.0, 0.0, 0.0, 0.01)
    early = [make_row(layer=1, atoms=nothing), make_row(stage="align", step=1, run="early", atoms=nothing)]
    assert checked(make_row(), *early)[0] == 0


def test_a_final_problem_without_an_answer_fails(checked, make_row):
    code, _, err = checked(make_row(), make_row("demo-sight", result="nonfinite_loss"))
    assert code == 1
    assert "demo-sight, layer 4: nonfinite_loss" in err


def test_both_estimators_are_compared_each_with_what_is_known_of_its_error(checked, make_row, make_exact):
    batch = make_row("demo-blend", atoms=(0.14, 0.56, 0.51, 0.29), excess=0.15)
    code, out, err = checked(batch, make_exact("demo-blend"))
    assert (code, err) == (0, "")
    exact_line, interval_line, batch_line = out.splitlines()[2:5]
    assert exact_line.split()[:6] == ["demo-llava-small", "demo-blend", "exact", "0.30", "→", "0.30*"]
    assert interval_line.split()[:2] == ["[0.27,", "0.35]"]
    assert batch_line.split()[-3:] == ["0.15", "0.20", "within"]


@pytest.mark.parametrize(("off", "code"), [(0.09, 0), (0.11, 1)])
def test_the_exact_estimator_may_be_less_off_in_a_mixture(checked, make_row, make_exact, off, code):
    atoms = (0.3 - off, 0.4, 0.35, 0.45)
    found, _, err = checked(make_row("demo-blend", atoms=atoms), make_exact("demo-blend", atoms=atoms))
    assert found == code
    if code:
        assert err == ("off: demo-llava-small on demo-blend, exact: redundancy is off by -0.110 bits (allowed 0.1)\n")


def test_a_truth_inside_the_interval_over_items_is_not_off(checked, make_row, make_exact):
    atoms = (0.1, 0.4, 0.35, 0.45)
    assert checked(make_exact("demo-blend", atoms=atoms, redundancy_high=0.31))[0] == 0
    over_seeds = make_row("demo-blend", atoms=(0.05, 0.4, 0.35, 0.45), redundancy_high=0.31, interval="seeds")
    assert checked(over_seeds)[0] == 1


def test_a_synergy_that_is_not_known_is_not_the_truth(checked, make_exact):
    code, out, err = checked(make_exact("demo-fusion", result="joint_knows_less"))
    assert (code, err) == (1, "off: demo-llava-small on demo-fusion: synergy is not known\n")
    assert "2.00 → –*" in out


def test_a_failed_exact_fit_is_named(checked, make_row, make_exact):
    code, _, err = checked(make_row(), make_exact(result="marginals_unreachable"))
    assert (code, err) == (1, "off: demo-llava-small__demo-fusion, layer 4, exact: marginals_unreachable\n")
