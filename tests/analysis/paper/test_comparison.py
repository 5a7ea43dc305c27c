"""Published numbers beside a table's: known values, other estimators, failed fits, too few models, other benchmarks."""

import polars as pl
import pytest
from scipy import stats

from pid_lvlm.analysis import NothingToShowError, paper
from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.paper.comparison import SCHEMA

GEMMA, QWEN = "google/gemma-3-4b-it", "Qwen/Qwen2.5-VL-7B-Instruct"


def of(frame: pl.DataFrame, exhibit: str, **values: str) -> pl.DataFrame:
    return frame.filter(pl.col("exhibit") == exhibit, **values)


@pytest.fixture
def many(make_row, make_frame) -> pl.DataFrame:
    """Twelve models on MMBench, one of which the paper has, and a ranking that is nearly that of S."""
    rows = []
    for place in range(12):
        atoms = (0.01, 0.02, 0.3 - 0.01 * place, 0.1 * place)
        ranked = {"accuracy": 0.3 + 0.05 * (place ^ 1), "d_vision": 0.05 * place, "i_joint": 0.5 + 0.1 * (place % 5)}
        model = GEMMA if place == 4 else f"model-{place}"
        rows.append(make_row("mmbench", atoms, model=model, coinformation=-0.1 * place, **ranked))
    return make_frame(rows)


def test_correlations_are_scipys_and_stand_beside_the_printed_ones(many: pl.DataFrame) -> None:
    found = of(paper.comparison(many), "T2")
    assert found["dataset"].unique().to_list() == ["MMBench"]
    for row, column in zip(found.to_dicts(), ("synergy", "unique_language", "i_joint", "coinformation"), strict=True):
        expected = stats.spearmanr(many["accuracy"], many[column])
        printed = paper.correlations().filter(dataset="MMBench", outcome="accuracy", column=column)
        assert (row["here"], row["here_p"]) == pytest.approx((expected.statistic, expected.pvalue))
        assert (row["published"], row["published_p"]) == printed.select("rho", "p").row(0)
        assert row["difference"] == pytest.approx(row["here"] - row["published"])
        assert (row["num_models"], row["note"]) == (12, "12 models here, 26 there")


def test_image_removal(many: pl.DataFrame) -> None:
    (row,) = of(paper.comparison(many), "TXT").to_dicts()
    assert (row["published"], row["here"], row["quantity"]) == (
        0.809,
        1.0,
        "ρ of accuracy drop without the image and S",
    )


def test_too_few_models_and_equal_values_give_no_correlation(many: pl.DataFrame) -> None:
    few = of(paper.comparison(many.head(3)), "T2")
    assert few["here"].null_count() == few["difference"].null_count() == few.height == 4
    assert few["note"].unique().to_list() == ["not enough data: 3 models, at least 4 are needed"]
    equal = of(paper.comparison(many.with_columns(accuracy=pl.lit(0.5))), "T2")
    assert equal["note"].unique().to_list() == ["not enough data: a value is the same for all 12 models"]


def test_settings_layers_and_checkpoints_are_no_models(many: pl.DataFrame) -> None:
    other_tau = many.with_columns(tau=pl.lit(0.2), synergy=-pl.col("synergy"), problem_id=pl.col("problem_id") + "t")
    layers = many.with_columns(layer=pl.lit(2), synergy=pl.lit(9.0), problem_id=pl.col("problem_id") + "l")
    before = many.with_columns(stage=pl.lit("tune"), step=pl.lit(1), problem_id=pl.col("problem_id") + "s")
    # Table 4 alone has rows for τ = 0.2.
    parts = [part.cast(many.schema) for part in (many, other_tau, layers, before)]
    together = paper.comparison(pl.concat(parts)).filter(pl.col("exhibit") != "T4")
    assert together.equals(paper.comparison(many).filter(pl.col("exhibit") != "T4"))


def test_the_first_token_counts_where_all_rows_have_it(many: pl.DataFrame) -> None:
    strict = many.with_columns(accuracy_strict=pl.col("synergy"), accuracy_strict_no_image=pl.lit(0.0))
    assert of(paper.comparison(strict), "T2", quantity="ρ of accuracy and S")["here"].to_list() == [1.0]
    unread = strict.tail(1).with_columns(accuracy_strict=None, result=pl.lit("invalid_run"), problem_id=pl.lit("none"))
    with_failed = pl.concat([strict, unread.cast(strict.schema)])
    assert of(paper.comparison(with_failed), "T2", quantity="ρ of accuracy and S")["here"].to_list() == [1.0]
    partly = strict.with_columns(accuracy_strict=pl.when(pl.col("synergy") > 0).then("accuracy_strict"))
    assert paper.comparison(partly).equals(paper.comparison(many))


def test_steps_between_sizes_are_means_over_both_benchmarks(two_sizes: pl.DataFrame) -> None:
    found = of(paper.comparison(two_sizes), "T3")
    assert found["of"].unique().to_list() == ["Qwen2.5-VL, 3 to 7 B"]
    assert found["here"].to_list() == pytest.approx([15.0, 30.0, -30.0])
    assert found["published"].to_list() == [1.3, -6.3, 1.0]
    assert set(found["note"]) == {""}
    one = of(paper.comparison(two_sizes.filter(pl.col("dataset") == "mmbench")), "T3")
    assert one["here"].to_list() == pytest.approx([10.0, 20.0, -20.0])
    assert set(one["note"]) == {"here on 1 of 2 benchmarks"}


