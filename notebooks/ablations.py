import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Ablations")

with app.setup:
    from pathlib import Path

    import altair as alt
    import marimo as mo
    import polars as pl
    import polars.selectors as cs

    import pid_jax
    from pid_lvlm.analysis import across_models, atoms_long, read_results, tables
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # What depends on τ and pooling

    A result should not depend on choices made for convenience. τ is the total probability of the options below which a
    row counts as uniform; pooling is how a span of embeddings becomes one vector, which only BATCH uses.

    If the folder has an `ablation.parquet`, this notebook reads it; `pid-estimate RUNS --layers last --tau 0.2
    --tau 0.3 --tau 0.4 --pooling mean --pooling max --pooling last --out ablation.parquet` makes one for all models.
    Otherwise one run is decomposed here: τ with the exact estimator and, if you switch it on, pooling with BATCH and
    one seed.
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
    runs = models.sort("synergy", descending=True, nulls_last=True)["run"].to_list()
    run = mo.ui.dropdown(runs, runs[0], label="run")
    pooling = mo.ui.switch(bool(mo.cli_args().get("pooling")), label="pooling, with BATCH (about half a minute)")
    mo.hstack([run, pooling], justify="start")
    return pooling, root, run


@app.cell
def _(pooling, root, run):
    def _decomposed():
        exact = pid_jax.make_config(estimator="exact", taus=(0.2, 0.3, 0.4), interval="items-uncorrected", spread=False)
        batch = pid_jax.make_config(estimator="batch", poolings=("mean", "max", "last"), seeds=(0,))
        wanted = (exact, batch) if pooling.value else (exact,)
        return pl.concat(pid_jax.estimate(root / "runs" / run.value, config, layers="last") for config in wanted)

    stored = root / "ablation.parquet"
    results = read_results(stored) if stored.is_file() else _decomposed()
    return (results,)


@app.cell
def _():
    atom = mo.ui.dropdown(["redundancy", "unique_vision", "unique_language", "synergy"], "synergy", label="atom")
    atom
    return (atom,)


@app.cell
def _(atom, results):
    ablation = tables.ablations(results, atom.value)
    ablation.with_columns(cs.float().round(3))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    The four atoms against τ, by the exact estimator. Bands are 95 % intervals over items, each for one τ. All values
    are for the same items, so their differences are more certain than the bands suggest.
    """)
    return


@app.cell
def _(results):
    over_tau = atoms_long(results.filter(estimator="exact")).drop_nulls("raw")
    base = alt.Chart(over_tau).encode(x=alt.X("tau:O", title="τ"), color=theme.atom_colour())
    lines = base.mark_line(point=True).encode(y=alt.Y("raw:Q", title="bits"))
    bands = base.mark_area(opacity=0.2).encode(y="low:Q", y2="high:Q")
    figure = (
        (bands + lines)
        .properties(width=260, height=200)
        .facet(column=alt.Column("model:N", title=None), row=alt.Row("dataset:N", title=None))
    )
    figure
    return


if __name__ == "__main__":
    app.run()
