import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Case studies")

with app.setup:
    import string
    from pathlib import Path

    import altair as alt
    import marimo as mo
    import polars as pl
    import polars.selectors as cs

    import pid_jax
    from pid_lvlm import data
    from pid_lvlm.analysis import across_models, read_results
    from pid_lvlm.analysis.figures import theme


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Single items

    Atoms are means over items. Here are their parts: where does a model combine both sources, and where does it go by
    the question alone? Items are chosen by a rule and shown for all models of a dataset, with the probabilities of the
    options under the four conditions. The part of a single item may be negative.
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
    mixed = models.group_by("dataset").agg(pl.col("redundancy_share", "synergy_share").min().abs())
    most_mixed = mixed.sort(pl.min_horizontal("redundancy_share", "synergy_share"), nulls_last=False)["dataset"]
    dataset = mo.ui.dropdown(most_mixed.to_list(), most_mixed.last(), label="dataset")
    dataset
    return dataset, models, root


@app.cell
def _(dataset, models, root):
    chosen = models.filter(dataset=dataset.value)
    runs = {run: data.read_run(root / "runs" / run) for run in chosen["run"]}

    # Single items take a narrower certified interval than their mean. `pid-estimate --pointwise FILE` writes the same.
    config = pid_jax.make_config(estimator="exact", tol_bits=2e-5, interval="none", spread=False)
    solved = {}
    table = pid_jax.estimate([run.folder for run in runs.values()], config, layers="last", keep=solved.__setitem__)
    atoms = pl.concat(
        solved[row["problem_id"]].item_rows().with_columns(model=pl.lit(row["model"])) for row in table.to_dicts()
    )
    return atoms, config, runs


@app.cell
def _(config, runs):
    def _probabilities(run):
        """One row per item, condition and option of the output layer."""
        arrays, conditions = run.arrays, list(run.manifest.conditions)
        p, _ = pid_jax.option_probabilities(arrays["loglik"][:, :, -1], arrays["num_options"], config.taus[0])
        rows = pl.DataFrame(
            {
                "model": run.manifest.model,
                "sample_id": arrays["sample_id"].astype(str),
                "label": arrays["label"],
                "condition": [conditions] * len(run),
                "p": [[list(map(float, options)) for options in item] for item in p],
            }
        )
        rows = rows.explode("condition", "p").with_columns(option=pl.int_ranges(pl.col("p").list.len()))
        letters = dict(enumerate(string.ascii_uppercase))
        return rows.explode("p", "option").with_columns(
            right=pl.col("option") == pl.col("label"), letter=pl.col("option").replace_strict(letters)
        )

    probabilities = pl.concat(_probabilities(run) for run in runs.values())
    return (probabilities,)


@app.cell
def _(atoms, probabilities):
    preferred = probabilities.sort("p").unique(["model", "sample_id", "condition"], keep="last")
    preferred = preferred.pivot("condition", index=["model", "sample_id"], values="letter")
    items = atoms.join(preferred, on=["model", "sample_id"])
    rules = {
        "most synergy": pl.col("synergy"),
        "strongest language prior": pl.col("unique_language"),
        "most from the picture alone": pl.col("unique_vision"),
        "sources that disagree": pl.when(pl.col("vision_only") != pl.col("language_only"))
        .then(pl.min_horizontal("i_vision", "i_language"))
        .otherwise(0),
    }
    return items, rules


@app.cell
def _(rules):
    rule = mo.ui.dropdown(rules, next(iter(rules)), label="items with")
    number = mo.ui.slider(1, 10, value=3, label="how many", show_value=True)
    mo.hstack([rule, number], justify="start")
    return number, rule


@app.cell
def _(items, number, rule):
    ranked = items.group_by("sample_id").agg(rule.value.mean().alias("rank")).sort("rank", "sample_id", descending=True)
    ids = ranked["sample_id"].head(number.value).to_list()
    items.filter(pl.col("sample_id").is_in(ids)).select("sample_id", "model", cs.float().round(3))
    return (ids,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## What the models answer

    A row per item, a column per condition; a dot marks the right option.
    """)
    return


@app.cell
def _(ids, probabilities):
    answered = probabilities.filter(pl.col("sample_id").is_in(ids))
    conditions = answered["condition"].unique(maintain_order=True).to_list()
    models_shown = answered["model"].unique(maintain_order=True).to_list()
    base = alt.Chart(answered).encode(
        y=alt.Y("letter:N", title="option"), yOffset=alt.YOffset("model:N", sort=models_shown)
    )
    bars = base.mark_bar().encode(
        x=alt.X("p:Q", title="probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3)),
        color=alt.Color("model:N", scale=alt.Scale(domain=models_shown, range=list(theme.HUES))),
        tooltip=["model", "sample_id", "condition", "letter", alt.Tooltip("p:Q", format=".3f")],
    )
    dots = base.mark_point(filled=True, color=theme.INK, opacity=1, size=12).encode(x=alt.datum(0))
    answers = alt.layer(bars, dots.transform_filter("datum.right")).properties(width=150, height=90)
    answers = answers.facet(
        row=alt.Row("sample_id:N", title=None, sort=ids), column=alt.Column("condition:N", title=None, sort=conditions)
    )
    answers
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Their parts of the atoms
    """)
    return


@app.cell
def _(ids, items):
    long = items.filter(pl.col("sample_id").is_in(ids)).unpivot(
        list(theme.COLOURS), index=["model", "sample_id"], variable_name="atom", value_name="bits"
    )
    scale = alt.Scale(domain=list(theme.COLOURS), range=list(theme.COLOURS.values()))
    parts = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x="bits:Q",
            y=alt.Y("atom:N", sort=list(theme.COLOURS), title=None),
            color=alt.Color("atom:N", scale=scale, legend=None),
            tooltip=["model", "sample_id", "atom", alt.Tooltip("bits:Q", format=".3f")],
        )
    )
    parts = parts.properties(width=200).facet(
        row=alt.Row("sample_id:N", title=None, sort=ids), column=alt.Column("model:N", title=None)
    )
    parts
    return


if __name__ == "__main__":
    app.run()
