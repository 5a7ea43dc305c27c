"""What a notebook finds: public names by tab completion, the version, types for editors, examples that run."""

import doctest
import importlib
import tomllib

import pytest

import pid_jax
import pid_lvlm
from pid_lvlm import analysis, data
from tests import ROOT

PACKAGES = ("data", "extract", "pid_jax", "analysis")


@pytest.mark.parametrize(
    ("package", "names"),
    [
        (pid_jax, {"decompose", "estimate", "make_config", "Atoms", "__version__"}),
        (analysis, {"read_results", "figures", "tables", "findings", "warnings", "build_report"}),
        (data, {"read_run", "write_run", "validate_run"}),
        (pid_lvlm, {"analysis", "data", "extract", "__version__"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_completion_shows_the_public_names_and_each_is_there(package, names):
    shown = set(dir(package))
    assert names <= shown
    for name in shown:
        assert getattr(package, name) is not None


def test_completion_shows_the_names_of_extract():
    assert {"load_dataset", "extract"} <= set(dir(pid_lvlm.extract))


def test_a_name_that_is_not_there_is_an_attribute_error():
    for package in (pid_jax, pid_lvlm, analysis):
        assert not hasattr(package, "decomposse")


def test_the_version_is_that_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert pid_lvlm.__version__ == pid_jax.__version__ == version


def test_packages_that_nobody_has_imported_are_found_from_the_top():
    for name in ("analysis", "data", "extract"):
        assert pid_lvlm.__getattr__(name).__name__ == f"pid_lvlm.{name}"  # what an attribute not there yet becomes


def test_editors_are_told_of_types():
    assert (ROOT / "pid_lvlm" / "py.typed").is_file()
    assert (ROOT / "pid_jax" / "py.typed").is_file()


def _with_examples() -> list[str]:
    names = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                names.append(name if package == "pid_jax" else f"pid_lvlm.{name}")
    return names


@pytest.mark.parametrize("name", _with_examples())
def test_examples_in_docstrings_run(name):
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried
    assert not failed
