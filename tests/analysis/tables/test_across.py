"""Tables over models: known numbers, what the paper printed, and what is not enough."""

import itertools

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError

TABLE_2 = {
    "mmbench": {"synergy": 0.750, "unique_language": 0.194, "i_joint": 0.632, "coinformation": -0.757},
    "pope": {"synergy": 0.742, "unique_language": -0.009, "i_joint": 0.157, "coinformation": -0.701},
    "reefknot": {"synergy": 0.357, "unique_language": 0.313, "i_joint": 0.266, "coinformation": -0.348},
    "pmcvqa": {"synergy": 0.432, "unique_language": 0.406, "i_joint": 0.559, "coinformation": -0.587},
}
TABLE_2_P = {
    "mmbench": {"unique_language": 0.343},
    "pope": {"unique_language": 0.964, "i_joint": 0.445},
    "reefknot": {"synergy": 0.073, "unique_language": 0.119, "coinformation": 0.081},
    "pmcvqa": {"synergy": 0.027, "unique_language": 0.040, "i_joint": 0.003, "coinformation": 0.002},
}
"""Those printed as numbers, without I(X1,X2;Y) on Reefknot, whose p does not go with its rho."""
IMAGE_REMOVAL = {"mmbench": 0.809, "pope": 0.744, "reefknot": 0.459, "pmcvqa": 0.400}
ROOM = 0.0005 + 1e-9
MODELS = 26


def order_with(rho, seed):
    """Ranks whose correlation with 0, 1, …, 25 is `rho` to three decimals: swaps that bring it nearer."""
    rng, ranks = np.random.default_rng(seed), np.arange(MODELS)
    rng.shuffle(ranks)
    wanted = (1 - rho) * MODELS * (MODELS**2 - 1) / 6

    def distance(order):
        return abs(((order - np.arange(MODELS)) ** 2).sum() - wanted)

    while distance(ranks) > 1:  # the sum is even
        swapped = ranks.copy()
        i, j = rng.choice(MODELS, 2, replace=False)
        swapped[[i, j]] = swapped[[j, i]]
        if distance(swapped) <= max(distance(ranks), 60):  # a step back leads out of a dead end
            ranks = swapped
    return ranks


@pytest.fixture(scope="module")
def published():
    """For each dataset the ranks of 26 models that give the paper's coefficients."""
    seeds = itertools.count()
    return {
        name: {column: order_with(rho, next(seeds)) for column, rho in columns.items()}
        for name, columns in TABLE_2.items()
    }


@pytest.fixture
def like_the_paper(published, make_row, make_frame):
    rows = []
    for dataset, columns in published.items():
        drops = order_with(IMAGE_REMOVAL[dataset], 100)[columns["synergy"]] / MODELS
        for model in range(MODELS):
            values = {name: float(ranks[model]) / MODELS for name, ranks in columns.items()}
            rows.append(make_row(dataset, model=f"m{model}", accuracy=model / MODELS, d_vision=drops[model], **values))
    return make_frame(rows)


def test_a_table_with_the_pattern_of_table_2_gives_it_back(like_the_paper):
    found = {(row["dataset"], row["column"]): row for row in tables.correlations(like_the_paper).to_dicts()}
    assert len(found) == 16
    for dataset, columns in TABLE_2.items():
        for column, rho in columns.items():
            row = found[dataset, column]
            assert row["rho"] == pytest.approx(rho, abs=ROOM)
            assert row["low"] < row["rho"] < row["high"]
            assert row["num_models"] == MODELS
            printed = TABLE_2_P[dataset].get(column)
            if printed:
                assert row["p"] == pytest.approx(printed, abs=0.002)
            elif column != "i_joint" or dataset == "mmbench":
                assert row["p"] < 0.001


def test_a_table_with_the_papers_image_removal_gives_it_back(like_the_paper):
    found = tables.image_removal(like_the_paper)
    assert dict(found.select("dataset", "rho").rows()) == pytest.approx(IMAGE_REMOVAL, abs=ROOM)
    assert found["quantity"].unique().to_list() == ["S"]


