"""The page of a report in a real browser: Debian's chromium, driven by playwright.

Without a chromium on the machine these tests are skipped, and pytest says so: `apt-get install chromium` brings it.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm.analysis.report.build import build_report

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BUILT: dict[str, Path] = {}

CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backdrop = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)|transparent/.test(colour)) return colour;
    }
    return "white";
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const worst = (selector, property) => Math.min(...[...document.querySelectorAll(selector)]
    .filter((each) => each.textContent.trim() && each.checkVisibility())
    .map((each) => ratio(light(getComputedStyle(each)[property]), light(backdrop(each)))));
  return {
    page: worst("h1, h2, p, li, td, th, a, dt, dd, figcaption, label, button, summary", "color"),
    charts: worst(".chart svg text", "fill"),
  };
}"""


@pytest.fixture
def report(make_exact, make_frame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two models on three datasets at four layers; a fit failed, and two values are beyond a limit."""
    if "page" not in BUILT:
        folder = tmp_path_factory.mktemp("browser")
        rows = [
            make_exact(
                dataset,
                (0.1, 0.2, 0.3 + number / 10, 0.1 * layer + number / 5),
                model=model,
                run=f"{model}__{dataset}",
                layer=layer,
            )
            for number, model in enumerate(("demo-llava-small", "demo-llava-tiny"))
            for dataset in ("demo-fusion", "demo-sight", "demo-blend")
            for layer in range(1, 5)
        ]
        rows[0] |= {"result": "nonfinite_loss"}
        rows[3] |= {"uniform_both": 0.4}
        rows[7] |= {"marginal_mismatch": 0.2}
        make_frame(rows).write_parquet(folder / "results.parquet")
        build_report([folder / "results.parquet"], folder / "report", title="A report", formats=["svg"])
        BUILT["page"] = folder / "report" / "index.html"
    return BUILT["page"]


@pytest.fixture
def opened(report: Path) -> Iterator[Callable[..., Any]]:
    """Open the page, by width and colour scheme, and wait for its charts; whatever goes wrong in it is an error."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    faults: list[str] = []

    def judge(request: Any) -> None:
        if request.url != report.as_uri() and not request.url.startswith(("data:", "blob:")):
            faults.append(f"request {request.url}")

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        def open_page(width: int = 1400, scheme: str = "light", *, scripts: bool = True) -> Any:
            page = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                java_script_enabled=scripts,
            ).new_page()
            page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", judge)
            page.goto(report.as_uri())
            if scripts:
                page.wait_for_function("document.documentElement.dataset.charts === 'drawn'", timeout=120_000)
            return page

        yield open_page
        browser.close()
    assert not faults


def _overflow(page: Any) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


def _column(page: Any, table: str, place: int) -> list[str]:
    cells: list[str] = page.locator(f"table[data-name={table}] tbody td:nth-child({place})").all_inner_texts()
    return cells


@pytest.mark.parametrize("width", [1400, 800, 390])
def test_charts_are_drawn_and_nothing_scrolls_sideways(opened, width):
    page = opened(width)
    names = page.eval_on_selector_all("figure[data-name]", "all => all.map(each => each.dataset.name)")
    assert {"spectrum", "regimes", "layers", "layers_overlaid"} <= set(names)
    for name in names:
        marks = page.locator(f"#figure-{name} .drawing svg [role=graphics-symbol], #figure-{name} .drawing svg path")
        assert marks.count() > 5
    assert _overflow(page) <= 0


@pytest.mark.parametrize("width", [800, 390])
def test_figures_slightly_too_wide_are_scaled_to_fit(opened, width):
    page = opened(width)
    measured = page.eval_on_selector_all(
        "figure[data-name] .chart",
        """all => all.map(box => {
            const drawn = box.querySelector(".drawing svg.marks");
            return [drawn.width.baseVal.value / box.clientWidth, drawn.clientWidth / box.clientWidth];
        })""",
    )
    assert measured
    for natural, shown in measured:
        assert shown == pytest.approx(1 if 1 < natural <= 1.3 else natural, abs=0.01)
    assert any(natural > 1 for natural, _ in measured) or width > 390


def test_a_table_is_sorted_filtered_and_saved(opened):
    page = opened()
    headings = page.locator("table[data-name=summary] thead th").all_inner_texts()
    place = next(i for i, text in enumerate(headings, 1) if text.startswith("S synergy"))
    page.locator(f"table[data-name=summary] thead th:nth-child({place})").click()
    values = [float(text.split()[0]) for text in _column(page, "summary", place)]
    assert values == sorted(values) == pytest.approx([0.4] * 3 + [0.6] * 3)
    page.locator("#summary ~ * .dt-search input").first.fill("sight")
    assert _column(page, "summary", 2) == ["demo-sight"] * 2
    saved = {}
    for kind in ("CSV", "Markdown"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind).first.click()
        saved[kind] = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert len(saved["CSV"].strip().splitlines()) == 3
    assert saved["Markdown"].splitlines()[0].startswith("| model | dataset | estimator | R redundancy |")
    assert len(saved["Markdown"].splitlines()) == 4


def test_one_filter_is_for_all_charts_and_tables(opened):
    page = opened()
    page.locator("#filter-model").select_option("demo-llava-tiny")
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    assert set(_column(page, "summary", 1)) == {"demo-llava-tiny"}
    for figure in ("spectrum", "layers"):
        assert "demo-llava-small" not in page.locator(f"#figure-{figure} svg.marks").text_content()
        assert "demo-llava-tiny" in page.locator(f"#figure-{figure} svg.marks").text_content()
    assert "still those of the whole table" in page.locator("#filter-note").inner_text()
    page.locator("#filter-model").select_option("")
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    assert "demo-llava-small" in page.locator("#figure-spectrum svg.marks").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_themes_and_after_the_switch(opened, scheme):
    page = opened(scheme=scheme)
    for _ in range(2):
        found = page.evaluate(CONTRASTS)
        assert found["page"] >= 4.5
        assert found["charts"] >= 4.5
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("#theme").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_it_prints_on_few_pages(opened):
    printed = opened(scheme="dark").pdf(format="A4")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 9


def test_without_scripts_it_can_be_read(opened):
    page = opened(390, scripts=False)
    assert page.locator("table[data-name=summary] tbody tr").count() == 6
    image = page.locator("#figure-spectrum img")
    assert image.is_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert page.locator("#theme").is_hidden()
    assert page.locator("#filters").is_hidden()


def test_what_is_wrong_is_one_sentence_at_the_top_and_one_table_at_the_end(opened):
    page = opened()
    assert page.locator(".notice").inner_text() == (
        "1 of 24 fits failed; 2 more have a value beyond a diagnostic limit, all of them at the output layer of a "
        "final checkpoint: see Diagnostics before trusting these numbers."
    )
    assert _column(page, "issues", 4) == ["1", "1", "1"]
