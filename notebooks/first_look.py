import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="A first look")

with app.setup:
    import textwrap
    from pathlib import Path

    import marimo as mo
    import polars.selectors as cs

    from pid_lvlm.analysis import atoms_long, figures, finals, findings, read_results, tables, warnings


@app.cell(hide_code=True)
def _():
    mo.md("""
    # A first look at a result table

    What the models do, which numbers need care, and a question of your own. Change the folder or a menu, and everything
    that depends on it updates.
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
    results = read_results(table)
    results.select("model", "dataset", "layer", "stage", "step", "estimator", "result")
    return (results,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## In words

    First what stands out, then reasons to be careful with some numbers.
    """)
    return


@app.cell
def _(results):
    mo.plain_text("\n".join(textwrap.fill(each, 140) for each in findings(results)))
    return


@app.cell
def _(results):
    mo.plain_text("\n".join(textwrap.fill(each, 140, initial_indent="- ") for each in warnings(results)))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## The four atoms

    Bits at the model's output, final checkpoint. A thin line is a 95 % interval; the column `interval` says over what.
    Black ticks are true values, if known. A hollow bar cannot be read as an amount; its tooltip says why.
    """)
    return


@app.cell
def _():
    order = mo.ui.dropdown(["family", "accuracy", "synergy", "unique_language"], "family", label="order of the models")
    order
    return (order,)


@app.cell
def _(order, results):
    spectrum = figures.spectrum(results, order=order.value)
    spectrum
    return


@app.cell
def _(results):
    summary = tables.summary(results)
    summary.select(
        *("model", "dataset", "estimator", "redundancy", "unique_vision", "unique_language", "synergy"),
        *("i_joint", "accuracy", "accuracy_no_image", "num_test"),
    ).with_columns(cs.float().round(3))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## A question of your own

    `atoms_long` has one row per problem and atom. What share of a model's information is the atom that you choose?
    """)
    return


@app.cell
def _(results):
    long = atoms_long(finals(results))
    atom = mo.ui.dropdown(long["atom"].unique(maintain_order=True).to_list(), "synergy", label="atom")
    atom
    return atom, long


@app.cell
def _(atom, long):
    shares = long.filter(atom=atom.value).select("series", "dataset", "share", "estimate", "accuracy")
    shares = shares.sort("share", descending=True, nulls_last=True)
    shares.with_columns(cs.float().round(3))
    return


if __name__ == "__main__":
    app.run()
