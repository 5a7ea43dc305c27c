import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Two models")

with app.setup:
    from pathlib import Path

    import altair as alt
    import marimo as mo
    import numpy as np
    import polars as pl
    import polars.selectors as cs

    import pid_jax
    from pid_lvlm.analysis import across_models, figures, read_results
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Is one model different from another?

    Two models that answered the same items are compared item by item. What makes an item hard for both cancels, so the
    interval of the difference is usually narrower than the two separate intervals suggest.
    """)
    return


@app.cell
def _():
    folder = mo.ui.text(mo.cli_args().get("folder") or "out/demo", label="folder of the demo", full_width=True)
    folder
    return (folder,)


@app.cell
def _(folder):
    root = Path(folder.value)
    mo.stop(
        not (root / "results.parquet").is_file() or not (root / "runs").is_dir(),
        mo.md(f"`{root}` has no `results.parquet` with its `runs`; `make demo` writes those of the demo."),
    )
    models = across_models(read_results(root / "results.parquet")).frame
    several = models.filter(pl.col("model").n_unique().over("dataset") > 1).group_by("dataset")
    most_different = several.agg(pl.col("synergy").max() - pl.col("synergy").min()).sort("synergy", nulls_last=False)
    mo.stop(most_different.is_empty(), mo.md("No dataset of this table has two models."))
    dataset = mo.ui.dropdown(most_different["dataset"].to_list(), most_different["dataset"].last(), label="dataset")
    dataset
    return dataset, models, root


@app.cell
def _(dataset, models):
    runs = dict(models.filter(dataset=dataset.value).select("model", "run").rows())
    names = list(runs)
    first = mo.ui.dropdown(names, names[-1], label="first model")
    second = mo.ui.dropdown(names, names[0], label="minus the second model")
    mo.hstack([first, second], justify="start")
    return first, runs, second


@app.cell
def _(first, root, runs, second):
    def _decomposed(model):
        """The certified optimum at the output, with an interval over items."""
        config = pid_jax.make_config(estimator="exact", interval="items", spread=False)
        solved = {}
        table = pid_jax.estimate(root / "runs" / runs[model], config, layers="last", keep=solved.__setitem__)
        return table, *solved.values()

    first_table, first_solved = _decomposed(first.value)
    second_table, second_solved = _decomposed(second.value)
    difference = pid_jax.exact_difference(first_solved, second_solved)
    return difference, first_solved, first_table, second_solved, second_table


@app.cell
def _(difference, first_solved, second_solved):
    unpaired = np.hypot(first_solved.items.standard_error, second_solved.items.standard_error)
    compared = pl.DataFrame(
        {
            "atom": list(theme.COLOURS),
            "difference (bits)": difference.estimate,
            "low": difference.low,
            "high": difference.high,
            "standard error": difference.standard_error,
            "standard error if unpaired": unpaired,
        }
    )
    compared.with_columns(cs.float().round(4))
    return (compared,)


@app.cell
def _(compared):
    x = alt.X("difference (bits):Q")
    colour = alt.Color(
        "atom:N", scale=alt.Scale(domain=list(theme.COLOURS), range=list(theme.COLOURS.values())), legend=None
    )
    base = alt.Chart(compared).encode(y=alt.Y("atom:N", sort=list(theme.COLOURS), title=None), color=colour)
    zero = alt.Chart().mark_rule(color=theme.MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    figure = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="difference (bits), 95 % over items"), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=x),
        zero,
        data=compared,
    ).properties(width=480, height=140)
    figure
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Each model by itself

    These intervals are for other samples of items. Even if those of two models overlap, their paired difference can
    still exclude 0.
    """)
    return


@app.cell
def _(first_table, second_table):
    spectrum = figures.spectrum(pl.concat([first_table, second_table]))
    spectrum
    return


if __name__ == "__main__":
    app.run()
