import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.report.laid_out.display import batch_and_exact_table


def test_one_row_per_problem_holds_both(make_row, make_exact, make_frame):
    batch = make_row("demo-blend", atoms=(0.14, 0.56, 0.51, 0.29), excess=0.15, gap=1e-4)
    table = tables.batch_and_exact(make_frame([batch, make_exact("demo-blend")]))
    row = table.row(0, named=True)
    assert table.height == 1
    assert (row["model"], row["redundancy_batch"], row["redundancy_exact"]) == ("demo-llava-small", 0.14, 0.3)
    assert (row["excess"], row["batch_gap"], row["gap"]) == (0.15, 1e-4, 6e-4)
    assert (row["redundancy_mmi"], row["redundancy_imin"], row["marginals_spread"]) == (0.31, 0.29, 0.01)
    assert (row["batch_rows"], row["exact_rows"]) == (375, 1024)


def test_the_page_rounds_the_certified_interval_outwards(make_row, make_exact, make_frame):
    exact = make_exact("demo-blend", redundancy_certified_low=0.2996, redundancy_certified_high=0.3001)
    (row,) = batch_and_exact_table(tables.batch_and_exact(make_frame([make_row("demo-blend"), exact]))).rows
    assert row[2].text == "0.300 [0.299, 0.301]"


def test_what_one_estimator_lacks_is_empty(make_row, make_exact, make_frame):
    rows = [make_exact(), make_row("demo-sight", excess=0.01), make_exact("demo-blend", result="joint_knows_less")]
    table = tables.batch_and_exact(make_frame(rows))
    assert table.select("dataset", "synergy_batch", "synergy_exact", "excess").rows() == [
        ("demo-blend", None, None, None),
        ("demo-fusion", None, 2.0, None),
        ("demo-sight", 0.0, None, 0.01),
    ]
    assert [row[5].text for row in batch_and_exact_table(table).rows] == ["– [–]", "– [1.999, 2.001]", "0.000 [–]"]


def test_a_table_of_batch_alone_says_what_it_lacks(five_tasks):
    with pytest.raises(NothingToShowError, match="exact estimator"):
        tables.batch_and_exact(five_tasks)