def test_a_model_counts_once_whatever_was_done_with_it(like_the_paper, make_row, make_frame):
    more = [make_row("pope", model="m1", tau=tau, accuracy=0.0, synergy=9.0) for tau in (0.2, 0.4)]
    more += [make_row("pope", model="m1", layer=layer, accuracy=0.0, synergy=9.0) for layer in (1, 2)]
    more += [make_row("pope", model="m1", stage="tune", step=step, accuracy=0.0) for step in (1, 2)]
    assert tables.correlations(like_the_paper.vstack(make_frame(more))).equals(tables.correlations(like_the_paper))


def test_correlations_agree_with_scipy_where_there_are_ties(make_row, make_frame):
    accuracies, synergies = [0.1, 0.5, 0.5, 0.5, 0.9, 0.7, 0.7, 0.2, 0.3], [0.1, 0.1, 0.4, 0.3, 0.9, 0.9, 0.2, 0.0, 0.3]
    pairs = zip(accuracies, synergies, strict=True)
    frame = make_frame([make_row("d", model=f"m{i}", accuracy=a, synergy=s) for i, (a, s) in enumerate(pairs)])
    (row,) = tables.correlations(frame).filter(pl.col("column") == "synergy").to_dicts()
    wanted = stats.spearmanr(accuracies, synergies)
    assert (row["rho"], row["p"]) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_what_is_missing_cut_or_unanswered_is_counted(make_row, make_frame):
    rows = [make_row("d", (0.1, 0.1, 0.1, i / 9), model=f"m{i}", accuracy=i / 9) for i in range(6)]
    rows.append(make_row("d", (0.1, 0.1, 0.1, -0.02), model="negative", accuracy=0.8, uniform_both=0.7))
    rows.append(make_row("d", model="no-accuracy", accuracy=None))
    rows.append(make_row("d", model="no-synergy", accuracy=0.3, result="joint_knows_less"))
    rows.append(make_row("d", model="failed", accuracy=0.3, result="invalid_run"))
    table = tables.correlations(make_frame(rows))
    counts = table.select("column", "num_models", "num_left_out", "num_cut", "num_unanswered").rows()
    assert counts[0] == ("synergy", 7, 2, 1, 1)
    assert counts[1] == ("unique_language", 8, 1, 0, 1)


def test_three_models_have_no_correlation(make_row, make_frame):
    table = tables.correlations(make_frame([make_row(model=f"m{i}", accuracy=i / 3) for i in range(3)]))
    assert table["rho"].null_count() == 4
    assert table.schema["rho"] == pl.Float64


def test_regimes_are_named_from_the_data(make_row, make_frame):
    rows = []
    for i in range(8):
        noise = i / 100
        rows.append(make_row("fusing", (0.0, 0.0, 0.2 + noise, 0.8 - noise), model=f"m{i}"))
        rows.append(make_row("knowing", (0.0, 0.0, 0.7 - noise, 0.3 + noise), model=f"m{i}"))
        rows.append(make_row("both", (0.0, 0.0, i / 8, 1 - i / 8), model=f"m{i}"))
        rows.append(make_row("seeing", (0.0, 1.0, 0.0, 0.01 + noise / 10), model=f"m{i}"))
    rows += [make_row("few", (0.0, 0.0, 0.2, 0.8), model=f"m{i}") for i in range(3)]
    rows.append(make_row("few", (0.0, 0.0, 0.01, 0.01), model="m3"))
    table = tables.regimes(make_frame(rows))
    assert table.select("dataset", "regime").rows() == [
        ("fusing", "synergy-driven"),
        ("knowing", "knowledge-driven"),
        ("both", "mixed"),
        ("seeing", "neither"),
        ("few", "not enough data"),
    ]
    fusing, few = table.row(0, named=True), table.row(4, named=True)
    assert (fusing["synergy"], fusing["unique_language"], fusing["difference"]) == pytest.approx((76.5, 23.5, 53.0))
    assert fusing["synergy_low"] < 76.5 < fusing["synergy_high"]
    assert (few["num_models"], few["num_left_out"], few["difference_low"]) == (3, 1, None)


