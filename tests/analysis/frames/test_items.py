import numpy as np
import polars as pl
import pytest

from pid_lvlm import data
from pid_lvlm.analysis import Items, NothingToShowError, items, read_pointwise
from pid_lvlm.analysis.errors import ItemTableError, ResultTableError
from pid_lvlm.data import PidError
from pid_lvlm.data.contract.table.result_file import write_frame
from pid_lvlm.data.names import ATOMS
from tests.analysis.items import DOT, KeptItem, item_rows, means, probabilities, reader, write_scores

ATOMS_OF = {
    "small": [(0.1, 0.0, 0.0, 1.5), (0.0, 0.2, 1.2, -0.1), (0.01, 0.02, 0.03, 0.04)],
    "large": [(0.0, 0.9, 0.0, 0.2), (0.0, 0.0, 0.3, 0.7), (0.8, 0.0, 0.0, 0.0)],
}
SCORES = [
    probabilities([0.7, 0.1], [0.2, 0.6], [0.9, 0.05]),
    probabilities([0.2, 0.6]),
    probabilities([0.05, 0.1], [0.5, 0.5]),
]


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """What every run folder keeps."""
    items_kept = {f"q{number}": KeptItem(f"q{number}", "why?", ("this", "that")) for number in range(3)}
    monkeypatch.setattr(data, "read_items", reader(items_kept), raising=False)


@pytest.fixture
def runs(tmp_path):
    """Two models on three items; the last item has no known answer."""
    for model in ATOMS_OF:
        write_scores(tmp_path / "runs", model, SCORES, [0, 0, -1])
    return tmp_path / "runs"


@pytest.fixture
def results(make_exact, make_frame):
    columns = {"run": None, "layer": 1, "num_layers": 1, "accuracy": 0.5, "gap": 2e-5}
    return make_frame(
        [
            make_exact("toy", means(atoms), **columns | {"model": model, "run": f"{model}__toy", "problem_id": model})
            for model, atoms in ATOMS_OF.items()
        ]
    )


@pytest.fixture
def pointwise():
    return pl.concat(item_rows(model, f"{model}__toy", atoms) for model, atoms in ATOMS_OF.items())


def test_atoms_scores_and_answers_are_joined(results, pointwise, runs):
    found = items(results, pointwise, [runs])
    assert found.missing == ()
    assert found.frame.height == 6
    row = found.frame.row(by_predicate=(pl.col("model") == "small") & (pl.col("sample_id") == "q0"), named=True)
    assert [row[atom] for atom in ATOMS] == [0.1, 0.0, 0.0, 1.5]
    assert row["p_both"] == pytest.approx([0.875, 0.125])
    assert row["p_language_only"] == pytest.approx([0.9 / 0.95, 0.05 / 0.95])
    assert row["total_both"] == pytest.approx(0.8)
    assert (row["predicted"], row["label"], row["correct"], row["dominating"]) == (0, 0, True, "synergy")
    of_small = found.frame.filter(model="small")
    assert of_small["correct"].to_list() == [True, False, None]
    assert of_small["label"].to_list() == [0, 0, None]
    assert of_small["dominating"].to_list() == ["synergy", "unique_language", None]  # the last: next to nothing


def test_questions_come_from_the_run_folders(results, pointwise, runs, monkeypatch):
    kept = {"q0": KeptItem("q0", "which one?", ("this", "that"))}
    monkeypatch.setattr(data, "read_items", reader(kept), raising=False)
    found = items(results, pointwise, [runs])
    shown = found.with_questions(found.frame.filter(model="large"))
    assert shown["question"].to_list() == ["which one?", None, None]
    assert shown["options"].to_list()[0] == ["this", "that"]
    assert shown["thumbnail"].to_list()[0] == DOT


def test_questions_that_were_not_kept_or_are_damaged_are_missing(results, pointwise, runs, monkeypatch):
    def damaged(folder, ids=None):
        if folder.name == "small__toy":
            raise data.ContractError(str(folder), [data.Fault("items.jsonl", "is damaged")])
        return {}

    monkeypatch.setattr(data, "read_items", damaged, raising=False)
    found = items(results, pointwise, [runs])
    assert found.missing[0].endswith("`items.jsonl`: is damaged; its questions are not shown.")
    assert found.missing[1] == "The run folders of `toy` keep no questions (`pid-extract --keep-items`)."
    assert found.with_questions()["question"].null_count() == 6


