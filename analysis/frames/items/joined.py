"""Every item of every model in one frame: the question, the model's answer, and the atoms of the item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.items.kept import with_questions, without_questions
from pid_lvlm.analysis.frames.items.pointwise import given_pointwise, read_pointwise
from pid_lvlm.analysis.frames.items.problems import ItemProblems, item_problems
from pid_lvlm.analysis.frames.items.scores import SCORES, find_run_folders, item_scores
from pid_lvlm.analysis.frames.labels import rounded_up
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING
from pid_lvlm.data.command.shown import backticked, count
from pid_lvlm.data.contract.table.item_table import ITEM_TERMS
from pid_lvlm.data.contract.table.results import EXACT, JOINT_KNOWS_LESS
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import ATOMS

PLACE: Final = ("model", "family", "size_b", "dataset", "run", "stage", "step", "layer", "tau")
"""Columns of the problem in an item's row."""

FINE_GAP: Final = 2e-5
"""Widest certified interval, in bits, for which single items' atoms are off by less than 0.001 bits."""

_ACCURACY_SLACK: Final = 1e-6
_NAMED: Final = 3


@dataclass(frozen=True)
class Items:
    """Items of the final layers, and what is missing.

    Attributes:
        frame: one row per model, dataset and item: `PLACE`, `sample_id`, the four atoms and `ITEM_TERMS` in bits,
            `dominating` (the largest atom, empty if all are next to nothing), and the columns of `item_scores`. Unknown
            values are empty.
        missing: a sentence for everything that could not be joined.
        notes: sentences about how far single values can be trusted.
        folders: run folder of each run.
    """

    frame: pl.DataFrame
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)

    def with_questions(self, frame: pl.DataFrame | None = None) -> pl.DataFrame:
        """The rows, by default all, with `question`, `options` and `thumbnail` as kept in the run folders.

        An item is read from the first run folder of its dataset that has it. The columns are empty if none has it: no
        folder was given, or `pid-extract --keep-items none` kept nothing.
        """
        return with_questions(self.frame if frame is None else frame, self.folders)


def items(
    results: pl.DataFrame,
    pointwise: pl.DataFrame | str | PathLike[str] | None = None,
    runs: Sequence[str | Path] = (),
) -> Items:
    """Join the table of atoms per item, the scores in the run folders and the result table.

    Among the problems with atoms per item (without such a table: all problems), each model counts once per dataset:
    final checkpoint, output layer, one setting (`across_models`).

    Args:
        results: the result table, with the rows of the estimate that wrote `pointwise`.
        pointwise: a file of `pid-estimate --pointwise`, or `read_pointwise` of several.
        runs: run folders, or folders of run folders. Runs of the result table that are missing here, because they were
            moved, get no probabilities.

    Raises:
        ItemTableError: the table of atoms per item cannot be used.
        PidError: the two tables are about different problems, or a path is not a run folder of the result table's runs.
        NothingToShowError: there is neither a table of atoms per item nor a run folder.
    """
    results = given(results)
    if isinstance(pointwise, str | PathLike):
        pointwise = read_pointwise(pointwise)
    elif pointwise is not None:
        pointwise = given_pointwise(pointwise)
    if pointwise is None and not runs:
        raise NothingToShowError("Neither a table of atoms per item nor a run folder was given.")
    found = item_problems(results, pointwise)
    problems = found.frame
    folders, unreadable = find_run_folders(runs, problems["run"].to_list())
    scores, wrong = _scores(problems, folders)
    frame = _joined(problems, pointwise, scores)
    missing = [*_without_atoms(results, found, pointwise), *_without_folder(problems, folders, frame)]
    missing += [*unreadable, *wrong, *without_questions(frame, folders)]
    return Items(frame, tuple(missing), tuple(_notes(problems, pointwise)), folders)


def _scores(problems: pl.DataFrame, folders: Mapping[str, Path]) -> tuple[dict[str, pl.DataFrame], list[str]]:
    found, wrong = {}, []
    for row in problems.iter_rows(named=True):
        run = row["run"]
        if run not in folders:
            continue
        try:
            scores = item_scores(folders[run], row["layer"])
        except PidError as error:
            wrong.append(f"{error}; its probabilities are missing here.")
            continue
        accuracy = scores["correct"].cast(pl.Float64).mean()
        if row["accuracy"] is not None and (
            not isinstance(accuracy, float) or abs(accuracy - row["accuracy"]) > _ACCURACY_SLACK
        ):
            wrong.append(
                f"The run folder of {backticked([run])} is not the one that was estimated: its accuracy differs from "
                "that in the result table. Its probabilities are left out."
            )
            continue
        found[run] = scores
    return found, wrong


