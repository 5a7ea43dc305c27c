"""The site of the pages: it builds, takes nothing from a network, is searched without a server; a wrong link fails."""

import re
import runpy
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = pytest.mark.slow

BUILD = runpy.run_path(str(ROOT / "docs" / "site" / "build.py"))
CHROMIUM = shutil.which("chromium")
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "object": "data"}
"""Tags whose attribute a browser fetches without being asked."""


class Fetches(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == FETCHED.get(tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    tree = tmp_path_factory.mktemp("tree")
    BUILD["copy_pages"](tree)
    assert BUILD["run_sphinx"](tree, out) == 0
    return out


def test_every_page_is_on_the_site_and_takes_nothing_from_a_network(site):
    pages = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} <= set(pages)
    for name, page in pages.items():
        for target in Fetches(page).found:
            local = target.partition("?")[0].partition("#")[0]
            assert ((site / name).parent / local).exists(), f"{name}: {target}"
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not [found for style in styles for found in re.findall(r"url\([\"']?https?:|@import", style)]


def test_equations_are_mathml(site):
    method = (site / "docs" / "method.html").read_text(encoding="utf-8")
    assert method.count('<math xmlns="http://www.w3.org/1998/Math/MathML"') > 50
    assert "\\frac" not in method


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("pid_jax", ("pid_jax.exact", "pid_jax.decompose", "pid_jax.Decomposition.advice")),
        ("data", ("pid_lvlm.data.write_run", "pid_lvlm.data.read_run")),
        ("extract", ("pid_lvlm.extract.extract",)),
        ("analysis", ("pid_lvlm.analysis.read_results", "pid_lvlm.analysis.figures.spectrum")),
    ],
)
def test_public_names_are_in_the_reference(site, page, names):
    reference = (site / "api" / f"{page}.html").read_text(encoding="utf-8")
    assert all(f'id="{name}"' in reference for name in names)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_search_works_on_files(site, tmp_path):
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--enable-logging=stderr")
    address = (site / "search.html").as_uri() + "?q=joint_knows_less"
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path}", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert '<a href="docs/faq.html" data-score' in done.stdout
    assert "CONSOLE" not in done.stderr


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("Nothing.", None),
        ("[page](no-such-page.md)", "no-such-page"),
        ("[anchor](cli.md#no-such-anchor)", "no-such-anchor"),
        ("$\\nosuchcommand$", "nosuchcommand"),
    ],
)
def test_a_mistake_on_a_page_fails(tmp_path, capfd, mistake, message):
    (tmp_path / "pages" / "docs").mkdir(parents=True)
    (tmp_path / "pages" / "docs" / "cli.md").write_text("# Command line\n")
    (tmp_path / "pages" / "index.md").write_text(
        f"# Home\n\n{mistake.replace('](cli', '](docs/cli')}\n\n```{{toctree}}\ndocs/cli\n```\n"
    )
    failed = BUILD["run_sphinx"](tmp_path / "pages", tmp_path / "out") != 0
    assert failed == (message is not None)
    assert not failed or message in capfd.readouterr().err
