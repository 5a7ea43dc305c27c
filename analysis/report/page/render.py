"""Charts to files, and parts to one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import markupsafe
import polars as pl

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.exhibits.findings import paper_findings
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.items.markup import environment
from pid_lvlm.analysis.figures.sizes import MILLIMETRES, SIZES
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.report.compose import PAGE, PRINTED, Drawn, Tabled, figure_file, table_file
from pid_lvlm.analysis.report.laid_out.display import issues_table
from pid_lvlm.analysis.report.laid_out.reliability import receipts_sentence, receipts_table
from pid_lvlm.analysis.report.page import widget
from pid_lvlm.analysis.report.page.columns import Columns, shared
from pid_lvlm.analysis.report.page.draw import Drawing, Job, Running, javascript
from pid_lvlm.analysis.report.page.still import embedded
from pid_lvlm.analysis.report.words.findings import comparability, findings, notice
from pid_lvlm.analysis.report.words.provenance import provenance, recipes
from pid_lvlm.analysis.tables.csv_file import csv_bytes
from pid_lvlm.data.bounds import PAGE_STILL
from pid_lvlm.data.command.shown import count

_HERE: Final = Path(__file__).parent
LIBRARY: Final = "window.vegaEmbed = vegaEmbed;"
"""Exposes Vega to the page."""

_STILL: Final = "svg"
"""Format of the image shown if scripts do not run: sharp, and smaller than a PNG of twice the density."""


def new_drawing(formats: Sequence[str]) -> Drawing:
    """A drawing of figures in these formats and as the page needs them."""
    return Drawing({_STILL, *formats}, MILLIMETRES)


def begin(drawing: Drawing, drawn: Drawn) -> None:
    """Begin to draw a figure in each print size."""
    for size in PRINTED:
        name = figure_file(drawn.part.name, size, "").removesuffix(".")
        drawing.add(name, Job(drawn.specifications[size], SIZES[size].millimetres or 0.0))


def render_files(
    parts: Sequence[Drawn | Tabled],
    results: pl.DataFrame,
    *,
    sources: Mapping[str, Sequence[Path]],
    title: str,
    formats: Sequence[str],
    estimator: str,
    drawing: Drawing,
    library: Running,
    browser: markupsafe.Markup,
) -> dict[str, bytes]:
    """Every file of the report by its name in the report's folder; the page comes last.

    Args:
        parts: the parts of the report.
        results: the result table.
        sources: the files that were read, by kind.
        title: title of the page.
        formats: formats of the figure files.
        estimator: which estimator to use if a problem has results from several.
        drawing: the figures of these parts, being drawn (`begin`).
        library: Vega as one script, still being made (`LIBRARY`).
        browser: the section with single items; empty if there are none.
    """
    images = drawing.images()
    files = {name: image for name, image in images.items() if name.rpartition(".")[2] in formats}
    files |= {
        table_file(part.part.name): csv_bytes(part.frame)
        for part in parts
        if isinstance(part, Tabled) and part.frame is not None
    }
    columns = Columns()
    contexts = [
        _figure_context(part, images, formats, columns) if isinstance(part, Drawn) else _table_context(part)
        for part in parts
        if _is_on_page(part)
    ]
    missing = [part for part in parts if not _is_file_only(part) and not _is_on_page(part)]
    files[PAGE] = _page(
        results,
        estimator,
        title=title,
        parts=contexts,
        browser=browser,
        receipts=_receipts(parts),
        columns=columns.content,
        missing=[(part.part.title, _reason(part)) for part in missing],
        provenance=provenance(results, sources),
        library=markupsafe.Markup(javascript(library).replace("</script", "<\\/script")),
    ).encode()
    return files


def _is_file_only(part: Drawn | Tabled) -> bool:
    return isinstance(part, Tabled) and part.part.file_only


def _is_on_page(part: Drawn | Tabled) -> bool:
    if isinstance(part, Drawn):
        return not part.absent
    return not (part.part.file_only or part.frame is None or part.frame.is_empty())


def _reason(part: Drawn | Tabled) -> str:
    return part.absent if isinstance(part, Drawn) or part.absent else part.part.empty


def _page(results: pl.DataFrame, estimator: str, **context: Any) -> str:
    """The report as one HTML document that loads nothing."""
    results = labelled(results)
    issues = tables.issues(results)
    return (
        environment(_HERE)
        .get_template("page.html.j2")
        .render(
            **context,
            subtitle=_subtitle(results),
            notice=notice(results),
            findings=findings(results, estimator),
            comparability=comparability(results, estimator),
            issues=None if issues.is_empty() else issues_table(issues),
            paper_findings=paper_findings(results, estimator),
            recipes=recipes(results),
            dark=theme.DARK,
            widths={name: size.pixels for name, size in SIZES.items()},
            style=markupsafe.Markup(widget.style() + _text("page.css")),
            widget=markupsafe.Markup(widget.script()),
            script=markupsafe.Markup(_text("page.js")),
        )
    )


def _receipts(parts: Sequence[Drawn | Tabled]) -> dict[str, Any] | None:
    """The receipts as a sentence and as a table; None if no run folders were given."""
    for part in parts:
        if part.part.name == "receipts" and isinstance(part, Tabled) and part.frame is not None:
            frame = labelled(part.frame)
            return {"sentence": receipts_sentence(frame), "table": receipts_table(frame)}
    return None


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _subtitle(results: pl.DataFrame) -> str:
    counts = [(results[name].n_unique(), name) for name in ("model", "dataset")]
    counted = [count(number, name) for number, name in counts]
    return f"{' on '.join(counted)}: {count(results.height, 'row')}"


def _figure_context(
    drawn: Drawn, images: Mapping[str, bytes], formats: Sequence[str], columns: Columns
) -> dict[str, Any]:
    """What the page shows of a figure; the script, if it runs, replaces the image `still`."""
    name = drawn.part.name
    alt = f"{drawn.part.title}. {drawn.part.text}"
    still = embedded(images[figure_file(name, PRINTED[0], _STILL)])
    return {
        "kind": "figure",
        "part": drawn.part,
        "caption": drawn.caption,
        "alt": alt,
        "specifications": {
            size: shared(specification, columns) | {"description": alt}
            for size, specification in drawn.specifications.items()
        },
        "still": still if len(still) <= PAGE_STILL.most else "",
        "files": [
            (f"{size.replace('-', ' ')} ({SIZES[size].millimetres:.0f} mm)", ending, figure_file(name, size, ending))
            for size in PRINTED
            for ending in formats
        ],
    }


def _table_context(tabled: Tabled) -> dict[str, Any]:
    assert tabled.frame is not None
    assert tabled.page is not None
    return {
        "kind": "table",
        "part": tabled.part,
        "caption": tabled.caption,
        "table": tabled.part.show(tabled.page),
        "left_out": tabled.frame.height - tabled.page.height,
        "files": [("all columns", "csv", table_file(tabled.part.name))],
    }
