"""Charts to bytes, and parts to the one HTML page."""

import base64
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import markupsafe
import polars as pl

from pid_lvlm.analysis.exhibits.findings import paper_findings
from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.report.compose import PAGE, Drawn, Tabled, figure_file, table_file
from pid_lvlm.analysis.report.draw import draw, javascript
from pid_lvlm.analysis.report.findings import findings, warnings
from pid_lvlm.analysis.report.provenance import provenance, recipes
from pid_lvlm.analysis.tables.csv_file import csv_bytes
from pid_lvlm.data.bounds import PAGE_TEXT
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.command.shown import count

_STILL: Final = "svg"  # sharp in print, and smaller than a PNG of twice the density
_NOTHING: Final = markupsafe.Markup()


def render_files(
    parts: Sequence[Drawn | Tabled],
    results: pl.DataFrame,
    *,
    sources: Sequence[Path],
    title: str,
    formats: Sequence[str],
    estimator: str,
    browser: markupsafe.Markup = _NOTHING,
) -> dict[str, bytes]:
    """Every file of the report by its name in the report's folder; the page comes last, with the item browser in it."""
    files: dict[str, bytes] = {}
    contexts = []
    for part in parts:
        if isinstance(part, Drawn):
            images = _images(part.chart, formats)
            files |= {figure_file(part.part.name, each): images[each] for each in formats if each in images}
            contexts.append(_figure_context(part, images.get(_STILL, b""), formats))
        else:
            if part.frame is not None:
                files[table_file(part.part.name)] = csv_bytes(part.frame)
            contexts.append(_table_context(part))
    files[PAGE] = _page(contexts, results, sources, title, estimator, browser).encode()
    return files


def _images(chart: Figure | None, formats: Sequence[str]) -> dict[str, bytes]:
    """A chart in the given formats, and in that of the page's still image."""
    return {} if chart is None else draw(chart, {_STILL, *formats})


def _page(
    contexts: Sequence[dict[str, Any]],
    results: pl.DataFrame,
    sources: Sequence[Path],
    title: str,
    estimator: str,
    browser: markupsafe.Markup,
) -> str:
    """The report as one HTML document that loads nothing."""
    results = labelled(results)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=_subtitle(results),
        findings=findings(results, estimator),
        warnings=warnings(results, estimator),
        paper_findings=paper_findings(results, estimator),
        parts=contexts,
        browser=browser,
        provenance=provenance(results, sources),
        recipes=recipes(results),
        library=_library(),
    )


def _shown(value: object) -> object:
    """Every text that the page shows, in the one place where it gets there; a Markup is a text of ours."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return displayable(value, PAGE_TEXT.most, keep="\n")
    return value


def _subtitle(results: pl.DataFrame) -> str:
    counts = [(results[name].n_unique(), name) for name in ("model", "dataset")]
    counted = [count(number, name) for number, name in counts]
    return f"{' on '.join(counted)}: {count(results.height, 'row')}"


def _figure_context(drawn: Drawn, still: bytes, formats: Sequence[str]) -> dict[str, Any]:
    """What the page shows of a figure; the image `still` is shown until the script has run, or if it cannot run."""
    context: dict[str, Any] = {"kind": "figure", "part": drawn.part, "caption": drawn.caption, "absent": drawn.absent}
    if drawn.chart is None:
        return context
    specification = drawn.chart.to_dict()
    specification.pop("$schema")  # a web address, which a page that loads nothing does not need
    fallback = base64.b64encode(still).decode()
    files = [figure_file(drawn.part.name, ending) for ending in formats]
    return context | {"specification": specification, "fallback": fallback, "files": files}


def _table_context(tabled: Tabled) -> dict[str, Any]:
    context: dict[str, Any] = {"kind": "table", "part": tabled.part, "caption": tabled.caption, "absent": tabled.absent}
    if tabled.frame is None or tabled.page is None:
        return context
    files = [table_file(tabled.part.name)]
    if tabled.frame.is_empty():
        return context | {"absent": tabled.part.empty, "files": files}
    left_out = tabled.frame.height - tabled.page.height
    return context | {"table": tabled.part.show(tabled.page), "left_out": left_out, "files": files}


@functools.cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that can be embedded in a page."""
    return javascript("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
