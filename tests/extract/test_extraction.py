"""Extraction from Python: the command's runs, with arguments in place of options, in errors too."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.main import get_command

from pid_lvlm import data, extract
from pid_lvlm.data.errors import OutputExistsError, PidError
from pid_lvlm.extract.cli.main import app
from tests import ROOT
from tests.extract.console import Command

NOT_FROM_PYTHON = {
    "sweep",
    "part",
    "executor",
    "jobs",
    "slurm",
    "status",
    "dry_run",
    "preview",
    "check",
    "check_data",
    "verify",
    "list_models",
    "list_datasets",
}
"""Options about many runs or none."""


def test_public_names_are_listed() -> None:
    assert {"extract", "load_dataset", "Dataset", "ModelSpec", "Outcome"} <= set(dir(extract))


def test_arguments_and_defaults_are_those_of_the_command() -> None:
    options = {param.name: param.default for param in get_command(app).params if param.name not in NOT_FROM_PYTHON}
    arguments = inspect.signature(extract.extract).parameters
    for name, argument in arguments.items():
        if argument.default is not inspect.Parameter.empty:
            assert argument.default == options[name], name
    ours = {"version", "as_json", "verbose", "install_completion", "show_completion"}  # about the console
    assert set(options) - set(arguments) <= ours


def test_it_writes_what_the_command_writes(checkpoint: Path, items: Path, tmp_path: Path, command: Command) -> None:
    toy = extract.load_dataset(items)
    assert toy.items[1].options == ("red", "green", "blue")
    outcome = extract.extract(model=checkpoint, data=toy, out=tmp_path / "runs", layers=1, limit=5, quiet=True)
    assert (outcome.samples, outcome.measured) == (5, 5)
    more = ("--layers", "1", "--limit", 5, "--quiet")
    assert command("--model", checkpoint, "--data", items, "--out", tmp_path / "other", *more)[0] == 0
    written = {path.name: path.read_bytes() for path in outcome.folder.iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "other" / "tiny__toy").iterdir()}
    again = extract.extract(model=checkpoint, data=items, out=tmp_path / "runs", layers=[1], limit=5, quiet=True)
    assert (again.folder, again.measured) == (outcome.folder, 0)
    assert data.validate_run(again.folder) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": {"quest": "Q"}}, "`columns`: unknown field `quest`; did you mean `question`?"),
        ({"columns": {"question": "Q"}}, r"no column `Q`, .* \(set it with `columns`\)"),
        ({"layers": [9]}, "`layers`: `9` is not a layer; expected `all`, `last` or numbers from 1 to 3"),
        ({"dtype": "int8"}, "`dtype`: unknown value `int8`; known are bfloat16, float16, float32"),
        ({"on_bad": "skp"}, "`on_bad`: unknown value `skp`; did you mean `skip`?"),
        ({"batch_size": 0}, "`batch_size` should be at least 1, found 0"),
        ({"batch_tokens": 0}, "`batch_tokens` should be at least 1, found 0"),
        ({"workers": -1}, "`workers` should be at least 0, found -1"),
        ({"dtype": torch.float16}, "`dtype` should be text, .* found torch.float16"),
        ({"ablation": ["noize"]}, "`ablation`: unknown value `noize`; did you mean `noise`?"),
        ({"ablation": 2}, "`ablation` should be a list, found 2"),
        ({"layers": None}, "`layers` should be all, last, or numbers of layers such as 8,16,32, found 'None'"),
        ({"columns": ["question"]}, r"`columns` should be named values, found \['question'\]"),
        ({"columns": {"question": 2}}, "`columns.question` should be the name of a column or a list of names, found 2"),
        ({"prompt": 2}, "`prompt` should be text, found 2"),
        ({"prompt": "lettres"}, "unknown prompt template `lettres`; did you mean `letters`"),
    ],
)
def test_errors_speak_of_arguments(
    checkpoint: Path, items: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(PidError, match=message) as caught:
        extract.extract(model=checkpoint, data=items, out=tmp_path / "runs", quiet=True, **arguments)
    assert "--" not in str(caught.value)


def test_a_folder_that_is_not_ours(checkpoint: Path, items: Path) -> None:
    with pytest.raises(OutputExistsError, match="^`out` `.*` contains files but no run folder"):
        extract.extract(model=checkpoint, data=items, out=items.parent, quiet=True)


def test_the_example_on_the_page_runs(
    checkpoint: Path, items: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = page.partition("\n## Extraction\n")[2].partition("```\n")[2].partition("```")[0]
    assert '"llava-hf/llava-1.5-7b-hf"' in code
    code = code.replace("llava-hf/llava-1.5-7b-hf", str(checkpoint)).replace("items.jsonl", items.name)
    monkeypatch.chdir(items.parent)
    exec(compile(code, "docs/python.md", "exec"), {})
    first, last = capsys.readouterr().out.splitlines()
    assert first == "which colour is common here? ('red', 'green') {}"
    assert last.startswith("runs/tiny__toy 11 ")
