import pytest

from pid_lvlm.analysis.report.words.provenance import provenance


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["one/losses.jsonl", "two/losses.jsonl"], ["one/losses.jsonl", "two/losses.jsonl"]),
        (["one/a.jsonl", "two/b.jsonl"], ["a.jsonl", "b.jsonl"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_folder(five_tasks, tmp_path, files, named):
    for file in files:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(file)
    found = provenance(five_tasks, {"losses": [tmp_path / file for file in files]})
    assert [text.partition(", sha256 ")[0] for kind, text in found if kind == "losses"] == named
    assert str(tmp_path) not in str(found)


def test_numbers_of_rows_are_sorted(make_row, make_frame):
    rows = [make_row(f"d{number}", num_test=number) for number in (1024, 256, 512)]
    assert dict(provenance(make_frame(rows), {}))["test rows"] == "256; 512; 1024"
