"""The driver of the demo: what it runs, and what becomes of its steps' exit codes."""

import sys
from pathlib import Path

import pytest

from pid_lvlm.data.demo import __main__ as demo


def test_the_steps_are_the_three_commands_and_the_check():
    steps = demo.steps(Path("out"), Path("sweep.toml"), 400, 2)
    assert [step.name for step in steps] == ["extract", "estimate and items", "report", "check"]
    parts = [command[command.index("--part") + 1] for command in steps[0].commands]
    assert parts == [f"{i}/{len(parts)}" for i in range(1, len(parts) + 1)]
    assert all(command[command.index("--limit") + 1] == "400" for command in steps[0].commands)
    assert "--seeds 2" in " ".join(steps[1].commands[0])


def test_items_are_those_of_the_final_checkpoints(tmp_path):
    assert demo.final_runs(tmp_path, demo.HERE / "sweep.toml") == [str(tmp_path / "*__tune-4000")]
    odd = tmp_path / "odd.toml"
    for text in ("models = [1]", '[[models]]\nmodel = "m"\nfinal = true', "models", ""):
        odd.write_text(text)
        assert demo.final_runs(tmp_path, odd) == [str(tmp_path)]
    of = {step.name: step for step in demo.steps(tmp_path, odd, None, 1)}
    estimate, written = of["estimate and items"].commands
    (read,) = of["report"].commands
    assert written[written.index("--pointwise") + 1] == read[read.index("--pointwise") + 1]
    influences = estimate[estimate.index("--pointwise") + 1]
    assert read.count("--pointwise") == 2
    assert influences in read
    assert influences != written[written.index("--pointwise") + 1]
    without = demo.steps(tmp_path, odd, None, 1, items=False)
    assert not any("--pointwise" in command for step in without for command in step.commands)
    assert [step.name for step in without] == ["extract", "estimate", "report", "check"]


def test_crossed_pairs_are_those_of_the_models_that_have_them(tmp_path):
    steps = demo.steps(tmp_path, demo.HERE / "sweep.toml", None, 1)
    assert [step.name for step in steps] == ["extract", "estimate and items", "crossed", "report", "check"]
    runs, out = (steps[2].commands[0][place] for place in (1, 3))
    assert runs == str(tmp_path / "runs" / "demo-llava-small__*__tune-4000")
    assert out == steps[1].commands[0][3]
    assert "--overwrite" not in steps[2].commands[0]
    alone = demo.steps(tmp_path, demo.HERE / "sweep.toml", None, 1, items=False)
    assert [step.name for step in alone] == ["extract", "estimate", "crossed", "report", "check"]


def test_commands_side_by_side_write_different_files_and_one_of_them_speaks(tmp_path):
    for step in demo.steps(tmp_path, demo.HERE / "sweep.toml", None, 1):
        assert [("--quiet" in command) for command in step.commands] == [False] + [True] * (len(step.commands) - 1)
        if step.name != "extract":  # whose processes take parts of the runs
            outs = [command[command.index("--out") + 1] for command in step.commands if "--out" in command]
            assert len(set(outs)) == len(outs)
            assert bool(step.about) == (len(step.commands) > 1)


def test_losses_are_those_of_the_models_of_the_sweep(tmp_path):
    def reported() -> list[str]:
        (report,) = next(
            step for step in demo.steps(tmp_path / "out", sweep, None, 1) if step.name == "report"
        ).commands
        return [report[place + 1] for place, word in enumerate(report) if word == "--losses"]

    sweep = tmp_path / "sweep.toml"
    sweep.write_text("".join(f'[[models]]\nname = "{name}"\n' for name in ("a", "b", "b", "c")))
    assert reported() == []
    for folder, record in {
        "first": '{"recipe": {"name": "b"}}',
        "second": '{"recipe": {"name": "a"}}',
        "other": '{"recipe": {"name": "d"}}',
        "broken": "{",
        "odd": '["recipe"]',
        "none": None,
    }.items():
        (tmp_path / "training" / folder).mkdir(parents=True)
        (tmp_path / "training" / folder / "losses.jsonl").write_text("")
        if record is not None:
            (tmp_path / "training" / folder / "training.json").write_text(record)
    assert reported() == [str(tmp_path / "training" / folder) for folder in ("first", "second")]
    (tmp_path / "training" / "first" / "losses.jsonl").unlink()
    assert reported() == [str(tmp_path / "training" / "second")]


def test_commands_run_with_this_interpreter():
    assert demo.runnable(("python", "-m", "pid_lvlm.analysis.check", "t"))[:3] == [
        sys.executable,
        "-m",
        "pid_lvlm.analysis.check",
    ]
    assert demo.runnable(("pid-report", "t"))[0] == sys.executable
    assert demo.run_together([("python", "-c", "pass")]) == 0


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(3)", 3), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1)],
)
def test_one_failure_among_processes_is_seen(program, code):
    assert demo.run_together([("python", "-c", "pass"), ("python", "-c", program)]) == code


def test_a_failed_step_ends_the_demo(tmp_path, capfd):
    missing = tmp_path / "none.toml"
    assert demo.demo(tmp_path / "out", missing) == 2
    captured = capfd.readouterr().err
    assert "does not exist" in captured
    assert "demo: step `extract` ended with exit code 2" in captured
    assert "Traceback" not in captured
