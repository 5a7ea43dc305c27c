"""The pages say what the code does: every array, field, column and option is named, links lead somewhere."""

import dataclasses
import json
import re
import tomllib

import pytest
from typer.main import get_command

import pid_jax.cli.main
import pid_lvlm.analysis.cli
import pid_lvlm.extract.cli.main
import pid_lvlm.extract.training.two_stage.cli
from pid_jax.cli.results import Estimation
from pid_jax.cli.status import EstimateStatus
from pid_jax.config import PRESETS
from pid_lvlm import data
from pid_lvlm.data.bounds import BOUNDS
from pid_lvlm.data.cluster.plan import JobPlan
from pid_lvlm.data.command.options import epilog
from pid_lvlm.data.command.result import CommandResult, to_json
from pid_lvlm.data.contract.schema.arrays import ARRAYS, KIND_NAMES
from pid_lvlm.data.contract.table.results import COLUMNS
from pid_lvlm.extract.cli import results as extract_results
from pid_lvlm.extract.cli import verification
from pid_lvlm.extract.datasets.column_mapping import USUAL_NAMES
from tests import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.glob("*.md"),
        *(ROOT / page for page in ("analysis/README.md", "benchmarks/README.md", "data/demo/README.md")),
        ROOT / "tests/golden/README.md",
    ]
)
COMMANDS = {
    "pid-extract": pid_lvlm.extract.cli.main.app,
    "pid-estimate": pid_jax.cli.main.app,
    "pid-report": pid_lvlm.analysis.cli.app,
    "pid-train": pid_lvlm.extract.training.two_stage.cli.app,
}
PRESET_FIELDS = {"--tau": "taus", "--pooling": "poolings"}

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"```.*?```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
MACHINE = re.compile(r"/(home|root|work|tmp|Users)/|\.\./shared")
FILE_NAMED = re.compile(  # `NAME` stands for a file to be written
    r"`((?!\S*NAME)(?:data|extract|pid_jax|pid_lvlm|analysis|tests|benchmarks|notebooks|docs)/[\w./]*(?:\.(?:py|md)|/))`"
)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """The part of a page under a heading of level 2."""
    return text(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def row_of(name: str, content: str) -> list[str]:
    """Cells of the first table row that begins with a name in code style."""
    row = next((line for line in content.splitlines() if line.startswith(f"| `{name}`")), None)
    assert row is not None, f"no row for `{name}`"
    return [cell.strip() for cell in row.replace("\\|", "/").strip("|").split("|")]


SHARED = section("docs/cli.md", "Options of every command").partition("### ")[0]


def options(command: str):
    return [param for param in get_command(COMMANDS[command]).params if param.param_type_name == "option"]


@pytest.mark.parametrize("spec", ARRAYS, ids=lambda spec: spec.name)
def test_every_array_is_on_the_page_with_its_form(spec):
    cells = row_of(spec.name, text("docs/contract.md"))
    axes = ", ".join(spec.axes) + ("," if len(spec.axes) == 1 else "")
    assert cells[1:4] == [KIND_NAMES[spec.kind], f"({axes})", spec.unit]
    assert (cells[4] == "yes") == spec.required


@pytest.mark.parametrize("field", dataclasses.fields(data.Manifest), ids=lambda field: field.name)
def test_every_manifest_field_is_on_the_page(field):
    cells = row_of(field.name, text("docs/contract.md").partition("### Fields of the manifest")[2])
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    assert (cells[1] == "required") == required
    assert (cells[1] == "none") == (field.default is None)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_every_result_column_is_on_the_page(column):
    table = section("docs/contract.md", "The result table")
    row = next((line for line in table.splitlines() if line.startswith("|") and f"`{column.name}` |" in line), None)
    assert row is not None, f"no row for `{column.name}`"
    assert ("| yes |" in row) == column.nullable


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_page_with_its_default(command):
    page = section("docs/cli.md", command)
    for option in options(command):
        part = SHARED if f"| `{option.opts[0]}`" in SHARED else page
        for name in option.opts:
            assert f"`{name}`" in part, name
        cells = row_of(option.opts[0], part)
        if isinstance(option.default, str | int) and not isinstance(option.default, bool):
            assert cells[1].strip("`") == str(option.default), option.opts[0]


RESULTS = {
    "pid-extract": extract_results.Extraction,
    "pid-extract --check": extract_results.Check,
    "pid-extract --verify": verification.Verification,
    "pid-extract --status": extract_results.Statuses,
    "pid-extract --executor": JobPlan,
    "pid-estimate --status": EstimateStatus,
    "pid-extract --list-models": extract_results.ModelTypes,
    "pid-extract --list-datasets": extract_results.Benchmarks,
    "pid-estimate": Estimation,
    "pid-report": pid_lvlm.analysis.cli.Report,
    "pid-train": pid_lvlm.extract.training.two_stage.cli.Training,
}


@pytest.mark.parametrize("action", RESULTS)
def test_every_field_of_a_result_is_on_the_page(action):
    page = section("docs/cli.md", "Options of every command").partition("### The result as JSON")[2]
    shared = {field.name for field in dataclasses.fields(CommandResult)}
    assert all(f"`{name}`" in page for name in shared)
    own = {field.name for field in dataclasses.fields(RESULTS[action])} - shared
    assert own == own & set(re.findall(r"`(\w+)`", row_of(action, page)[1]))


def test_the_json_on_the_page_has_the_fields_of_a_result():
    (example,) = re.findall(r"```json\n(.*?)```", text("docs/cli.md"), re.DOTALL)
    written = to_json("c", "v", 0, 1.0, extract_results.Extraction(out=DOCS, runs=()))
    assert list(json.loads(example)) == list(json.loads(written))
    (run,) = json.loads(example)["runs"]
    assert list(run) == [field.name for field in dataclasses.fields(extract_results.RunFolder)]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_names_no_option_that_is_not_there(command):
    known = {name for option in options(command) for name in option.opts} | {"--help"}
    named = set(re.findall(r"^\| `(--[\w-]+)`", section("docs/cli.md", command), re.MULTILINE))
    assert named <= known


def test_presets_on_the_page_are_those_of_the_code():
    page = section("docs/cli.md", "pid-estimate")
    shown = {"seeds": lambda config: len(config.seeds), "seed": lambda config: config.seeds[0]}
    for option in options("pid-estimate"):
        name = option.opts[0]
        if option.default is not None or name in ("--out", "--split-seed"):
            continue
        field = PRESET_FIELDS.get(name, option.name)
        if field not in shown and not hasattr(PRESETS["default"], field):
            continue  # says how it runs
        for position, preset in enumerate(("default", "paper"), start=1):
            value = shown[field](PRESETS[preset]) if field in shown else getattr(PRESETS[preset], field)
            value = value[0] if isinstance(value, tuple) else value
            text_of = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            assert row_of(name, page)[position] == text_of, (name, preset)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                told = option.help.partition("[preset: ")[2].rstrip("]").split(", paper ")
                assert told[min(position, len(told)) - 1] == text_of, (name, preset)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_in_examples_use_options_that_exist(command):
    known = {name for option in options(command) for name in option.opts} | {"--help"}
    for page in PAGES:
        for block in FENCED.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
            for call in re.findall(rf"{command} ([^\n#;]*)", block):
                assert set(re.findall(r"(?<!\S)(--[\w-]+)", call)) <= known, f"{page.name}: {call}"


def run_python(page: str) -> None:
    blocks = PYTHON.findall(text(page))
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_python_on_the_contract_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_python("docs/contract.md")
    assert capsys.readouterr().out == "400 (1,) (400, 3, 1, 4)\n"


@pytest.mark.slow
def test_python_on_the_python_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_python("docs/python.md")
    assert capsys.readouterr().out.splitlines()[0] == "synergy is the largest atom: True"


def test_python_on_the_install_page_runs(capsys):
    run_python("docs/install.md")
    assert capsys.readouterr().out.endswith(" write_run read_results\n")


def test_python_on_the_notebooks_page_runs(capsys):
    run_python("docs/notebooks.md")
    assert capsys.readouterr().out == "True\n"


def test_python_on_the_paper_page_runs():
    run_python("docs/paper.md")


def test_smallest_runs_on_the_pages_are_right():
    def fits(n: int, preset: str) -> bool:
        config = PRESETS[preset]
        train = int(config.train_share * n)
        return train >= config.batch_size and n - train >= (config.batch_size if config.drop_incomplete else 2)

    for page in ("docs/method.md", "docs/contract.md"):
        assert "342 samples" in text(page)
        assert "1021" in text(page)
    assert [fits(n, "default") for n in (341, 342)] == [False, True]
    assert [fits(n, "paper") for n in (1020, 1021)] == [False, True]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_files_named_exist_and_no_machine_is_named(page):
    content = page.read_text(encoding="utf-8")
    for target in LINK.findall(FENCED.sub("", content)):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), target
    for name in FILE_NAMED.findall(content):
        assert (ROOT / name).exists(), name
    assert not MACHINE.search(content)


