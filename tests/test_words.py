"""Plain words and the terms of the field, in pages, comments, messages and names: what to avoid, and what to write."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT

AVOID = {
    r"planted": "ground truth, true",
    r"mend(?:s|ed|ing)?": "fix",
    r"silenced": "ablated",
    r"cautions?": "diagnostics, warnings",
    r"entrances?": "hook point",
    r"lanes?": "fit",
    r"proven": "leak-tested, shown",
    r"noimage": "no_image",
    r"n[_]train|n[_]test": "num_train, num_test",
    r"(?:keep|keeps|kept)\s+the\s+contract": "is valid",
    r"turn(?:s|ed)?\s+(?:\w+\s+)?round": "reorder",
    r"blind\s+prompts?": "text-only prompt",
    r"(?:without\s+an|have\s+no|has\s+no)\s+answers?": "failed",
    r"(?<![Tt]here )(?<![Tt]here\n)is\s+no(?=\s+(?!longer|more|such|reason|fault)\w)": "is not a",
    r"(?<!stays )(?<!left )(?<!papers )(?<!idea )(?<!driver )(?<!arithmetic )behind": "after",
    r"unawares": "without notice",
}
"""Pattern -> what to write instead. In names an underscore ends a word."""

EXCEPTIONS = {
    "CHANGELOG.md": {
        "planted",
        "noimage",
        "cautions",
        "Entrance",
        "entrances",
        "Lane",
        "lanes",
        "proven",
        "n_train",
        "n_test",
    },
    "data/contract/schema/manifest.py": {"planted"},
    "data/contract/table/results.py": {"planted", "noimage", "n_train", "n_test"},
    "docs/contract.md": {"planted", "noimage", "n_train", "n_test"},
    "extract/run/contents/manifest.py": {"planted"},
    "tests/extract/run/test_manifest.py": {"planted"},
    "tests/older/README.md": {"planted"},
    "tests/pid_jax/cli/test_older_tables.py": {"planted", "noimage", "n_train"},
    "tests/analysis/frames/test_load.py": {"planted", "noimage", "n_train", "n_test"},
    "tests/data/contract/test_result_table.py": {"planted", "noimage", "n_train"},
}
"""Older spellings that are read, and the pages that say so."""

FOLDERS = ("data", "extract", "pid_jax", "pid_lvlm", "analysis", "tests", "benchmarks", "notebooks", "docs", "examples")
KINDS = {".py", ".pyi", ".md", ".j2", ".toml"}
PATTERN = re.compile("|".join(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])" for words in AVOID))


def _files() -> list[Path]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    return sorted(path for path in [*inside, *ROOT.glob("*.md"), ROOT / "pyproject.toml"] if path != Path(__file__))


def _found(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    content = path.read_text(encoding="utf-8")
    for match in PATTERN.finditer(content):
        if match.group() not in EXCEPTIONS.get(name, ()):
            line = content.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {content.splitlines()[line - 1].strip()}"


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_plain_words(folder):
    where = ROOT / folder
    files = [path for path in _files() if (path.is_relative_to(where) if folder else path.parent == ROOT)]
    assert files
    assert "\n".join(found for path in files for found in _found(path)) == ""