def test_a_question_is_read_from_the_first_folder_that_has_it(results, pointwise, runs, monkeypatch):
    def of_small_only(folder, ids=None):
        kept = {"q0": KeptItem("q0", "why?", ("a", "b"), hint="Think.")} if folder.name == "small__toy" else {}
        return {name: item for name, item in kept.items() if name in ids}

    monkeypatch.setattr(data, "read_items", of_small_only, raising=False)
    found = items(results, pointwise, [runs])
    assert found.missing == ()
    assert found.with_questions().filter(sample_id="q0")["question"].to_list() == ["Think.\nwhy?"] * 2


def test_items_of_an_option_less_have_probabilities_of_theirs_only(results, pointwise, tmp_path):
    padded = np.stack(SCORES)
    padded = np.concatenate([padded, np.full((*padded.shape[:-1], 1), -np.inf)], axis=-1)
    padded[1, :, 2] = np.log(0.1)
    write_scores(tmp_path, "small", list(padded), [0, 0, -1])
    found = items(results, pointwise, [tmp_path]).frame.filter(model="small")
    assert found["p_both"].list.len().to_list() == [2, 3, 2]
    assert found["p_both"].list.sum().to_list() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("layer", [1, 2])
def test_scores_are_those_of_the_problem_s_layer(make_exact, make_frame, tmp_path, layer):
    layered = [np.stack([scores[:, ::-1], scores], axis=1) for scores in SCORES]
    write_scores(tmp_path, "small", layered, [0, 0, -1], layers=[1, 2])
    place = {"layer": layer, "num_layers": layer, "accuracy": None, "model": "small", "run": "small__toy"}
    results = make_frame([make_exact("toy", means(ATOMS_OF["small"]), problem_id="p", **place)])
    found = items(results, item_rows("p", "small__toy", ATOMS_OF["small"], layer), [tmp_path])
    assert found.frame["predicted"].to_list() == ([1, 0, 0] if layer == 1 else [0, 1, 1])


def test_without_a_table_of_atoms_the_scores_are_still_there(results, runs):
    found = items(results, None, [runs])
    assert found.missing == ("No table of atoms per item was given; `pid-estimate --pointwise` writes one.",)
    assert found.frame["synergy"].null_count() == found.frame.height == 6
    assert found.frame["predicted"].null_count() == 0


def test_without_run_folders_the_atoms_are_still_there(results, pointwise):
    found = items(results, pointwise)
    assert found.frame["synergy"].null_count() == 0
    assert found.frame["p_both"].null_count() == 6
    (sentence,) = found.missing
    assert sentence.startswith("No run folder was found for 2 runs (`large__toy`, `small__toy`): ")
    assert isinstance(found, Items)
    assert found.with_questions()["question"].null_count() == 6


def test_neither_is_nothing_to_show(results):
    with pytest.raises(NothingToShowError, match="Neither a table of atoms per item nor a run folder"):
        items(results)


def test_a_problem_without_atoms_is_counted(results, pointwise, runs):
    found = items(results, pointwise.filter(run="small__toy"), [runs / "small__toy"])
    assert found.frame["model"].unique().to_list() == ["small"]
    assert found.missing == ("Not shown because they have no atoms per item: 1 pair of model and dataset.",)


def test_items_solved_more_finely_are_joined_by_place_if_their_means_are_the_atoms(results, pointwise, runs):
    renamed = pointwise.with_columns(problem_id=pl.lit("fine ") + pl.col("run"))
    assert items(results, renamed, [runs]).frame.height == 6
    shifted = renamed.with_columns(synergy=pl.col("synergy") + pl.when(run="large__toy").then(0.01).otherwise(0.0))
    found = items(results, shifted, [runs / "small__toy"])
    assert found.frame["model"].unique().to_list() == ["small"]
    assert "`large__toy` were solved with settings that differ" in found.missing[1]


def test_synergy_that_cannot_be_read_is_left_out(results, pointwise):
    found = items(results.with_columns(result=pl.lit("joint_knows_less")), pointwise)
    assert found.frame["synergy"].null_count() == 6
    assert "synergy" not in found.frame["dominating"].to_list()
    assert found.notes[0].startswith("Without synergy: large on toy; small on toy. ")


