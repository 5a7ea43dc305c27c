import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="The paper's exhibits")

with app.setup:
    import textwrap
    from pathlib import Path

    import marimo as mo
    import polars as pl
    import polars.selectors as cs

    from pid_lvlm.analysis import NothingToShowError, figures, paper, paper_findings, read_results, tables


@app.cell(hide_code=True)
def _():
    mo.md("""
    # The paper's exhibits, for your own table

    Each figure and table of the paper, and its six findings, computed from your models; then the printed numbers next
    to yours. If a table lacks what an exhibit needs, a sentence says what is missing: statistics over models need at
    least four of them on a dataset.
    """)
    return


@app.function
def shown(exhibit, *arguments, **settings):
    """A figure or table, or what is missing for it."""
    try:
        found = exhibit(*arguments, **settings)
    except NothingToShowError as missing:
        return mo.plain_text(str(missing))
    return found.with_columns(cs.float().round(3)) if isinstance(found, pl.DataFrame) else found


@app.cell
def _():
    folder = mo.ui.text(mo.cli_args().get("folder") or "out/demo", label="folder with results.parquet", full_width=True)
    folder
    return (folder,)


@app.cell
def _(folder):
    table = Path(folder.value) / "results.parquet"
    mo.stop(not table.is_file(), mo.md(f"`{table}` does not exist; `make demo` writes the table of the demo."))
    results = read_results(table)
    names = results["estimator"].unique().sort(descending=True).to_list()
    estimator = mo.ui.dropdown(names, names[0], label="estimator")
    estimator
    return estimator, results


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Findings
    """)
    return


@app.cell
def _(estimator, results):
    found = paper_findings(results, estimator.value)
    said = (f"{each.number}. {each.title}. {each.sentence} {f'({each.test})' if each.test else ''}" for each in found)
    mo.plain_text("\n".join(textwrap.fill(each, 140, subsequent_indent="   ") for each in said))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Fig. 2: task regimes
    """)
    return


@app.cell
def _(estimator, results):
    mo.vstack([shown(figures.regimes, results, estimator.value), shown(tables.regimes, results, estimator.value)])
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Table 2: correlates of accuracy
    """)
    return


@app.cell
def _(estimator, results):
    shown(tables.correlations, results, estimator.value)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Accuracy without the picture
    """)
    return


@app.cell
def _(estimator, results):
    shown(figures.image_removal, results, estimator.value)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Fig. 3 and Table 3: families and sizes
    """)
    return


@app.cell
def _(estimator, results):
    mo.vstack(
        [shown(figures.families, results, estimator.value), shown(tables.scaling, results, estimator.value, None)]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Fig. 4, 12, 13: layers
    """)
    return


@app.cell
def _(estimator, results):
    shown(figures.layers, results, estimator.value, overlay=True, relative=True)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Fig. 5, 14, 15: training
    """)
    return


@app.cell
def _(estimator, results):
    shown(figures.training, results, estimator.value, overlay=True)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Fig. 8 to 11: spectra
    """)
    return


@app.cell
def _(estimator, results):
    shown(figures.spectrum, results, estimator.value)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Comparison with the printed numbers

    For the models and benchmarks that the table shares with the paper, followed by everything that the paper prints.
    Most of its figures exist only as images.
    """)
    return


@app.cell
def _(results):
    shown(paper.comparison, results)
    return


@app.cell
def _():
    printed = paper.correlations()
    printed
    return


@app.cell
def _():
    paper.exhibits()
    return


if __name__ == "__main__":
    app.run()
