"""Build the site of the pages: `python docs/site/build.py out/site`. Uses no network; a wrong link fails.

The pages stay where GitHub shows them, with links that work there. Sphinx reads a copy with the same layout, plus the
entry page and the API pages of this folder.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = ("*.md", "docs/*.md", "docs/images/*", "*/README.md", "data/demo/README.md", "tests/*/README.md")
"""Folders with pages and their pictures."""
FILES = ("CITATION.cff", "LICENSE", "examples/*.toml", "notebooks/*.py")
"""Other files that pages link to; the site offers these as downloads."""
OPTIONS = ("--quiet", "--fail-on-warning", "--keep-going", "--fresh-env")


def copy_pages(tree: Path) -> None:
    """Fill an empty folder with the input of Sphinx."""
    for path in (path for pattern in (*PAGES, *FILES) for path in ROOT.glob(pattern)):
        if path.relative_to(ROOT).parts[0].startswith("."):  # caches also have a README.md
            continue
        copied = tree / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
    for path in HERE.rglob("*.md"):
        copied = tree / path.relative_to(HERE)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def run_sphinx(tree: Path, out: Path) -> int:
    """Build the site of a filled folder.

    Args:
        tree: folder filled by `copy_pages`.
        out: folder of the site; `index.html` in it is the first page.

    Returns:
        Sphinx's exit status, not 0 if it warned about anything, such as a wrong link.
    """
    with tempfile.TemporaryDirectory() as doctrees:
        command = [sys.executable, "-m", "sphinx", *OPTIONS, "--conf-dir", HERE, "--doctree-dir", doctrees, tree, out]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy_pages(Path(folder))
        sys.exit(run_sphinx(Path(folder), Path(sys.argv[1])))
