"""The table of model types, the classes it names, and the pages about them agree."""

import re

import pytest

from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.registry import ADAPTERS, GENERIC, adapter_class
from tests import ROOT
from tests.extract.models.families.catalogue import FAMILIES

DOCS = ROOT / "docs"


def type_of(name: str) -> str:
    """The model type of a line in the suite, which begins with it."""
    return max((model_type for model_type in ADAPTERS if name.startswith(model_type)), key=len, default="")


@pytest.mark.parametrize("model_type", ADAPTERS)
def test_every_type_has_an_adapter_a_row_and_a_line_in_the_suite(model_type: str) -> None:
    assert issubclass(adapter_class(model_type, "x/y"), Adapter)
    assert adapter_class(model_type, "x/y").leak_tested
    row = re.search(rf"^\| `{model_type}` \|.*$", (DOCS / "models.md").read_text(), re.MULTILINE)
    lines = [family for family in FAMILIES if type_of(family.name) == model_type]
    assert row
    assert lines
    assert ("make test-slow" in row[0]) == all(family.slow for family in lines)
    assert all(re.fullmatch(r"[\w-]+/[\w.-]+", example) for example in ADAPTERS[model_type].examples)


def test_types_of_transformers_without_an_adapter_get_the_general_one() -> None:
    found = adapter_class("vipllava", "x/y")
    assert (f"{found.__module__.rpartition('.')[2]}:{found.__name__}", found.leak_tested) == (GENERIC, False)


def test_adapters_on_the_page_are_those_of_the_code() -> None:
    """Each quoted block follows the name of the file that it is in, word for word but for docstrings."""
    page = (DOCS / "adding-a-model.md").read_text()
    quoted = re.findall(r"`((?:extract|tests)/[\w/]+\.py)`[^`]*(?:`\w+`[^`]*)*```python\n(.*?)```", page, re.DOTALL)
    assert [name.rpartition("/")[2] for name, _ in quoted] == ["standard.py", "toyvl.py"]
    for name, block in quoted:
        assert len(block.splitlines()) < 60
        source = re.sub(r'^ +"""[^"]*"""\n\n?', "", (DOCS.parent / name).read_text(), flags=re.MULTILINE)
        assert block in source, name


def test_the_page_names_what_an_adapter_can_say() -> None:
    table = (DOCS / "adding-a-model.md").read_text().partition("| member | when |")[2].partition("\n2. ")[0]
    names = [
        name for row in re.findall(r"^ +\| (`[^|]+`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert len(names) > 10
    for name in names:
        assert hasattr(Adapter, name) or name in Adapter.__annotations__, name
