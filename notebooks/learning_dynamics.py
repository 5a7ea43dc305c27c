import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Learning dynamics")

with app.setup:
    import textwrap
    from pathlib import Path

    import marimo as mo
    import polars as pl
    import polars.selectors as cs

    from pid_lvlm.analysis import (
        atoms_long,
        figures,
        final_layer,
        one_estimator,
        paper_findings,
        read_losses,
        read_results,
        successful,
        tables,
    )


@app.cell(hide_code=True)
def _():
    mo.md("""
    # When during training information arises

    The atoms of checkpoints, at the output layer. In the demo, the first stage (`align`) trains the projector, the
    second (`tune`) everything.
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
    overlay = mo.ui.switch(value=True, label="all models in the same panels, with the accuracy")
    trainings = mo.ui.text(mo.cli_args().get("losses") or "", label="with losses: folder of `pid-train`, or NAME=FILE")
    mo.hstack([dataset, overlay, trainings], justify="start")
    return dataset, every, overlay, trainings


@app.cell
def _(dataset, every, overlay, trainings):
    results = every if dataset.value == "all" else every.filter(dataset=dataset.value)
    losses = read_losses(trainings.value) if trainings.value and overlay.value else None
    training = figures.training(results, overlay=overlay.value, losses=losses)
    training
    return (results,)


@app.cell
def _(results):
    (finding,) = (each for each in paper_findings(results) if each.title == "Stages of training")
    mo.plain_text(textwrap.fill(finding.sentence, 140))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## At which checkpoint does it emerge?

    The first checkpoint from which an atom has 0.05 bits or more and its 95 % interval over items is above 0. The
    intervals of neighbouring checkpoints are not paired: an onset does not show that its checkpoint differs from the
    previous one.
    """)
    return


@app.cell
def _(results):
    tables.onset(results).drop("interval", "last").with_columns(cs.float().round(3))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Which checkpoint has most of it?

    For each model, dataset and atom, the checkpoint at which the atom is largest. Steps count within their stage.
    """)
    return


@app.cell
def _(results):
    checkpoints = final_layer(successful(one_estimator(results)))
    checkpoints = checkpoints.filter(pl.struct("stage", "step").n_unique().over("model", "dataset") > 1)
    largest = (
        atoms_long(checkpoints)
        .sort("estimate", descending=True, nulls_last=True)
        .unique(["model", "dataset", "estimator", "atom"], keep="first", maintain_order=True)
        .select("model", "dataset", "estimator", "atom", "stage", "step", "estimate", "accuracy")
        .sort("model", "dataset", "estimator", "atom")
    )
    largest.with_columns(cs.float().round(3))
    return


if __name__ == "__main__":
    app.run()
