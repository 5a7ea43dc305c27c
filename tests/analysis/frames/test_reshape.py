import pytest

from pid_lvlm.analysis.frames.checkpoints import checkpoints
from pid_lvlm.analysis.frames.reshape import atoms_long, final_checkpoint, finals, shallow_repeats, with_series


def test_stages_come_in_training_order_then_steps(trained):
    assert checkpoints(trained)["checkpoint"].to_list() == [
        "align 400",
        "align 1200",
        "tune 200",
        "tune 400",
        "tune 800",
    ]
    assert checkpoints(trained)["opens_stage"].to_list() == [True, False, True, False, False]


def test_unknown_stages_follow_the_known_ones_alphabetically(make_row, make_frame):
    frame = make_frame([make_row(stage=stage, step=1) for stage in ("zeta", "tune", "beta", None)])
    assert checkpoints(frame)["checkpoint"].to_list() == ["1", "tune 1", "beta 1", "zeta 1"]


def test_the_last_step_of_the_last_stage_is_final(trained):
    assert final_checkpoint(with_series(trained))["run"].to_list() == ["tune-800"]


def test_a_finished_model_goes_before_its_checkpoints(trained, make_row, make_frame):
    frame = trained.vstack(make_frame([make_row(run="finished")]))
    assert finals(frame)["run"].to_list() == ["finished"]


def test_a_failed_final_checkpoint_is_not_replaced_by_an_earlier_one(make_row, make_frame):
    frame = make_frame([make_row(stage="tune", step=1), make_row(stage="tune", step=2, result="nonfinite_loss")])
    assert finals(frame).is_empty()


def test_settings_that_vary_enter_the_series(make_row, make_frame):
    frame = with_series(make_frame([make_row(tau=0.3), make_row(tau=0.5)]))
    assert frame["series"].to_list() == ["demo-llava-small · τ 0.3", "demo-llava-small · τ 0.5"]


def test_a_second_run_of_the_same_checkpoint_is_told_apart(make_row, make_frame):
    frame = with_series(make_frame([make_row(run="a"), make_row(run="b")]))
    assert frame["series"].to_list() == ["demo-llava-small", "demo-llava-small · run b"]


def test_a_second_recipe_of_the_same_run_is_told_apart(make_row, make_frame):
    frame = with_series(make_frame([make_row(recipe="{}"), make_row(recipe='{"epochs": 9}')]))
    assert frame["series"].n_unique() == 2


def test_of_two_runs_of_a_checkpoint_the_one_with_more_layers_is_shown(make_row, make_frame):
    deep = [make_row(layer=layer, run="deep", stage="tune", step=800) for layer in range(1, 5)]
    frame = make_frame([*deep, make_row(run="shallow", stage="tune", step=800)])
    assert finals(frame)["run"].to_list() == ["deep"]
    assert shallow_repeats(frame)["run"].to_list() == ["shallow"]


def test_long_form_keeps_every_value_of_every_atom(five_tasks):
    long = atoms_long(five_tasks)
    assert long.height == 20
    blend = long.filter(dataset="demo-blend", atom="synergy").row(0, named=True)
    assert (blend["estimate"], blend["ground_truth"], blend["symbol"]) == (0.45, 0.45, "S")
    assert blend["low"] == pytest.approx(0.43)
    assert "synergy" not in long.columns


def test_models_whose_stages_have_names_of_their_own_all_have_a_final_checkpoint(make_row, make_frame):
    frame = make_frame([make_row(model=f"m{i}", stage=f"stage {i}", step=i) for i in range(4)])
    assert final_checkpoint(with_series(frame))["model"].to_list() == ["m0", "m1", "m2", "m3"]
