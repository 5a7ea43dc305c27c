import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Layer sweep")

with app.setup:
    import textwrap
    from pathlib import Path

    import altair as alt
    import marimo as mo
    import polars as pl
    import polars.selectors as cs

    from pid_lvlm.analysis import (
        figures,
        final_checkpoint,
        one_estimator,
        paper_findings,
        read_results,
        tables,
        with_series,
    )
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Where in the decoder information arises

    The atoms at every recorded layer (`pid-extract --layers all`), read through the logit lens.
    """)
    return


@app.cell
def _():
    folder = mo.ui.text(mo.cli_args().get("folder") or "out/demo", label="folder with results.parquet", full_width=True)
    folder
    return (folder,)


@app.cell
def _(folder):
    table = Path(folder.value) / "results.parquet"
    mo.stop(not table.is_file(), mo.md(f"`{table}` does not exist; `make demo` writes the table of the demo."))
    every = read_results(table)
    dataset = mo.ui.dropdown(["all", *every["dataset"].unique().sort()], "all", label="dataset")
    overlay = mo.ui.switch(label="all models in the same panels")
    relative = mo.ui.switch(label="relative depth")
    mo.hstack([dataset, overlay, relative], justify="start")
    return dataset, every, overlay, relative


@app.cell
def _(dataset, every, overlay, relative):
    results = every if dataset.value == "all" else every.filter(dataset=dataset.value)
    layers = figures.layers(results, overlay=overlay.value, relative=relative.value)
    layers
    return (results,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Phases

    Where synergy emerges for good (above a share of its maximum, here a tenth), where each atom peaks, and what the
    step to the output changes. Below the table, the sentence of the paper's fifth finding for these models.
    """)
    return


@app.cell
def _(results):
    phases = tables.layer_phases(results)
    phases.with_columns(cs.float().round(3))
    return


@app.cell
def _(results):
    (finding,) = (each for each in paper_findings(results) if each.title == "Phases over layers")
    mo.plain_text(textwrap.fill(finding.sentence, 140))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Can a layer be read?

    The logit lens reads layers that were never trained for it. A row counts as uniform if its options have less than τ
    of the probability; if most rows do, atoms say nothing about the model.
    """)
    return


@app.cell
def _(results):
    lens = final_checkpoint(with_series(one_estimator(results, of=["run", "tau"])))
    measured = (
        lens.filter(pl.col("layer").n_unique().over("series", "dataset") > 1)
        .rename({"uniform_both": "uniform"})
        .unpivot(["accuracy", "uniform"], index=["series", "dataset", "layer"], variable_name="share")
    )
    models = measured["series"].unique(maintain_order=True).to_list()
    legend = alt.Legend(title=None, orient="top", labelLimit=230)
    readable = (
        alt.Chart(measured)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:Q", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title="share of items", axis=alt.Axis(format="%")),
            color=alt.Color("series:N", scale=alt.Scale(domain=models, range=list(theme.HUES)), legend=legend),
            strokeDash=alt.StrokeDash("share:N", legend=legend),
        )
        .properties(width=180, height=140)
        .facet(column=alt.Column("dataset:N", title=None))
    )
    readable
    return


if __name__ == "__main__":
    app.run()
