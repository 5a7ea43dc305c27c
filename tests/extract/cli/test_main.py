"""The command: exit codes, one sentence per mistake, a plan that writes nothing, help without the heavy imports."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from pid_lvlm import data
from tests.extract.console import Command, assert_one_sentence
from tests.extract.datasets.benchmarks import files

Rows = list[dict[str, Any]]


def test_runs_and_checks(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    arguments = ("--model", checkpoint, "--data", items, "--out", out, "--limit", 5, "--layers", "last")
    code, _, errors = command(*arguments)
    assert code == 0
    assert "tiny__toy: 5 samples in" in errors
    few = "note: `toy.jsonl`: 5 rows are too few: the estimate needs at least 342 rows: 75% of the rows train the"
    assert few in errors
    assert data.read_manifest(out / "tiny__toy").revision.startswith("files-")  # type: ignore[union-attr]
    assert "already complete" in command(*arguments)[2]
    code, output, errors = command(*arguments, "--json", "--quiet")
    content = json.loads(output)
    assert (code, errors) == (0, "")
    assert [content[name] for name in ("action", "exit_code", "done", "skipped", "failed")] == ["run", 0, 0, 1, 0]
    (run,) = content["runs"]
    assert (run["folder"], run["state"], run["samples"]) == (str(out / "tiny__toy"), "complete", 5)
    code, output, _ = command("--check", out / "tiny__toy")
    assert (code, output.splitlines()[0]) == (0, f"{out / 'tiny__toy'}: valid")
    (out / "tiny__toy" / "shard-00000.npz").unlink()
    code, output, _ = command("--check", out / "tiny__toy")
    assert code == 2
    assert f"{out / 'tiny__toy'}: 1 fault\n" in output
    assert "shard-00000.npz`: missing; run the same pid-extract command again" in output
    code, output, _ = command("--check", out / "tiny__toy", "--json")
    content = json.loads(output)
    assert (code, content["exit_code"], content["done"], content["failed"]) == (2, 2, 0, 1)
    (folder,) = content["folders"]
    assert (folder["valid"], len(folder["faults"])) == (False, 1)
    assert command(*arguments)[0] == 0
    assert command("--check", out / "tiny__toy")[0] == 0


def test_dry_run_writes_nothing(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    arguments = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", "--dry-run", "--json")
    code, result, output = command(*arguments)
    assert code == 0
    assert not (tmp_path / "runs").exists()
    content = json.loads(result)
    (run,) = content["runs"]
    assert (content["action"], run["run"], run["state"], run["samples"]) == ("dry-run", "tiny__toy", "new", 11)
    for part in ("items       11 of toy", "shard-00000.npz", "layers      1, 2, 3 of 3", "4 visual tokens", "letters"):
        assert part in output


def test_sweep_names_runs_and_survives_a_failure(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path
) -> None:
    entries = "".join(
        f'[[models]]\nmodel = "{folder}"\nname = "small"\nstage = "s1"\nstep = {step}\nlayers = "last"\nlimit = 5\n'
        for folder, step in ((checkpoint, 10), (tmp_path / "gone", 20))
    )
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(f'{entries}[[datasets]]\nfile = "{items.name}"\n')
    code, output, errors = command("--sweep", sweep, "--out", tmp_path / "runs", "--quiet", "--json")
    assert code == 1
    assert "failed: small__toy__s1-20: " in errors
    assert errors.endswith("1 of 2 runs failed\n")
    content = json.loads(output)
    assert (content["exit_code"], content["done"], content["failed"]) == (1, 1, 1)
    (failure,) = content["failures"]
    assert failure["what"] == "small__toy__s1-20"
    assert "is not there" in failure["reason"]
    manifest = data.read_manifest(tmp_path / "runs" / "small__toy__s1-10")
    assert (manifest.finished, manifest.num_samples, manifest.layers) == (True, 5, (3,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model]]", "unknown key `model`; did you mean `models`"),
        ("[[models]]\nmodl = 'x'", "unknown key `modl`; did you mean `model`"),
        ("[[models]]\nstep = 3", "entry 1 of models: `model` is missing; a model needs `model` or `checkpoints`"),
        ("[[models]]\nmodel = 'x'\nstep = 'y'", "entry 1 of models: `step` should be an integer, found 'y'"),
        (
            "[[models]]\nmodel = 'x'\ndtype = 'float'",
            "`dtype` should be 'float32', 'bfloat16' or 'float16', found 'float'",
        ),
        ("[[models]]\nmodel = 'x'\nlimit = 0", "`limit` should be at least 1"),
        ("[[models]]\nid = 'x/y'", "entry 1 of models: the key `id` is now `model`; rename it in every entry"),
        (
            "[[models]]\nfolder = 'x'\nmodel = 'mine'",
            "the key `folder` is now `model`, and `model`, the name in tables, is now `name`; rename both in",
        ),
        ("[[datasets]]\nimages = 'x'", "entry 1 of datasets: `file` is missing"),
        ("[[", "is not TOML"),
    ],
)
def test_broken_sweeps(command: Command, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sweep.toml").write_text(text)
    code, _, errors = command("--sweep", tmp_path / "sweep.toml", "--out", tmp_path / "runs")
    assert code == 2
    assert message in errors


def test_bad_input_is_one_sentence(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    def run(*more: object, model: object = checkpoint) -> tuple[int, str, str]:
        return command("--model", model, "--data", items, "--out", tmp_path / "runs", *more)

    assert_one_sentence(run("--columns", "question=Qu"), "no column `Qu`, which was given for `question`")
    assert_one_sentence(run("--prompt", "lettres"), "unknown prompt template `lettres`; did you mean `letters`")
    assert_one_sentence(run("--layers", "9"), "`9` is not a layer")
    assert_one_sentence(run("--dtype", "int8"), "--dtype: unknown value `int8`")
    assert_one_sentence(run("--device", "gpu"), "device `gpu` cannot be used")
    assert_one_sentence(run("--data", items), "two runs would share the folder `tiny__toy`")
    assert_one_sentence(run("--model", "other", "--stage", "s"), "--stage labels one model, but 2 are given")
    nearly = checkpoint.with_name("tinny")
    assert_one_sentence(run(model=nearly), f"model `{nearly}` is not there", f"did you mean `{checkpoint}`?")
    assert_one_sentence(
        run(model=nearly.name), "model `tinny` is not there; expected a checkpoint folder or a hub id (OWNER/NAME)"
    )
    assert_one_sentence(run("--preview", 1, model=items), "is a file; expected a checkpoint folder")
    assert_one_sentence(command("--model", checkpoint, "--out", tmp_path / "runs"), "nothing to run")
    assert_one_sentence(command("--model", checkpoint, "--data", items), "--out is missing")
    assert not (tmp_path / "runs").exists()


def test_out_that_is_not_ours(command: Command, checkpoint: Path, items: Path) -> None:
    result = command("--model", checkpoint, "--data", items, "--out", items.parent)
    assert_one_sentence(result, "contains files but no run folder")


def test_a_preview_is_not_run_into(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    arguments = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs")
    assert command(*arguments, "--preview", 1)[0] == 0
    assert_one_sentence(command(*arguments), "contains a preview; choose another folder for runs")
    assert (tmp_path / "runs" / "tiny__toy" / "preview.txt").is_file()


@pytest.mark.parametrize("wrong", ["--model", "--data", "--out"])
def test_wrong_paths_are_said_before_torch_is_imported(wrong: str, checkpoint: Path, items: Path) -> None:
    arguments = {"--model": checkpoint, "--data": items, "--out": items.parent / "runs"}
    arguments |= {wrong: items.parent if wrong == "--out" else items.parent / "nowhere"}
    code = (
        "import atexit, sys; from pid_lvlm.extract.cli.main import main\n"
        "atexit.register(lambda: print([name for name in ('torch', 'transformers') if name in sys.modules]))\n"
        "main()"
    )
    line = [str(part) for pair in arguments.items() for part in pair]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stdout == "[]\n"


def test_checkpoint_without_tokenizer(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    result = command("--model", folder, "--data", items, "--out", tmp_path / "runs")
    assert_one_sentence(result, "has no tokenizer; expected tokenizer.json")


def test_unknown_model_type(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "lava"}))
    result = command("--model", folder, "--data", items, "--out", tmp_path / "runs")
    assert_one_sentence(result, "model type `lava`, which no adapter reads; did you mean `llava`?")


def test_text_model(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    folder = tmp_path / "blind"
    shutil.copytree(checkpoint, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    result = command("--model", folder, "--data", items, "--out", tmp_path / "runs")
    assert_one_sentence(result, "model type `llama`, which no adapter reads; did you mean `mllama`")


def test_damaged_weights(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(checkpoint, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    result = command("--model", folder, "--data", items, "--out", tmp_path / "runs")
    assert_one_sentence(result, "is damaged or not a safetensors file")


def test_weights_with_a_parameter_missing(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    """transformers would draw it at random and only warn."""
    folder = tmp_path / "lacking"
    shutil.copytree(checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("layers.1.mlp.up_proj.weight"))
    kept = {name: tensor for name, tensor in tensors.items() if name != lost}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    result = command("--model", folder, "--data", items, "--out", tmp_path / "runs")
    assert_one_sentence(result, "lack the parameter `model.language_model.layers.1.mlp.up_proj.weight` (1 such)")
    assert not (tmp_path / "runs").exists()


def test_interrupted(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pid_lvlm.extract.measure.passes.score_batch", interrupt)
    arguments = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", "--quiet")
    code, _, errors = command(*arguments)
    assert code == 130
    assert errors == "interrupted; every whole shard is kept: run the same command again to continue\n"


def test_list_models(command: Command) -> None:
    listed = command("--list-models")[1]
    assert re.search(r"^qwen2_5_vl +Qwen/Qwen2.5-VL-3B-Instruct, ", listed, re.MULTILINE)
    models = json.loads(command("--list-models", "--json")[1])["models"]
    assert {"model_type": "llava_next", "examples": ["llava-hf/llava-v1.6-mistral-7b-hf"]} in models
    assert listed.endswith("may work too; they must first pass a leak test.\n")


def test_list_datasets(command: Command) -> None:
    code, output, _ = command("--list-datasets")
    assert code == 0
    assert "mmbench: MMBench en_dev, every circular rotation\n    4329 rows, 2-4 options, prompt `paper`" in output
    assert "coco_pope_adversarial.json; or hf:lmms-lab/POPE:Full:adversarial" in output
    datasets = json.loads(command("--list-datasets", "--json")[1])["datasets"]
    assert next(one["rows"] for one in datasets if one["name"] == "mmbench") == 4329


def test_preview_shows_and_writes(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    arguments = ("--model", checkpoint, "--data", items, "--out", tmp_path / "look", "--preview", 1)
    code, output, _ = command(*arguments)
    assert code == 0
    assert "⟦which colour is common here?" in output
    assert (tmp_path / "look" / "tiny__toy" / "001.png").is_file()


def test_benchmark_files(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    rows = files.mmbench_rows(two=1, three=1, four=2, fixed_d=1)
    path = files.write_mmbench(tmp_path / "dev.tsv", rows)
    out = tmp_path / "runs"
    common = ("--model", checkpoint, "--out", out)
    assert_one_sentence(
        command(*common, "--data", f"pmc-vqa={path}"), "this is not a file of PMC-VQA", "looks like MMBench"
    )
    assert_one_sentence(command(*common, "--data", f"mmbnech={path}"), "unknown benchmark `mmbnech`")
    assert not out.exists()
    code, _, errors = command(*common, "--data", f"mmbench={path}", "--layers", "last")
    assert code == 0
    assert "note: `dev.tsv`: mmbench: 12 rows are used; the official file has 4329\n" in errors
    run = data.read_run(out / "tiny__mmbench")
    assert (run.manifest.prompt, run.manifest.split) == ("paper", "en_dev")
    assert sorted(run.arrays["letters"].tolist()) == sorted(2 * ["AB"] + 3 * ["ABC"] + 7 * ["ABCD"])
    assert sorted(set(run.arrays["group_id"].tolist())) == ["0", "1", "2", "3"]
    assert run.arrays["rotation_of"].tolist() == run.arrays["group_id"].tolist()
    assert sorted(run.arrays["rotations"].tolist()) == 2 * [2] + 6 * [3] + 4 * [4]
    pope = files.pope_rows(1)
    files.write_pictures(tmp_path, [pope[0]["image"]])
    path = files.write_jsonl(tmp_path / "pope.json", pope)
    assert command(*common, "--data", f"pope-random={path}", "--layers", "last")[0] == 0
    assert "rotation_of" not in data.read_run(out / "tiny__pope-random").arrays


def test_changed_pictures_are_not_mixed_into_a_run(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path
) -> None:
    """Also those of a finished run: its samples are of other pictures than the command's."""
    arguments = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", "--limit", 4, "--layers", "last")
    assert command(*arguments, "--quiet")[0] == 0
    Image.new("RGB", (24, 20)).save(items.parent / "picture-2.png")
    said = "holds a run with other settings (its items or their pictures have changed since); choose another --out or"
    assert_one_sentence(command(*arguments, "--quiet"), said)
    assert said in command(*arguments, "--dry-run")[1]
    manifest = tmp_path / "runs" / "tiny__toy" / "manifest.json"
    older = {name: value for name, value in json.loads(manifest.read_text()).items() if name != "items_sha256"}
    manifest.write_text(json.dumps(older))
    assert command(*arguments, "--quiet")[0] == 0  # an older run does not say what its pictures were
