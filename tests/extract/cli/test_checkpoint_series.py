"""A series of checkpoints in one entry of a sweep file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.extract.cli.sweep_file import read_sweep
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import UsageError

Read = Callable[[str], list[ModelSpec]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Models of a sweep file beside four folders and a file."""
    for name in ("checkpoint-100", "checkpoint-20", "checkpoint-3", "checkpoint-best"):
        (tmp_path / "out" / "my-llava" / name).mkdir(parents=True)
    (tmp_path / "out" / "my-llava" / "checkpoint-4").touch()

    def models(text: str) -> list[ModelSpec]:
        path = tmp_path / "sweep.toml"
        path.write_text(text)
        return read_sweep(path, "cpu")[0]

    return models


def test_folders_of_a_pattern_by_their_steps(read: Read, tmp_path: Path) -> None:
    models = read(
        '[[models]]\ncheckpoints = "out/my-llava/checkpoint-*0"\nstage = "tune"\nsize_b = 0.5\nlayers = "last"'
    )
    assert [(spec.step, spec.stage, spec.name, spec.size_b, spec.layers) for spec in models] == [
        (20, "tune", "my-llava", 0.5, "last"),
        (100, "tune", "my-llava", 0.5, "last"),
    ]
    assert models[0].model == str(tmp_path / "out" / "my-llava" / "checkpoint-20")
    assert models[0].run_name("toy") == "my-llava__toy__tune-20"


def test_revisions_of_a_hub_model(read: Read) -> None:
    models = read('[[models]]\nmodel = "org/llava"\nrevisions = ["step-100", "step-20"]\nname = "mine"')
    assert [(spec.model, spec.revision, spec.step, spec.name) for spec in models] == [
        ("org/llava", "step-20", 20, "mine"),
        ("org/llava", "step-100", 100, "mine"),
    ]
    models = read('[[models]]\nmodel = "org/llava"\nrevisions = ["early", "main"]\nsteps = [5, 10]')
    assert [(spec.revision, spec.step, spec.name) for spec in models] == [
        ("early", 5, "org/llava"),
        ("main", 10, "org/llava"),
    ]


def test_steps_that_are_listed_follow_the_numbers_in_the_names(read: Read) -> None:
    """`checkpoint-3` comes before `checkpoint-20` and `checkpoint-100`, unlike in alphabetical order."""
    models = read('[[models]]\ncheckpoints = "out/my-llava/checkpoint-[0-9]*"\nsteps = [30, 200, 1000]')
    assert [(Path(spec.model).name, spec.step) for spec in models] == [
        ("checkpoint-3", 30),
        ("checkpoint-20", 200),
        ("checkpoint-100", 1000),
    ]


def test_a_model_is_a_folder_beside_the_file_or_a_hub_id(read: Read, tmp_path: Path) -> None:
    entries = ("out/my-llava", "org/llava", "./out/gone", str(tmp_path / "out"))
    models = read("".join(f'[[models]]\nmodel = "{entry}"\n' for entry in entries))
    folders = [tmp_path / "out/my-llava", "org/llava", tmp_path / "out/gone", tmp_path / "out"]
    assert [spec.model for spec in models] == [str(folder) for folder in folders]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('checkpoints = "out/step-*"', "entry 1 of models: no folder matches the pattern `out/step-\\*`"),
        ('checkpoints = "out/my-llava/*"', "`checkpoint-best` contains no number to use as its training step"),
        ('checkpoints = "out/my-llava/*"\nsteps = [1]', "`steps` lists 1 numbers for 4 checkpoints"),
        ('checkpoints = "out/my-llava/*"\nsteps = [1, 2, 3, "x"]', "`steps\\[3\\]` should be an integer, found .x."),
        ('model = "x"\nrevisions = ["a-1", "b-1"]', "a-1 and b-1 have the same step 1; list them with `steps`"),
        ('revisions = ["a-1"]', "`revisions` needs `model`, the hub model"),
        ('model = "x"\nrevisions = [1]', "`revisions\\[0\\]` should be text, found 1$"),
        ('model = "x"\nrevisions = []', "`revisions` should be a list of at least 1"),
        (
            'model = "x"\ncheckpoints = "out/my-llava/checkpoint-*0"',
            "`checkpoints` already names the folders; remove",
        ),
        ('checkpoints = "out/my-llava/checkpoint-*0"\nstep = 3', "`step` belongs to a single checkpoint"),
    ],
)
def test_broken_series(read: Read, entry: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(f"[[models]]\n{entry}")
