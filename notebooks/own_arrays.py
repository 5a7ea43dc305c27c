import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Your own arrays")

with app.setup:
    import tempfile
    from pathlib import Path

    import marimo as mo
    import numpy as np
    import polars.selectors as cs

    import pid_jax
    from pid_lvlm import data
    from pid_lvlm.analysis import figures, tables
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # From your own arrays to a figure

    If `pid-extract` cannot run your model, compute the scores of the options with your own code: arrays become a run
    folder (`data.write_run`), the folder a result table (`pid_jax.estimate`), and the table a figure. The "model" here
    is made up to have known atoms: it adds picture and question in a share of its answers, and relies on the question
    alone in the others. Nothing here needs torch.
    """)
    return


@app.cell
def _():
    combined = mo.ui.slider(0, 100, 10, value=60, label="answers that combine both (%)", show_value=True)
    combined
    return (combined,)


@app.cell
def _(combined):
    options, items = 4, 500
    source = np.arange(options)
    sums = np.eye(options)[(source[:, None] + source) % options]  # (picture, question, option): which answer is right
    share = combined.value / 100
    table = share * sums + (1 - share) * np.eye(options)  # p(answer | picture, question)
    return items, options, table


@app.cell
def _(items, options, table):
    rng = np.random.default_rng(0)
    picture, question = rng.integers(0, options, (2, items))
    conditions = table[picture, question], table.mean(axis=1)[picture], table.mean(axis=0)[question]
    loglik = np.log(np.stack(conditions, axis=1) + 1e-12)  # (item, condition, option), nats
    truth = pid_jax.broja(table / options**2).middle

    run = data.write_run(
        Path(tempfile.mkdtemp()) / "mine__sums",
        model="mine",
        dataset="sums",
        loglik=loglik,
        x1=np.eye(options)[picture],  # features, used only by BATCH
        x2=np.eye(options)[question],
        ground_truth=dict(zip(theme.COLOURS, truth, strict=True)),
    )
    mo.plain_text(f"{run.name}: {len(data.read_run(run))} items, {', '.join(path.name for path in run.iterdir())}")
    return (run,)


@app.cell
def _(run):
    results = pid_jax.estimate(run, pid_jax.make_config(estimator="exact"))
    tables.ground_truth(results).with_columns(cs.float().round(4))
    return (results,)


@app.cell
def _(results):
    spectrum = figures.spectrum(results)
    spectrum
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    Without a folder, `pid_jax.exact` takes three arrays of probabilities, and `pid_jax.broja` a joint table;
    `docs/python.md` has both.
    """)
    return


if __name__ == "__main__":
    app.run()
