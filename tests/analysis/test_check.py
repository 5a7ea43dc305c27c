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
