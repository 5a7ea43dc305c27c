"""BATCH by the size of its batches: which rows belong to a curve, what is plotted, what failed fits leave."""

import json

import pytest

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.report.compose import compose
from pid_lvlm.analysis.report.laid_out.reliability import batch_sizes_table


def recipe(size, seeds=(0, 1, 2), rate=0.001):
    return json.dumps({"seeds": list(seeds), "batch_size": size, "learning_rate": rate})


@pytest.fixture
def sized(make_row, make_exact, make_frame):
    """Synergy rises with the size; one fit failed, and a single one has another learning rate."""
    synergy = {256: 0.5, 64: 0.3, 1024: 0.6}
    rows = [
        make_row("d", (0.1, 0.2, 0.3, value), recipe=recipe(size), excess=size / 1e5) for size, value in synergy.items()
    ]
    rows.append(make_row("d", recipe=recipe(512), result="nonfinite_loss"))
    rows.append(make_row("d", (0.1, 0.2, 0.3, 0.9), recipe=recipe(128, rate=0.1)))
    rows.append(make_row("d", (0.1, 0.2, 0.3, 0.8), recipe=recipe(64, seeds=(0,)), seeds=[0]))  # fewer seeds
    rows.append(make_row("other", recipe=recipe(256)))
    rows.append(make_exact("d", (0.1, 0.2, 0.3, 0.55)))
    return make_frame(rows)


def test_a_curve_has_the_rows_that_differ_in_size_alone(sized):
    frame = tables.batch_sizes(sized)
    assert frame.select("dataset", "batch_size", "synergy", "synergy_exact", "seeds").rows() == [
        ("d", 64, 0.3, 0.55, 3),
        ("d", 256, 0.5, 0.55, 3),
        ("d", 1024, 0.6, 0.55, 3),
    ]
    assert frame["excess"].to_list() == pytest.approx([64e-5, 256e-5, 1024e-5])
    rows = batch_sizes_table(frame).rows
    assert [cell.text for cell in rows[0]][2:] == [
        "64",
        "0.10 (0.10)",
        "0.20 (0.20)",
        "0.30 (0.30)",
        "0.30 (0.55)",
        "0.001",
    ]


def test_what_is_plotted(sized):
    chart = figures.batch_sizes(sized).to_dict(validate=True)
    shown = [row for row in chart["datasets"][chart["data"]["name"]] if row["atom_label"].startswith("S")]
    assert [(row["batch_size"], row["bits"], row["exact"]) for row in shown] == [
        (64, 0.3, 0.55),
        (256, 0.5, 0.55),
        (1024, 0.6, 0.55),
    ]
    assert [(row["low"], row["high"]) for row in shown] == [(0.28, 0.32), (0.48, 0.52), (0.58, 0.62)]
    layers = chart["spec"]["layer"]
    assert [layer["encoding"]["y"]["field"] for layer in layers] == ["exact", "low", "bits"]
    assert layers[0]["encoding"]["x"]["axis"]["values"] == [64, 256, 1024]


def test_without_an_exact_row_there_is_no_dashed_line(sized):
    frame = tables.batch_sizes(sized.filter(estimator="batch"))
    assert frame["synergy_exact"].null_count() == frame.height == 3
    assert batch_sizes_table(frame).rows[0][-2].text == "0.30"
    figures.batch_sizes(sized.filter(estimator="batch")).to_dict(validate=True)


def test_one_size_has_no_section(sized, five_tasks):
    sizes = ("batch_size_curve", "batch_sizes")
    names = [part.part.name for part in compose(sized)]
    assert all(name in names for name in sizes)
    names = [part.part.name for part in compose(five_tasks)]
    assert not any(name in names for name in sizes)
    with pytest.raises(NothingToShowError, match=r"BATCH with two batch sizes \(--batch-size\)"):
        figures.batch_sizes(five_tasks)
    with pytest.raises(NothingToShowError):
        tables.batch_sizes(sized.head(0))
