"""A missing optional package is one sentence that says what to install; any other ImportError stays a traceback."""

import re
import sys
import tomllib

import pytest

from pid_lvlm.data.command.extras import EXTRAS, INCLUDED, missing_packages
from tests import ROOT

DISTRIBUTIONS = {"PIL": "pillow", "ott": "ott-jax", "vl_convert": "vl-convert-python"}
"""Packages that are installed under another name than they are imported."""


def test_the_extras_are_those_of_the_project():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        named = {DISTRIBUTIONS.get(module, module.replace("_", "-")) for module in modules}
        if extra in INCLUDED:
            assert f"pid-lvlm[{INCLUDED[extra]}]" in declared[extra]
            named.add("pid-lvlm")
        assert named == {re.match(r"[\w-]+", requirement)[0] for requirement in declared[extra]}, extra


def raised(statement: str) -> ImportError:
    with pytest.raises(ImportError) as caught:
        exec(statement, {"__name__": "somewhere"})
    return caught.value


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    error = raised("from altair.vegalite import v5")
    assert missing_packages(error, "analysis") == (
        "`altair` is needed but not installed; in the project's folder run: pip install '.[analysis]'"
    )
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert missing_packages(error, "analysis").startswith("`altair` and `vl_convert` are needed but not installed")


def test_a_package_that_misses_another_says_so_in_its_own_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    library = raised("raise ImportError('TimmBackbone requires the timm library')")
    assert "`timm` is needed" in missing_packages(library, "extract")
    wrapped = raised("try:\n import timm\nexcept ImportError as error:\n raise ImportError('cannot load') from error")
    assert "`timm` is needed" in missing_packages(wrapped, "extract")


@pytest.mark.parametrize(
    "statement",
    ["import pid_lvlm.nothing", "from pid_lvlm.data.names import NOTHING", "from pid_jax import nothing"],
)
def test_a_mistake_of_ours_is_not_a_missing_package(monkeypatch, statement):
    error = raised(statement)
    assert missing_packages(error, "analysis") is None
    monkeypatch.setitem(sys.modules, "altair", None)
    assert missing_packages(error, "analysis") is None


def test_an_unrelated_package_is_not_advised(monkeypatch):
    assert missing_packages(raised("import no_such_package"), "analysis") is None
