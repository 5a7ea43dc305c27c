"""Paired differences on influence values made by hand, against scipy's paired t test and the formula with groups."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pid_lvlm.analysis import figures, influences, tables
from pid_lvlm.analysis.errors import ItemTableError, NothingToShowError
from pid_lvlm.analysis.frames.differences import Differences, differences
from pid_lvlm.analysis.report.compose import Further, compose
from pid_lvlm.analysis.report.laid_out.reliability import differences_table
from pid_lvlm.data.contract.table.item_table import INFLUENCES, ITEM_COLUMNS
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES
from pid_lvlm.data.names import ATOMS

NUMBER = 40
STEPS = (("align", 5), ("tune", 1), ("tune", 9))
SCHEMA = {name: POLARS_TYPES[kind] for name, kind in ITEM_COLUMNS.items()}


def values(shift, seed):
    """Influence values (items, 4) of items that are hard for all models alike."""
    hard = np.random.default_rng(99).normal(size=(NUMBER, 1))
    return hard + np.random.default_rng(seed).normal(scale=0.2, size=(NUMBER, 4)) + np.array([0, 0, 0, shift])


def item_frame(row, influence, groups=None, names=None, interval="items", gap=0.0):
    """Rows of the table of atoms per item with these influence values, of a row of the result table."""
    return pl.DataFrame(
        {
            "problem_id": row["problem_id"],
            "run": row["run"],
            "layer": row["layer"],
            "tau": row["tau"],
            "sample_id": [f"q{i}" for i in range(NUMBER)] if names is None else names,
            **{atom: influence[:, i] for i, atom in enumerate(ATOMS)},
            "gap": gap,
            "interval": interval,
            "group": np.arange(NUMBER) if groups is None else groups,
            **{name: influence[:, i] for i, name in enumerate(INFLUENCES)},
        },
    ).select(
        pl.col(name).cast(kind)
        if name not in ("i_vision", "i_language", "i_joint", "i_coupling")
        else pl.lit(None, kind).alias(name)
        for name, kind in SCHEMA.items()
    )


@pytest.fixture
def trained(make_exact, make_frame):
    """Three checkpoints of one model: the result table, and the influence values of each."""
    rows = [make_exact("d", stage=stage, step=step, run=f"{stage}-{step}") for stage, step in STEPS]
    return make_frame(rows), rows, [values(shift, seed) for seed, shift in enumerate((0.0, 0.5, 0.5))]


def of_atom(frame, atom, second):
    return frame.filter(atom=atom, second=second).row(0, named=True)


def degrees_of_freedom(sums):
    groups = len(sums)
    kurtosis = groups * (sums**4).sum() / (sums**2).sum() ** 2
    return min(groups - 1, 2 * groups / (kurtosis - (groups - 3) / (groups - 1)))


def test_without_groups_it_is_the_paired_t_test_with_satterthwaites_degrees_of_freedom(trained):
    results, rows, found = trained
    frame = tables.differences(results, pl.concat(map(item_frame, rows, found)), "checkpoints")
    assert frame.select("first", "second").unique(maintain_order=True).rows() == [
        ("align 5", "tune 1"),
        ("tune 1", "tune 9"),
    ]
    for place, second in enumerate(("tune 1", "tune 9"), start=1):
        for i, atom in enumerate(ATOMS):
            row = of_atom(frame, atom, second)
            expected = stats.ttest_rel(found[place][:, i], found[place - 1][:, i])
            change = found[place][:, i] - found[place - 1][:, i]
            freedom = degrees_of_freedom(change - change.mean())
            assert row["p"] == pytest.approx(2 * stats.t.sf(abs(expected.statistic), freedom), rel=1e-9)
            reach = stats.t.ppf(0.975, freedom) * stats.sem(change)
            assert (row["low"], row["high"]) == pytest.approx((change.mean() - reach, change.mean() + reach), rel=1e-9)
            assert row["difference"] == pytest.approx(change.mean(), rel=1e-9)
    assert of_atom(frame, "synergy", "tune 1")["differs"]
    assert frame["differs"].sum() == 1
    assert (frame["p_holm"] >= frame["p"]).all()
    assert frame["groups"].to_list() == [NUMBER] * 8


def test_items_of_a_group_are_not_independent(trained):
    results, rows, found = trained
    groups = np.repeat(np.arange(NUMBER // 4), 4)[::-1]  # numbered the other way round: only the partition matters
    frame = tables.differences(
        results, pl.concat(item_frame(row, own, groups) for row, own in zip(rows, found, strict=True)), "checkpoints"
    )
    difference = (found[1] - found[0])[:, 3]
    sums = np.array([(difference - difference.mean())[groups == group].sum() / NUMBER for group in range(NUMBER // 4)])
    error = np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())
    row = of_atom(frame, "synergy", "tune 1")
    assert row["standard_error"] == pytest.approx(error, rel=1e-9)
    assert row["high"] - row["difference"] == pytest.approx(
        stats.t.ppf(0.975, degrees_of_freedom(sums)) * error, rel=1e-9
    )


def test_both_gaps_make_the_interval_wider_and_the_p_larger(trained):
    results, rows, found = trained
    exact, wide = (
        tables.differences(
            results, pl.concat(item_frame(*each, gap=gap) for each in zip(rows, found, strict=True)), "checkpoints"
        )
        for gap in (0.0, 0.02)
    )
    assert (wide["high"] - exact["high"]).to_list() == pytest.approx([0.02] * 8)
    assert (wide["p"] >= exact["p"]).all()
    for row in wide.to_dicts():  # the two ways to decide agree
        assert (row["p"] < 0.05) == (not row["low"] <= 0 <= row["high"])


def test_the_order_of_items_does_not_matter(trained):
    results, rows, found = trained
    frames = [item_frame(row, own) for row, own in zip(rows, found, strict=True)]
    shuffled = [frames[0], frames[1].reverse(), frames[2].sample(fraction=1, shuffle=True, seed=0)]
    first, second = (tables.differences(results, pl.concat(each), "checkpoints") for each in (frames, shuffled))
    assert first.drop("standard_error", "p").equals(second.drop("standard_error", "p")) or np.allclose(
        first["difference"], second["difference"], atol=1e-12
    )
    assert np.allclose(first["standard_error"], second["standard_error"], rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"names": [f"x{i}" for i in range(NUMBER)]}, "2 pairs whose items are not the same"),
        ({"groups": np.arange(NUMBER) // 2}, "2 pairs whose items are not the same"),
        ({"interval": "items-uncorrected"}, "2 pairs where only one is corrected for the number of items"),
        ({"interval": None}, "2 pairs without influence values"),
    ],
)
def test_what_cannot_be_compared_is_counted(trained, changes, reason):
    results, rows, found = trained
    frames = [item_frame(rows[i], found[i], **(changes if i == 1 else {})) for i in range(3)]
    with pytest.raises(NothingToShowError, match=f"No two checkpoints can be compared. Left out: {reason}"):
        tables.differences(results, pl.concat(frames), "checkpoints")


def test_models_are_compared_each_with_each_and_a_failed_one_with_none(make_exact, make_frame):
    rows = [make_exact("d", model=model, run=model, size_b=size) for size, model in enumerate("abc", start=1)]
    rows.append(make_exact("d", model="failed", run="failed", result="marginals_unreachable"))
    frames = pl.concat(item_frame(row, values(0.4 * i, i)) for i, row in enumerate(rows[:3]))
    frame = tables.differences(make_frame(rows), frames, "models")
    assert frame.select("first", "second").unique(maintain_order=True).rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert frame["model"].null_count() == frame.height
    drawn = figures.differences(make_frame(rows), frames, "models").to_dict(validate=True)
    shown = drawn["datasets"][drawn["data"]["name"]]
    assert {row["pair"] for row in shown} == {"b − a", "c − a", "c − b"}
    for row, expected in zip(shown, frame.to_dicts(), strict=True):
        assert row["difference"] == pytest.approx(expected["difference"], abs=1e-5)
        assert (row["low"], row["high"]) == pytest.approx((expected["low"], expected["high"]), abs=1e-5)
        assert row["differs"] == expected["differs"]
    table = differences_table(frame)
    assert [cell.text for cell in table.rows[0][:3]] == ["d", "a", "b"]
    bold = sum(cell.style == "strong" for row in table.rows for cell in row)
    assert bold == frame["differs"].sum() >= 2


def test_both_names_of_a_pair_are_read_where_a_figure_is_narrow(make_exact, make_frame):
    rows = [make_exact("d", model=f"demo-qwen2-vl-{name}", run=name) for name in ("tiny", "small")]
    frames = pl.concat(item_frame(row, values(0.4 * i, i)) for i, row in enumerate(rows))
    axes = {}
    for size in ("two-columns", "one-column"):
        with figures.sized(size):
            drawn = figures.differences(make_frame(rows), frames, "models").to_dict()
        axes[size] = drawn["spec"]["layer"][-1]["encoding"]["y"]["axis"]
        (pair,) = {row["pair"] for row in drawn["datasets"][drawn["data"]["name"]]}
    assert axes["two-columns"]["labelLimit"] > 6 * len(pair)
    assert axes["one-column"]["labelExpr"].startswith("split(datum.label")
    assert re.split(r"(?= [−→] )", pair) == ["demo-qwen2-vl-tiny", " − demo-qwen2-vl-small"]


def test_layers_are_compared_with_the_one_before(make_exact, make_frame):
    rows = [make_exact("d", layer=layer, num_layers=9) for layer in (9, 2, 5)]
    frames = pl.concat(item_frame(row, values(0.0, row["layer"])) for row in rows)
    frame = tables.differences(make_frame(rows), frames, "layers")
    assert frame["second"].unique(maintain_order=True).to_list() == ["layer 5", "layer 9"]


def test_synergy_that_is_not_reported_has_no_difference(make_exact, make_frame):
    rows = [make_exact("d", model="a", run="a"), make_exact("d", model="b", run="b", result="joint_knows_less")]
    frames = pl.concat(item_frame(row, values(0.0, i)) for i, row in enumerate(rows))
    frame = tables.differences(make_frame(rows), frames, "models")
    assert frame.filter(pl.col("difference").is_null())["atom"].to_list() == ["synergy"]
    assert frame["p_holm"].null_count() == 1
    assert differences_table(frame).rows[0][-2].text == "–"
    assert len(figures.differences(make_frame(rows), frames, "models").to_dict()["datasets"]) >= 1


def test_many_pairs_are_drawn_in_part_and_too_many_are_refused(make_exact, make_frame, monkeypatch):
    rows = [make_exact("d", model=f"m{i}", run=f"m{i}") for i in range(10)]
    frames = pl.concat(item_frame(row, values(0.1 * i, i)) for i, row in enumerate(rows))
    results = make_frame(rows)
    drawn = figures.differences(results, frames, "models").to_dict()
    shown = {row["pair"] for row in drawn["datasets"][drawn["data"]["name"]]}
    assert len(shown) == 30
    assert "the 30 of 45 pairs with the smallest p" in json.dumps(drawn["title"])
    bound = "pid_lvlm.analysis.frames.differences.DIFFERENCES"
    from pid_lvlm.data.bounds import DIFFERENCES  # noqa: PLC0415  # the value that is patched

    monkeypatch.setattr(bound, replace(DIFFERENCES, most=44))
    with pytest.raises(NothingToShowError, match="There are 45 pairs of models, and at most 44"):
        tables.differences(results, frames, "models")


def test_nothing_to_compare_says_what_is_needed(trained, five_tasks):
    results, rows, found = trained
    with pytest.raises(NothingToShowError, match=r"No table of atoms per item was given"):
        tables.differences(results)
    frames = pl.concat(map(item_frame, rows, found))
    with pytest.raises(NothingToShowError, match="Fewer than two models can be compared"):
        tables.differences(results, frames, "models")
    with pytest.raises(NothingToShowError, match="has no influence values for these results; run `pid-estimate"):
        influences(results, frames.with_columns(pl.lit(None, pl.String()).alias("interval")))
    with pytest.raises(ItemTableError, match="expected a polars frame"):
        influences(results, [1])
    with pytest.raises(ValueError, match="between: expected one of models, layers, checkpoints, found 'runs'"):
        differences(results, influences(results, frames), "runs")
    assert Differences(frames, without=1, other_items=2).left_out() == (
        "Left out: 1 pair without influence values, 2 pairs whose items are not the same."
    )


def test_the_finest_solution_of_a_row_counts(trained):
    results, rows, found = trained
    results = results.with_columns(pl.lit(0.0).alias("gap"))
    means = {f"{atom}_raw": [float(own.mean(0)[i]) for own in found] for i, atom in enumerate(ATOMS)}
    results = results.with_columns(pl.Series(name, each) for name, each in means.items())
    coarse = [item_frame(row, own, gap=1e-3) for row, own in zip(rows, found, strict=True)]
    fine = [frame.with_columns(pl.col("problem_id") + "-fine", pl.lit(1e-5).alias("gap")) for frame in coarse]
    chosen = influences(results, pl.concat([*coarse, *fine]))
    assert [chosen.of_problem[row["problem_id"]].half_gap for row in rows] == pytest.approx([5e-6] * 3)


def test_the_onset_has_the_paired_difference_and_the_report_a_section(trained):
    results, rows, found = trained
    known = influences(results, pl.concat(map(item_frame, rows, found)))
    onset = {row["atom"]: row for row in tables.onset(results, influences=known).to_dicts()}
    plain = tables.onset(results)
    assert plain["change"].null_count() == plain.height
    assert onset["synergy"]["verdict"] == "from the first"
    assert onset["synergy"]["change"] is None  # before the first there is none
    parts = {part.part.name: part for part in compose(results, further=Further(influences=known)) if not part.absent}
    assert {"what_differs_checkpoints", "differences_checkpoints"} <= set(parts)
    assert "what_differs_models" not in parts
    assert "Δ: the paired difference" in parts["onset"].caption
    without = {part.part.name: part for part in compose(results)}
    assert not any("differ" in name for name in without)
    assert "--pointwise adds paired differences" in without["onset"].caption


def test_an_onset_differs_from_the_checkpoint_before(make_exact, make_frame):
    atoms = [(0.5, 0.0, 0.0, value) for value in (0.0, 0.6, 0.7)]
    rows = [
        make_exact("d", each, stage=stage, step=step, run=f"{stage}-{step}")
        for each, (stage, step) in zip(atoms, STEPS, strict=True)
    ]
    known = pl.concat(
        item_frame(row, values(each[3], i)) for i, (row, each) in enumerate(zip(rows, atoms, strict=True))
    )
    results = make_frame(rows)
    (row,) = tables.onset(results, influences=influences(results, known)).filter(atom="synergy").to_dicts()
    expected = of_atom(tables.differences(results, known, "checkpoints"), "synergy", "tune 1")
    assert (row["stage"], row["step"], row["change_from"]) == ("tune", 1, "align 5")
    assert (row["change"], row["change_low"]) == (expected["difference"], expected["low"])
