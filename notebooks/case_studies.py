import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Case studies")

with app.setup:
    import textwrap
    from pathlib import Path

    import altair as alt
    import marimo as mo

    from pid_lvlm.analysis import RULES, figures, items, read_results
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Single items

    Atoms are means over items. This notebook shows the individual terms: where does a model combine both sources, and
    where does it rely on the question alone? Items are chosen by a rule or by id, and shown with each model's answers:
    the probabilities of the options under the four conditions, and the pointwise atoms, which can be negative.
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
    needed = [root / name for name in ("results.parquet", "items.parquet", "runs") if not (root / name).exists()]
    said = " and ".join(f"`{path}`" for path in needed)
    mo.stop(
        bool(needed),
        mo.md(
            f"Missing: {said}; `make demo` writes those of the demo, `pid-estimate --pointwise items.parquet` others."
        ),
    )
    found = items(read_results(root / "results.parquet"), root / "items.parquet", [root / "runs"])
    mo.plain_text("\n".join(textwrap.fill(each, 140) for each in (*found.missing, *found.notes)))
    return (found,)


@app.cell
def _(found):
    names = found.frame["dataset"].unique().sort().to_list()
    dataset = mo.ui.dropdown(names, names[0], label="dataset")
    titles = {each.title: name for name, each in RULES.items()}
    rule = mo.ui.dropdown(titles, next(iter(titles)), label="rule")
    number = mo.ui.slider(1, 10, value=3, label="how many", show_value=True)
    mo.hstack([dataset, rule, number], justify="start")
    return dataset, number, rule


@app.cell
def _(dataset, found, number, rule):
    cases = figures.case_studies(found, rule.value, dataset=dataset.value, most=number.value)
    cases
    return


@app.cell
def _(rule):
    mo.plain_text(textwrap.fill(RULES[rule.value].definition, 140))
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## All items

    Each dot is an item as answered by a model; the rules above pick from these.
    """)
    return


@app.cell
def _(dataset, found):
    shown = ("model", "sample_id", "synergy", "unique_language", "correct")
    values = found.frame.filter(dataset=dataset.value).select(shown).to_dicts()
    every = (
        alt.Chart(alt.InlineData(values=values))
        .mark_circle(size=18, opacity=0.5)
        .encode(
            x=alt.X("unique_language:Q", title="pointwise U2 (bits)"),
            y=alt.Y("synergy:Q", title="pointwise S (bits)"),
            color=alt.Color("correct:N", scale=alt.Scale(domain=[True, False], range=list(theme.HUES[:2]))),
            tooltip=["model:N", "sample_id:N"],
        )
        .properties(width=300, height=260)
        .facet(column=alt.Column("model:N", title=None))
    )
    every
    return


if __name__ == "__main__":
    app.run()