def test_sizes_that_the_paper_does_not_step_between_are_not_compared(make_row, make_frame) -> None:
    names = ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-72B-Instruct")
    table = make_frame([make_row("mmbench", model=name, accuracy=0.1 * place) for place, name in enumerate(names)])
    assert of(paper.comparison(table), "T3").is_empty()


@pytest.mark.parametrize(
    ("dataset", "exhibit", "quantity", "published", "here"),
    [("mmbench", "T4", "S", 0.173, 0.6), ("pmc-vqa", "T5", "U2", 1.864, 0.3)],
)
def test_values_of_a_model_by_pooling_and_tau(
    make_row, make_frame, dataset, exhibit, quantity, published, here
) -> None:
    table = make_frame([make_row(dataset, model=GEMMA, pooling="max", interval="seeds")])
    (row,) = of(paper.comparison(table), exhibit).to_dicts()
    assert (row["quantity"], row["published"], row["here"]) == (quantity, published, here)
    assert (row["of"], row["setting"], row["unit"]) == ("Gemma3-4B", "max pooling, τ 0.3", "bits")
    assert (row["low"], row["high"], row["interval"]) == pytest.approx((here - 0.02, here + 0.02, "seeds"))
    other = make_frame([make_row(dataset, model=GEMMA, pooling="max", tau=0.2)])  # which the paper does not have
    assert of(paper.comparison(other), exhibit).is_empty()


def test_every_estimator_has_its_rows_and_the_published_one_is_first(make_row, make_exact, make_frame) -> None:
    table = make_frame([make("mmbench", model=GEMMA) for make in (make_exact, make_row)])
    found = of(paper.comparison(table), "T4")
    assert found["estimator"].to_list() == ["batch", "exact"]
    assert found["setting"].unique().to_list() == ["mean pooling, τ 0.3"]
    assert paper.comparison(table).filter(exhibit="T2")["estimator"].to_list() == ["batch"] * 4 + ["exact"] * 4


def test_a_failed_fit_has_no_number_and_says_why(make_row, make_frame) -> None:
    rows = [
        make_row("mmbench", model=GEMMA, result="nonfinite_loss"),
        make_row("mmbench", model=QWEN, result="joint_knows_less"),
    ]
    found = of(paper.comparison(make_frame(rows)), "T4")
    assert found.select("here", "low", "difference").null_count().row(0) == (2, 2, 2)
    assert set(found["note"]) == {"nonfinite_loss", "joint_knows_less"}
    unknown = of(paper.comparison(make_frame([make_row("pmc-vqa", model=QWEN, result="joint_knows_less")])), "T5")
    assert unknown["here"].to_list() == [0.3]  # U2 is what it would be anyway


@pytest.mark.parametrize(
    ("columns", "here", "note"),
    [
        ({"num_train": 0, "num_test": 2000, "estimator": "exact"}, 2000, ""),
        ({"num_train": 1500, "num_test": 256}, 1756, "an incomplete test batch may be left out"),
        ({"num_train": 0, "num_test": 1900, "estimator": "exact"}, 1900, "not the whole benchmark"),
        ({"num_train": 75, "num_test": 25}, 100, "not the whole benchmark"),
        ({"num_train": 2000, "num_test": 256}, 2256, "more items than in the paper"),
    ],
)
def test_items(make_row, make_frame, columns, here, note) -> None:
    (row,) = of(paper.comparison(make_frame([make_row("pmc-vqa", **columns)])), "T1").to_dicts()
    assert (row["published"], row["here"], row["note"]) == (2000, here, note)


def test_columns_are_the_same_whatever_there_is(many, two_sizes) -> None:
    for table in (many, two_sizes, two_sizes.head(1)):
        found = paper.comparison(table)
        assert dict(found.schema) == SCHEMA
        assert found["note"].null_count() == 0


def test_none_of_the_benchmarks(five_tasks: pl.DataFrame) -> None:
    with pytest.raises(NothingToShowError, match="none of the paper's benchmarks .MMBench, POPE, Reefknot, PMC-VQA."):
        paper.comparison(five_tasks)
    with pytest.raises(ResultTableError):
        paper.comparison(five_tasks.drop("synergy"))
    assert paper.not_in_paper(five_tasks).startswith(
        "Not named in the paper: models demo-llava-small; benchmarks demo-agree"
    )


def test_what_the_paper_does_not_name_is_one_sentence(many: pl.DataFrame, two_sizes: pl.DataFrame) -> None:
    assert paper.not_in_paper(two_sizes) == ""
    expected = "models model-0, model-1, model-10, model-11, model-2 and 6 more."
    assert paper.not_in_paper(many) == f"Not named in the paper: {expected}"


def test_measures_can_be_replaced(many: pl.DataFrame, make_exact) -> None:
    def table_2(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
        assert results["estimator"].unique().to_list() == [estimator]
        assert results["dataset"].unique().to_list() == ["MMBench"]
        return paper.correlations().filter(outcome="accuracy").select("dataset", "column", "rho", "p", "num_models")

    both = pl.concat([many, pl.DataFrame([make_exact("MMBench_DEV_EN")], schema=many.schema)])
    found = of(paper.comparison(both, paper.Measures(correlations=table_2)), "T2")
    assert found["difference"].to_list() == [0.0] * 32
    assert found["estimator"].to_list() == ["batch"] * 16 + ["exact"] * 16
