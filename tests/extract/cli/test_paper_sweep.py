"""The sweep file of the paper's study: it is read as it is, and names what the paper names."""

import re
from collections import Counter
from pathlib import Path

import pytest

from pid_lvlm.analysis import paper
from pid_lvlm.extract.cli.sweep_file import read_sweep
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS
from pid_lvlm.extract.models.checkpoint.locate import HUB_ID, check_model
from pid_lvlm.extract.models.registry import ADAPTERS
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.jobs import check_names, load_all
from tests import CHECKPOINT, ROOT
from tests.extract.console import assert_one_sentence, extract_command
from tests.extract.datasets.benchmarks import files

SWEEP = ROOT / "examples" / "paper.toml"
CHECKPOINTS = [
    f"llava-1.5-{size}b/{stage}/checkpoint-{step}"
    for size in (7, 13)
    for stage in ("align", "tune")
    for step in (1, 2, 3, 4)
]
CONVERTED = ("InternVL2_5-2B-hf", "InternVL2_5-8B-hf", "InternVL2_5-78B-hf")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the sweep file and, in small, every file that it names."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "paper.toml").write_text(SWEEP.read_text("utf-8"), "utf-8")
    for name in (*CHECKPOINTS, *CONVERTED):
        (folder / name).mkdir(parents=True)
    files.write_mmbench(folder / "MMBench_DEV_EN.tsv", files.mmbench_rows(two=1, three=1, four=2, fixed_d=1))
    pope = files.pope_rows(2, "adversarial")
    files.write_jsonl(folder / "coco_pope_adversarial.json", pope)
    files.write_pictures(folder / "val2014", sorted({row["image"] for row in pope}))
    reefknot = files.reefknot_rows(cognitive=2)[::400]
    files.write_jsonl(folder / "Multichoice.jsonl", reefknot)
    files.write_pictures(folder / "visual_genome" / "VG_100K", [f"{row['image_id']}.jpg" for row in reefknot])
    pmc = files.pmc_rows(8, figures=4)
    files.write_pmc(folder / "test_clean.csv", pmc)
    files.write_pictures(folder / "figures", sorted({row["Figure_path"] for row in pmc}))
    return folder


def read(path: Path) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    return read_sweep(path, "cpu")


@pytest.fixture(scope="module")
def as_shipped(here: Path) -> list[ModelSpec]:
    return read(here / "paper.toml")[0]


@pytest.fixture(scope="module")
def everything(here: Path) -> list[ModelSpec]:
    """With every entry that needs something first."""
    text, entries = re.subn(r"^#(?=[\[a-z])", "", SWEEP.read_text("utf-8"), flags=re.MULTILINE)
    assert entries > 30
    (here / "everything.toml").write_text(text, "utf-8")
    return read(here / "everything.toml")[0]


def names(specs: list[ModelSpec]) -> list[str]:
    return [Path(spec.model).name if spec.model.startswith("/") else spec.model for spec in specs]


def test_the_four_benchmarks_are_those_of_the_paper(here: Path) -> None:
    _, datasets = read(here / "paper.toml")
    assert [spec.benchmark for spec in datasets] == paper.datasets()["benchmark"].to_list()
    assert all(spec.benchmark in BENCHMARKS for spec in datasets)


def test_the_models_are_those_of_the_paper_and_three_of_its_candidates(as_shipped: list[ModelSpec]) -> None:
    listed = {row["read_from"]: row for row in paper.models().to_dicts() if row["read_from"]}
    assert all(HUB_ID.fullmatch(spec.model) for spec in as_shipped)
    rows = [listed[spec.model] for spec in as_shipped]
    assert Counter(row["named"] for row in rows) == {"text": 17, "code": 3, "candidate": 3}
    for spec, row in zip(as_shipped, rows, strict=True):
        assert (spec.family, spec.size_b) == (row["family"], row["size_b"]), spec.model
        assert spec.layers == ("all" if row["layer_study"] else "last"), spec.model
        assert (spec.name, spec.stage, spec.step) == (None, None, None)


