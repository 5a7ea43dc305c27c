"""Sweep files and options of wrong types, sizes and names: one sentence with the entry and the key, or the option."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.extract import extraction
from pid_lvlm.extract.cli.sweep_file import DatasetEntry, ModelEntry, read_sweep
from pid_lvlm.extract.errors import UsageError
from tests.extract.console import assert_one_sentence, assert_readable, extract_command
from tests.hostile.test_cards import DEEP, VALUES, quoted, toml

MODEL = '[[models]]\nmodel = "some/model"\n'


def refused(folder: Path, text: str, *parts: str) -> None:
    """The command refuses a sweep file with this text: one sentence, nothing written."""
    path = folder / "sweep.toml"
    path.write_text(text, "utf-8")
    result = extract_command("--sweep", path, "--out", folder / "runs")
    assert_one_sentence(result, *parts)
    assert_readable(result[2])
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = {model = 'x'}", "`models` should be a list, found {'model': 'x'}"),
        ("models = ['x']", "`models[0]` should be named values, found 'x'"),
        ("models = 3", "`models` should be a list, found 3"),
        ("[[model]]", "unknown key `model`; did you mean `models`?"),
        (f"{MODEL}step = true", "entry 1 of models: `step` should be an integer, found True"),
        (f"{MODEL}step = -1", "`step` should be at least 0, found -1"),
        (f"{MODEL}step = {10**30}", "`step` should be at most 9007199254740992"),
        (f"{MODEL}step = 1.0", "`step` should be an integer"),
        (f"{MODEL}limit = 0", "`limit` should be at least 1"),
        (f"{MODEL}crossed = 1", "`crossed` should be at least 2, found 1"),
        (f"{MODEL}crossed = {10**30}", "`crossed` should be at most 1000"),
        (f"{MODEL}crossed = 2.0", "`crossed` should be an integer"),
        (f"{MODEL}limit = true", "`limit` should be an integer"),
        (f"{MODEL}limit = {10**30}", "`limit` should be at most 100000000"),
        (f"{MODEL}size_b = nan", "contains nan, which is not finite"),
        (f"{MODEL}size_b = -1", "`size_b` should be more than 0"),
        (f"{MODEL}steps = ['a']", "`steps[0]` should be an integer, found 'a'"),
        (f"{MODEL}steps = [1]", "`steps` belongs to a series; a single checkpoint takes `step`"),
        (f"{MODEL}revisions = 'main'", "`revisions` should be a list, found 'main'"),
        (f"{MODEL}revisions = ['a{10**30}']", "ends in a number above 9,007,199,254,740,992 steps"),
        (f"{MODEL}layers = '²'", "`layers` should be all, last, or numbers of layers such as 8,16,32, found '²'"),
        (f"{MODEL}layers = 3", "`layers` should be text"),
        (f"{MODEL}name = 'a/../b'", "`name` cannot be the name of a file: it starts with a dot, found 'a/../b'"),
        (f"{MODEL}stage = '../x'", "`stage` cannot be the name of a file: it contains '/'"),
        (f'{MODEL}stage = "a\\nb"', "`stage` cannot be the name of a file: it contains '\\n'"),
        (f"{MODEL}dtype = 'int8'", "`dtype` should be 'float32', 'bfloat16' or 'float16', found 'int8'"),
        (f"{MODEL}final = 1", "`final` should be true or false, found 1"),
        (f"{MODEL}{MODEL}layres = 'all'", "entry 2 of models: unknown key `layres`; did you mean `layers`?"),
        (f"{MODEL}step = 1979-05-27", "is the date or time 1979-05-27, and none is expected"),
        ("[[models]]\nmodel = ''", "`model` should be text that is not empty"),
        (f"[[models]]\nmodel = '{'x' * 100_000}'", "`model` should be a path with parts of at most 255 bytes"),
        (f"{MODEL}[[datasets]]\nfile = 'a'\ncolumns = ['x']", "entry 1 of datasets: `columns` should be named values"),
        (f"{MODEL}[[datasets]]\nfile = 'a'\non_bad = 'no'", "`on_bad` should be 'error' or 'skip'"),
        (
            f"{MODEL}[[datasets]]\nfile = 'a'\ncolumns = {{question = 'a', options = 'a'}}",
            "the column `a` is given for",
        ),
        (f"{MODEL}family = {DEEP}", "nested more than 64 levels deep"),
        (f"{MODEL}step = {'9' * 5000}", "is not TOML ("),
        ("[[models]]\n" * 10_001, "`models` should be a list of at most 10000"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)
def test_sweeps_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path, text, "--sweep `", message)


def test_a_checkpoint_folder_is_a_path_first(tmp_path: Path) -> None:
    for name in ("step[1]", "step1", "step2"):
        (tmp_path / "out" / name).mkdir(parents=True)
    path = tmp_path / "sweep.toml"
    path.write_text("[[models]]\ncheckpoints = 'out/step[1]'\n")
    assert [spec.model for spec in read_sweep(path, "cpu")[0]] == [str(tmp_path / "out" / "step[1]")]
    path.write_text("[[models]]\ncheckpoints = 'out/step[12]'\n")
    notes: list[str] = []
    models, _ = read_sweep(path, "cpu", notes.append)
    assert [spec.step for spec in models] == [1, 2]
    assert notes == ["`out/step[12]`: 2 folders, step1 … step2"]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["models", "datasets"]),
            st.dictionaries(
                st.sampled_from([*ModelEntry.__dataclass_fields__, *DatasetEntry.__dataclass_fields__, "modl"]),
                VALUES,
                max_size=4,
            ),
        ),
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=3), VALUES, max_size=1),
)
def test_any_sweep_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Any], other: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-sweep.toml"
    lines = [f"{quoted(key)} = {toml(value)}" for key, value in other.items()]
    for table, entry in entries:
        lines += [f"[[{table}]]", *(f"{quoted(key)} = {toml(value)}" for key, value in entry.items())]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    try:
        models, _ = read_sweep(path, "cpu")
    except UsageError as error:
        assert_readable(str(error))
    else:
        for spec in models:
            assert "/" not in spec.run_name("data")


# Options


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--seed", 2**63, "--seed should be at most 9223372036854775807"),
        ("--step", -1, "--step should be at least 0, found -1"),
        ("--size-b", "nan", "--size-b should be a finite number, found nan"),
        ("--size-b", "inf", "--size-b should be a finite number"),
        ("--size-b", -1, "--size-b should be more than 0"),
        ("--limit", 10**30, "--limit should be at most 100000000"),
        ("--crossed", 10**30, "--crossed should be at most 1000"),
        ("--limit", 0, "--limit should be at least 1, found 0"),
        ("--preview", 0, "--preview should be at least 1"),
        ("--batch-size", 10**12, "--batch-size should be at most 1000000"),
        ("--shard-size", 10**12, "--shard-size should be at most 1000000"),
        ("--shard-size", 0, "--shard-size should be at least 1"),
        ("--max-pixels", 0, "--max-pixels should be at least 1"),
        ("--layers", "²", "--layers should be all, last, or numbers of layers such as 8,16,32, found '²'"),
        ("--layers", "1,,2", "--layers should be all, last, or numbers"),
        ("--layers", "٣", "--layers should be all, last, or numbers"),
        ("--layers", 10**30, "--layers should be all, last, or numbers"),
        ("--layers", "1," * 10_000 + "1", "--layers should name at most 10,000 layers"),
        ("--part", "²/³", "--part: expected i/n with 1 <= i <= n, such as 2/8, found `²/³`"),
        ("--part", "٢/٣", "--part: expected i/n"),
        ("--part", "1/" + "9" * 5000, "--part: expected i/n"),
        ("--part", "1/999999999", "--part: expected at most 100,000 parts"),
        ("--name", "../x", "--name cannot be the name of a file: it starts with a dot, found '../x'"),
        ("--name", "a\u2028b", "--name cannot be the name of a file: it contains '\\u2028'"),
        ("--name", "x" * 100_000, "it has 100000 bytes; at most 200 are possible"),
        ("--stage", "../x", "--stage cannot be the name of a file: it contains '/'"),
        ("--stage", "x" * 300, "--stage cannot be the name of a file: it has 300 bytes"),
        ("--images", "x" * 300, "--images should be a path"),
        ("--revision", "", "--revision should be text that is not empty"),
        ("--columns", "x" * 100_000, "--columns: `xxx"),
    ],
)
def test_options_out_of_bounds(tmp_path: Path, option: str, value: object, message: str) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    arguments = ("--model", "some/model", "--data", tmp_path / "a.jsonl", "--out", tmp_path / "runs")
    result = extract_command(*arguments, f"{option}={value}")
    assert_one_sentence(result, message)
    assert_readable(result[2])
    assert not (tmp_path / "runs").exists()


def test_python_says_the_same_of_arguments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="^`size_b` should be more than 0.0, found -1"):
        extraction.extract(model="x/y", data=tmp_path / "a.jsonl", out=tmp_path / "runs", size_b=-1)
    with pytest.raises(UsageError, match=r"^`stage` cannot be the name of a file: it contains '/'"):
        extraction.extract(model="x/y", data=tmp_path / "a.jsonl", out=tmp_path / "runs", stage="../x")
    with pytest.raises(UsageError, match="^`limit` should be an integer, found 2.5"):
        extraction.load_dataset(tmp_path / "a.jsonl", limit=2.5)  # type: ignore[arg-type]