def _joined(problems: pl.DataFrame, pointwise: pl.DataFrame | None, scores: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    asked = pl.concat(
        [
            pl.DataFrame(schema={"run": pl.String(), **SCORES}),
            *(frame.select(pl.lit(run).alias("run"), *SCORES) for run, frame in scores.items()),
        ]
    )
    place = problems.select("item_problem", "result", *PLACE)
    if pointwise is None:
        rows = place.join(asked, on="run", maintain_order="left_right").with_columns(
            pl.lit(None, pl.Float64).alias(name) for name in (*ATOMS, *ITEM_TERMS)
        )
    else:
        atoms = pointwise.select("sample_id", *ATOMS, *ITEM_TERMS, item_problem="problem_id")
        rows = place.join(atoms, on="item_problem", maintain_order="left_right").join(
            asked, on=["run", "sample_id"], how="left", maintain_order="left"
        )
    known = pl.col("result") != JOINT_KNOWS_LESS
    rows = rows.with_columns(synergy=pl.when(known).then("synergy"))
    largest = pl.max_horizontal(*ATOMS)
    dominating = pl.coalesce(
        pl.when((pl.col(atom) == largest) & (largest > NEXT_TO_NOTHING)).then(pl.lit(atom)) for atom in ATOMS
    )
    return rows.select(*PLACE, "sample_id", *ATOMS, *ITEM_TERMS, dominating.alias("dominating"), *list(SCORES)[1:])


def _without_atoms(results: pl.DataFrame, found: ItemProblems, pointwise: pl.DataFrame | None) -> list[str]:
    if pointwise is None:
        return ["No table of atoms per item was given; `pid-estimate --pointwise` writes one."]
    sentences = []
    if pairs := results.select("model", "dataset").unique().height - found.frame.height:
        sentences.append(f"Not shown because they have no atoms per item: {count(pairs, 'pair')} of model and dataset.")
    if found.other:
        sentences.append(
            f"The atoms per item of {backticked(found.other)} were solved with settings that differ from those of the "
            "result table's rows, and are left out."
        )
    return sentences


def _without_folder(problems: pl.DataFrame, folders: Mapping[str, Path], frame: pl.DataFrame) -> list[str]:
    sentences = []
    if gone := [run for run in problems["run"] if run not in folders]:
        sentences.append(
            f"No run folder was found for {count(len(gone), 'run')} "
            f"({backticked(gone[:_NAMED])}{', …' if len(gone) > _NAMED else ''}): questions and probabilities are "
            "missing there."
        )
    lost = frame.filter(pl.col("run").is_in(list(folders)) & pl.col("num_options").is_null())
    partly = [f"{run} ({number:,})" for run, number in lost["run"].value_counts().sort("run").iter_rows()]
    known = set(frame.filter(pl.col("num_options").is_not_null())["run"])
    partly = [text for text in partly if text.rpartition(" (")[0] in known]
    if partly:
        sentences.append(f"Runs whose folders lack some of their items: {backticked(partly)}.")
    return sentences


def _notes(problems: pl.DataFrame, pointwise: pl.DataFrame | None) -> list[str]:
    notes = []
    own = problems.filter((pl.col("estimator") == EXACT) & (pl.col("item_problem") == pl.col("problem_id")))
    widest = own["gap"].max()
    if pointwise is not None and isinstance(widest, float) and widest > FINE_GAP:
        notes.append(
            f"Solved to {rounded_up(widest)} bits: single items are off by about 0.005 bits (root mean square) "
            "at 0.0001, and 0.01 at 0.001. `pid-estimate --tol-bits 2e-5` brings them within 0.001."
        )
    unread = problems.filter(result=JOINT_KNOWS_LESS)
    if pointwise is not None and not unread.is_empty():
        pairs = [f"{model} on {dataset}" for model, dataset in unread.select("model", "dataset").iter_rows()]
        notes.append(
            f"Without synergy: {'; '.join(pairs[:_NAMED])}{'; …' if len(pairs) > _NAMED else ''}. There the answers "
            "given both sources carry less information than the single sources imply, so synergy cannot be computed."
        )
    return notes