def test_the_architecture_page_names_every_folder():
    page = text("docs/architecture.md")
    for package in ("data", "extract", "pid_jax", "pid_lvlm", "analysis"):
        folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
        assert [folder for folder in sorted(folders) if f"`{folder}/" not in page] == []


@pytest.mark.parametrize("package", ["data", "extract", "pid_jax", "analysis"])
def test_rooms_are_on_the_page_in_the_order_that_import_linter_checks(package):
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == f"Rooms of {package}")
    rooms = [room for layer in layers for room in layer.split(" | ")]
    named = re.findall(rf"`{package}/(\w+)(?:/|\.py)[`·,]", section("docs/architecture.md", "Rooms"))
    assert [room for room in dict.fromkeys(named) if room in rooms] == rooms


def test_make_targets_named_on_pages_exist():
    targets = set(re.findall(r"^([\w-]+):", text("Makefile"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([\w-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, page.name


def test_one_version_everywhere():
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert f"\nversion: {version}\n" in text("CITATION.cff")
    assert f"\n## {version} " in text("CHANGELOG.md")


def test_every_field_of_columns_is_in_help_and_on_the_page():
    (columns,) = [option for option in options("pid-extract") if option.opts[0] == "--columns"]
    told = columns.help.partition("Fields: ")[2].rstrip(".").split(", ")
    assert told == list(USUAL_NAMES)
    assert all(f"`{field}`" in row_of("--columns", text("docs/cli.md"))[2] for field in USUAL_NAMES)


def test_no_page_counts_model_types_or_names_an_index_that_has_no_such_package():
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        assert not re.search(r"\d+ model types", content), page.name
        assert "pip install 'pid-lvlm" not in content, page.name
        assert "uniform_fallback" not in content, page.name


def test_every_limit_is_on_the_page():
    rows = [line for line in text("docs/limits.md").splitlines() if line.startswith("| `")]
    told = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    expected = [
        [f"`{name}`", bound.what, f"{bound.most:,} {bound.unit}", f"`{bound.option}`" if bound.option else ""]
        for name, bound in BOUNDS.items()
    ]
    assert told == expected


def test_every_promise_names_tests_that_exist():
    promises = [line for line in text("SECURITY.md").splitlines() if line.startswith("| ")][1:]
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", promise.rpartition("|")[0].rpartition("|")[2])
        assert named, promise
        for path, test in named:
            assert (ROOT / path).is_file(), path
            assert f"def {test}(" in text(path) if test else re.search(r"^def test_", text(path), re.MULTILINE), test


def test_constraints_are_exact_normalised_sorted_and_hold_every_direct_dependency():
    header, lines = [], []
    for line in text("constraints.txt").splitlines():
        (header if line.startswith("#") else lines).append(line)
    assert "Python 3.11" in header[0]
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[a-zA-Z0-9.+!]+", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    project = tomllib.loads(text("pyproject.toml"))["project"]
    needed = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    direct = {re.match(r"[\w.-]+", each)[0].lower() for each in needed} - {"pid-lvlm"}
    assert direct <= {*names}


def test_exit_codes_are_on_the_page():
    codes = (
        section("docs/cli.md", "Options of every command").partition("**Exit codes**")[2].partition("\n\nAn error")[0]
    )
    assert re.findall(r"^\| (\d+) \|", codes, re.MULTILINE) == ["0", "1", "2", "70", "130", "143"]
    told = set(re.findall(r"\b(\d+) (?:done|wrong|a bug|interrupted|terminated)", epilog()))
    assert told == {"0", "2", "70", "130", "143"}