@pytest.fixture
def family(make_row, make_frame):
    """Two families of three sizes on two synergy-driven datasets and one driven by knowledge."""
    rows = []
    for name, gain in (("llava", 0.1), ("qwen", 0.05)):
        for place, size in enumerate((0.5, 7.0, 72.0)):
            known = {"model": f"{name}-{size:g}", "family": name, "size_b": size}
            synergy = 0.6 + gain * place
            for dataset in ("mmbench", "pope"):
                accuracy = 0.5 + gain * place + 0.02 * place * (dataset == "pope")
                rows.append(make_row(dataset, (0.0, 0.0, 1 - synergy, synergy), accuracy=accuracy, **known))
            rows.append(make_row("pmcvqa", (0.0, 0.0, 0.9, 0.1), accuracy=0.4, **known))
    return make_frame(rows)


def test_scaling_has_known_steps(family):
    table = tables.scaling(family)
    assert table.select("family", "from_size", "to_size", "from_model", "to_model").rows() == [
        ("llava", 0.5, 7.0, "llava-0.5", "llava-7"),
        ("llava", 7.0, 72.0, "llava-7", "llava-72"),
        ("qwen", 0.5, 7.0, "qwen-0.5", "qwen-7"),
        ("qwen", 7.0, 72.0, "qwen-7", "qwen-72"),
    ]
    assert table["delta_accuracy"].to_list() == pytest.approx([11, 11, 6, 6])
    assert table["delta_synergy"].to_list() == pytest.approx([10, 10, 5, 5])
    assert table["delta_unique_language"].to_list() == pytest.approx([-10, -10, -5, -5])
    assert table["num_datasets"].to_list() == [2, 2, 2, 2]


def test_scaling_on_all_datasets_and_on_those_of_a_regime_that_is_not_there(family):
    assert tables.scaling(family, regime=None)["num_datasets"].to_list() == [3, 3, 3, 3]
    assert tables.scaling(family, regime="knowledge-driven")["delta_accuracy"].to_list() == pytest.approx([0] * 4)
    with pytest.raises(NothingToShowError, match="No dataset is mixed"):
        tables.scaling(family, regime="mixed")


def test_a_size_that_a_dataset_lacks_is_skipped_there(family):
    partial = family.filter(~((pl.col("model") == "qwen-7") & (pl.col("dataset") == "pope")))
    steps = tables.scaling(partial).filter(pl.col("family") == "qwen").select("from_size", "to_size", "num_datasets")
    assert steps.rows() == [(0.5, 7.0, 1), (0.5, 72.0, 1), (7.0, 72.0, 1)]


def test_sizes_that_are_not_known_give_no_steps(family):
    with pytest.raises(NothingToShowError, match="`size_b`"):
        tables.scaling(family.with_columns(size_b=pl.lit(None, pl.Float64)))


OF_MODELS = [tables.regimes, tables.correlations, tables.image_removal, tables.scaling]


@pytest.mark.parametrize("make", OF_MODELS)
def test_empty_failed_and_partial_tables(make, like_the_paper):
    for frame in (like_the_paper.clear(), like_the_paper.with_columns(result=pl.lit("invalid_run"))):
        with pytest.raises(NothingToShowError):
            make(frame)
    with pytest.raises(ResultTableError, match="column `synergy_share`"):
        make(like_the_paper.drop("synergy_share"))


@pytest.mark.parametrize(
    ("make", "column"),
    [(tables.correlations, "accuracy"), (tables.image_removal, "d_vision"), (tables.scaling, "accuracy")],
)
def test_a_column_without_values_is_named(make, column, family):
    with pytest.raises(NothingToShowError, match=f"`{column}`"):
        make(family.with_columns(pl.lit(None, pl.Float64).alias(column)))
