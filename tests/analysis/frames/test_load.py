import polars as pl
import pytest

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.frames.load import failed_fits, read_results, successful
from pid_lvlm.data.contract.table.result_file import write_frame
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION
from pid_lvlm.data.names import ATOMS


@pytest.fixture
def saved(tmp_path, five_tasks):
    """Write a changed copy of the five-task table and return its path."""

    def save(change=lambda frame: frame, name="results.parquet"):
        path = tmp_path / name
        write_frame(path, change(five_tasks))
        return path

    return save


def test_columns_come_in_the_order_of_the_schema(saved):
    frame = read_results(saved(lambda frame: frame.select(sorted(frame.columns)).with_columns(extra=pl.lit(1))))
    assert frame.columns == [column.name for column in COLUMNS]


def test_integers_are_taken_for_floats_and_nan_for_unknown(saved):
    path = saved(lambda frame: frame.with_columns(pl.lit(1).alias("size_b"), pl.lit(float("nan")).alias("gap")))
    frame = read_results(path)
    assert frame["size_b"].dtype == pl.Float64
    assert frame["gap"].null_count() == frame.height


def test_a_problem_given_twice_counts_once_and_the_last_file_wins(saved):
    first, second = saved(), saved(lambda frame: frame.head(1).with_columns(synergy=pl.lit(0.5)), "more.parquet")
    frame = read_results(first, second)
    assert frame.height == 5
    assert 0.5 in frame["synergy"]


def test_failed_fits_stay_and_may_lack_what_they_did_not_measure(saved, five_tasks):
    failed = pl.col("dataset") == "demo-fusion"
    path = saved(
        lambda frame: frame.with_columns(
            pl.when(failed).then(pl.lit("nonfinite_loss")).otherwise("result").alias("result"),
            pl.when(failed).then(None).otherwise("synergy").alias("synergy"),
        )
    )
    frame = read_results(path)
    assert successful(frame).height == 4
    assert failed_fits(frame)["result"].to_list() == ["nonfinite_loss"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename({"synergy": "synergie"}), "has no column `synergy`; did you rename it to `synergie`?"),
        (lambda f: f.drop("model", "dataset"), "has no column `model` (and 1 more: dataset)"),
        (lambda f: f.with_columns(synergy=pl.lit("much")), "column `synergy` is of type String; expected float"),
        (lambda f: f.with_columns(seeds=pl.lit(1)), "column `seeds` is of type Int32; expected list"),
        (lambda f: f.clear(), "has no rows"),
        (
            lambda f: f.with_columns(schema_version=pl.lit(99)),
            f"has schema version 99, but this program reads versions up to {RESULT_SCHEMA_VERSION}",
        ),
        (lambda f: f.with_columns(model=pl.lit(None, pl.String)), "column `model` is empty in 5 of 5 rows"),
        (lambda f: f.with_columns(synergy=pl.lit(float("nan"))), "column `synergy` is empty in 5 of 5 rows"),
    ],
)
def test_an_unusable_table_is_one_sentence(saved, change, message):
    path = saved(change)
    with pytest.raises(ResultTableError) as caught:
        read_results(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_table_is_recognised_even_where_columns_are_gone(saved):
    path = saved(lambda frame: frame.drop("synergy").with_columns(schema_version=pl.lit(99)))
    with pytest.raises(ResultTableError, match="schema version 99"):
        read_results(path)


FORMER = {
    "num_train": "n_train",
    "num_test": "n_test",
    "accuracy_no_image": "accuracy_noimage",
    "accuracy_strict_no_image": "accuracy_strict_noimage",
    **{f"true_{atom}": f"planted_{atom}" for atom in ATOMS},
}
"""Columns of version 3 -> their names in version 2."""


def test_a_table_of_version_2_is_read_with_its_columns_renamed(saved, five_tasks):
    old = saved(lambda frame: frame.rename(FORMER).with_columns(schema_version=pl.lit(2)), "old.parquet")
    assert read_results(old).equals(read_results(saved()))
    both = read_results(old, saved(lambda frame: frame.with_columns(problem_id="new " + pl.col("problem_id"))))
    assert both.height == 2 * five_tasks.height
    assert both["num_train"].null_count() == 0


def test_a_table_from_before_a_column_is_read_with_it_empty(saved, five_tasks):
    new = saved()
    old = saved(lambda f: f.drop("accuracy_circular").with_columns(schema_version=pl.lit(1)), "old.parquet")
    for frame in (read_results(old), read_results(old, new)):
        assert frame["accuracy_circular"].null_count() == five_tasks.height
    lying = saved(lambda frame: frame.drop("accuracy_circular"), "lying.parquet")
    with pytest.raises(ResultTableError, match="has no column `accuracy_circular`"):
        read_results(lying)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"model,dataset\n", "is not a parquet file"), (b"PAR1 and no more", "is truncated"), (b"PAR1PAR1", "cannot be")],
)
def test_a_file_that_is_not_parquet(tmp_path, content, message):
    path = tmp_path / "results.parquet"
    path.write_bytes(content)
    with pytest.raises(ResultTableError, match=message):
        read_results(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ResultTableError, match="no such file; `pid-estimate RUN"):
        read_results(tmp_path / "none.parquet")
    with pytest.raises(ResultTableError, match="is a folder"):
        read_results(tmp_path)