def test_a_wide_gap_is_noted(results, pointwise):
    assert items(results, pointwise).notes == ()
    (sentence,) = items(results.with_columns(gap=pl.lit(6e-4)), pointwise).notes
    assert sentence.startswith("Solved to 0.0006 bits")


def test_a_run_folder_that_was_measured_again_is_left_out(results, pointwise, runs):
    found = items(results.with_columns(accuracy=pl.lit(0.9)), pointwise, [runs])
    assert "The run folder of `large__toy` is not the one that was estimated" in found.missing[0]
    assert found.frame["p_both"].null_count() == 6


def test_a_damaged_run_folder_costs_its_probabilities_only(results, pointwise, runs):
    (runs / "small__toy" / "shard-00000.npz").write_bytes(b"no")
    found = items(results, pointwise, [runs])
    assert any("small__toy" in sentence and "probabilities are missing" in sentence for sentence in found.missing)
    assert found.frame.filter(model="large")["p_both"].null_count() == 0


def test_runs_that_are_not_of_the_tables(results, pointwise, runs, tmp_path):
    other = write_scores(tmp_path / "others", "smal", SCORES, [0, 0, -1])
    with pytest.raises(PidError, match=r"its run `smal__toy` is not one .* did you mean `small__toy`"):
        items(results, pointwise, [other])
    with pytest.raises(PidError, match=r"no run folder in `.*others`: its run `smal__toy`"):
        items(results, pointwise, [tmp_path / "others"])
    with pytest.raises(PidError, match="is in both"):
        items(results, pointwise, [runs, write_scores(tmp_path / "copies", "small", SCORES, [0, 0, -1])])
    with pytest.raises(PidError, match="the folder does not exist"):
        items(results, pointwise, [tmp_path / "nowhere"])


def test_a_table_of_other_problems(results, pointwise):
    other = pointwise.with_columns(problem_id=pl.lit("x ") + pl.col("problem_id"), run=pl.lit("another"))
    with pytest.raises(PidError, match="shares no problem with the result tables \\(its runs: `another`\\)"):
        items(results, other)


def test_the_file_is_read_whole_and_later_files_win(pointwise, tmp_path):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_frame(first, pointwise)
    write_frame(second, pointwise.head(1).with_columns(synergy=pl.lit(9.0)))
    found = read_pointwise(first, second)
    assert found.height == 4
    assert found.filter(problem_id="small")["synergy"].to_list() == [9.0]
    assert read_pointwise().is_empty()


def test_a_frame_that_is_not_such_a_table_names_what_it_lacks(results, pointwise):
    with pytest.raises(ItemTableError, match="has no column `synergy`"):
        items(results, pointwise.drop("synergy"))
    with pytest.raises(ItemTableError, match="expected a polars frame .* found list"):
        items(results, [1])
    with pytest.raises(ResultTableError, match="has no column `dataset`"):
        items(results.drop("dataset"), pointwise)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop("synergy"), "has no column `synergy`; expected a table of atoms per item"),
        (lambda frame: frame.with_columns(layer=pl.lit("last")), "column `layer` is of type String; expected int"),
        (lambda frame: frame.with_columns(synergy=pl.lit(1e4)), "row 0, column `synergy`: expected a num"),
        (lambda frame: frame.with_columns(sample_id=pl.lit(None, pl.String)), "column `sample_id`: expected a text"),
        (lambda frame: pl.concat([frame, frame]), "are the same item of the same problem"),
        (lambda frame: frame.head(0), "has no rows"),
    ],
)
def test_what_is_not_such_a_table_is_said(pointwise, tmp_path, change, said):
    write_frame(tmp_path / "items.parquet", change(pointwise))
    with pytest.raises(ItemTableError, match=r"^atoms per item `.*items\.parquet`: ") as caught:
        read_pointwise(tmp_path / "items.parquet")
    assert said in str(caught.value)


def test_a_result_table_is_not_one_of_items(results, tmp_path):
    write_frame(tmp_path / "results.parquet", results)
    with pytest.raises(ItemTableError, match="is a result table; expected a table with a row per item"):
        read_pointwise(tmp_path / "results.parquet")
    with pytest.raises(ItemTableError, match="no such file"):
        read_pointwise(tmp_path / "none.parquet")