def test_as_shipped_and_converted_they_are_26(as_shipped: list[ModelSpec]) -> None:
    assert len({spec.model for spec in as_shipped} | set(CONVERTED)) == paper.NUM_MODELS


def test_every_hub_id_is_of_a_model_type_that_is_read(as_shipped: list[ModelSpec]) -> None:
    """The type of a hub id is asked of the hub; here, our list of models must agree with the adapters' examples."""
    types = dict(paper.models().select("read_from", "model_type").drop_nulls().iter_rows())
    examples = {example: name for name, entry in ADAPTERS.items() for example in entry.examples}
    for spec in as_shipped:
        assert types[spec.model] in ADAPTERS
        assert examples.get(spec.model, types[spec.model]) == types[spec.model]
    assert {types[spec.model] for spec in as_shipped} <= {examples.get(name) for name in names(as_shipped)}


def test_entries_that_need_something_first(as_shipped: list[ModelSpec], everything: list[ModelSpec]) -> None:
    added = [spec for spec in everything if spec not in as_shipped]
    assert len(everything) == len(as_shipped) + len(added)
    assert sorted(names(added)) == sorted(
        ["nyu-visionx/cambrian-13b", *CONVERTED, *(Path(name).name for name in CHECKPOINTS)]
    )
    trained = [spec for spec in added if spec.step is not None]
    assert Counter((spec.name, spec.stage) for spec in trained) == {
        (f"llava-1.5-{size}b-trained-again", stage): 4 for size in (7, 13) for stage in ("align", "tune")
    }
    assert [paper.model_in_paper(spec.display_name) for spec in trained] == [None] * 16
    converted = [paper.model_in_paper(spec.display_name) for spec in added if Path(spec.model).name in CONVERTED]
    assert converted == ["InternVL2.5-2B", "InternVL2.5-8B", "InternVL2.5-78B"]


def test_every_named_model_is_found_again_in_a_result_table(as_shipped: list[ModelSpec]) -> None:
    found = {paper.model_in_paper(spec.display_name) for spec in as_shipped} - {None}
    named = {row["model"] for row in paper.models().to_dicts() if row["named"] != "candidate"}
    assert named - found == {"InternVL2.5-2B", "InternVL2.5-8B", "InternVL2.5-78B"}


def test_the_runs_can_be_planned(here: Path, everything: list[ModelSpec]) -> None:
    """As far as `--dry-run` gets without the hub: models are named, items and prompts are read, runs are told apart."""
    for spec in everything:
        check_model(spec)
    config = ExtractionConfig(here / "runs")
    datasets = load_all(read(here / "paper.toml")[1], config)
    check_names(everything, datasets)
    assert [paper.dataset_in_paper(dataset.name) for dataset in datasets] == paper.datasets()["dataset"].to_list()
    assert {template_name(config, dataset) for dataset in datasets} == {"paper"}
    assert all(dataset.items for dataset in datasets)


def test_without_the_benchmarks_it_says_which_file_is_missing(tmp_path: Path) -> None:
    result = extract_command("--sweep", SWEEP, "--out", tmp_path / "runs", "--dry-run")
    assert_one_sentence(result, "MMBench_DEV_EN.tsv")


def test_the_file_says_what_is_not_known() -> None:
    text = SWEEP.read_text("utf-8")
    candidates = paper.models().filter(named="candidate")["model"].to_list()
    assert [name for name in candidates if name not in text] == []


def test_a_dry_run_of_the_file_with_one_small_model(here: Path) -> None:
    head, _, models = SWEEP.read_text("utf-8").partition("# ---- Named in the text")
    entry = re.sub(
        r'model = ".*"',
        f'model = "{CHECKPOINT}"\nname = "Gemma3-4B"',
        models[models.index("[[models]]") :].partition("\n\n")[0],
    )
    (here / "one.toml").write_text(f"{head}\n{entry}\n", "utf-8")
    code, output, errors = extract_command("--sweep", here / "one.toml", "--out", here / "runs", "--dry-run")
    assert code == 0, errors
    assert re.findall(r"^run \S*/(\S+)$", output, re.MULTILINE) == [
        f"Gemma3-4B__{name}" for name in paper.datasets()["benchmark"]
    ]
