"""What is fuzzed: for each parser valid files to begin with, how they are damaged, and what reads them."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from pid_lvlm import data
from pid_lvlm.data.contract.table.results import USABLE
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import ITEM_FILES
from tests import CHECKPOINT
from tests.hostile.fuzz import mutate
from tests.hostile.fuzz.judge import Unacceptable, command
from tests.hostile.fuzz.options import estimate_options, extract_options, report_options
from tests.hostile.fuzz.target import Target, item_rows, items_file, picture_bytes
from tests.hostile.kills.scenes import small_table, write_run


def _run(folder: Path, **fields: Any) -> Path:
    rng = np.random.default_rng(0)
    shutil.rmtree(folder, ignore_errors=True)
    scores = np.log(rng.dirichlet(np.ones(3), size=(8, 4, 2)))
    features = rng.normal(size=(2, 8, 5))
    labels = rng.integers(0, 3, 8)
    return data.write_run(
        folder, model="m", dataset="d", loglik=scores, x1=features[0], x2=features[1], label=labels, **fields
    )


def _agree(folder: Path) -> object:
    """`--check` and the plan of an estimate agree on whether a manifest is valid."""
    from pid_lvlm.data.contract.reading.run_header import outline_run

    faults = data.validate_run(folder)
    try:
        outline_run(folder)
    except PidError:
        if not faults:
            raise Unacceptable("--check finds a run valid that a plan refuses") from None
    return data.read_run(folder)


def manifest(folder: Path) -> Target:
    """`manifest.json` of a run folder."""
    run = _run(folder)
    content = json.loads((run / "manifest.json").read_text())
    full = content | {
        "versions": {"torch": "2"}, "size_b": 7.0, "stage": "tune", "step": 3, "family": "llava",
    }  # fmt: skip
    return Target(
        {"manifest.json": json.dumps(full, indent=1).encode()}, mutate.of_text, lambda path: _agree(path.parent)
    )


def npz(folder: Path) -> Target:
    """A shard: half of the time one whose checksum the manifest has, as if it had been written so."""
    run = _run(folder)

    def parse(path: Path) -> object:
        with _resealed(path):
            return _agree(path.parent)

    return Target({"shard-00000.npz": (run / "shard-00000.npz").read_bytes()}, mutate.of_archive, parse)


def kept(folder: Path) -> Target:
    """What a run keeps of its items: whatever `--check` finds valid is read, and the rest refused."""
    png = picture_bytes(folder)
    run = _run(
        folder,
        questions=["which colour?"] * 8,
        options=[["red", "green", "blue"]] * 8,
        thumbnails=[png, b"\xff\xd8\xff and so on", None, png] * 2,
    )

    def parse(path: Path) -> object:
        with _resealed(path):
            faults = data.validate_run(path.parent)
            try:
                return data.read_items(path.parent)
            except PidError:
                if not faults:
                    raise Unacceptable("--check finds items valid that are not read") from None
                raise

    return Target({name: (run / name).read_bytes() for name in ITEM_FILES}, _by_content, parse)


@contextmanager
def _resealed(path: Path) -> Iterator[None]:
    """Give every other damaged file, chosen by its own bytes, the checksum that its manifest should have for it."""
    manifest = path.parent / "manifest.json"
    content, digest = manifest.read_bytes(), hashlib.sha256(path.read_bytes()).hexdigest()
    sealed = path.name != manifest.name and int(digest, 16) % 2
    fields = json.loads(content) if sealed else {}
    if path.name in fields.get("checksums", {}):
        fields["checksums"][path.name] = digest
        manifest.write_text(json.dumps(fields))
    try:
        yield
    finally:
        manifest.write_bytes(content)


def estimate(folder: Path) -> Target:
    """A damaged run beside a good one, through `pid-estimate`: whatever is wrong, the good run gets its rows."""
    import polars as pl

    import pid_jax.estimators.exact.strata
    import pid_jax.sweep.batch
    from pid_jax.cli.main import main
    from tests.pid_jax.fake_fits import FakeFits, fake_solutions

    pid_jax.sweep.batch.launch = lambda stack, config, pace, lengths: FakeFits(stack)  # type: ignore[assignment]
    pid_jax.sweep.batch.programs_of = lambda group, config: ()  # type: ignore[assignment]
    pid_jax.estimators.exact.strata.solve_problems = fake_solutions
    runs, out = folder / "runs", folder / "out" / "results.parquet"
    good, bad = write_run(runs / "good", 0), write_run(runs / "bad", 1)
    assert good.is_dir()

    def parse(path: Path) -> object:
        (bad / path.name).write_bytes(path.read_bytes())
        shutil.rmtree(out.parent, ignore_errors=True)
        try:
            with _resealed(bad / path.name):
                said = command(main, runs, "--out", out, "--seeds", 1, "--batch-size", 32, "--quiet", "--cache", "off")
            rows = pl.read_parquet(out).filter(pl.col("result").is_in(USABLE), run="good")
            if len(rows) != 4:
                raise Unacceptable(f"{len(rows)} rows of the good run instead of 4")
            command(main, runs, "--out", out, "--seeds", 1, "--batch-size", 32, "--quiet", "--cache", "off")
            return said
        finally:
            for name, content in seeds.items():
                (bad / name).write_bytes(content)

    seeds = {name: (bad / name).read_bytes() for name in ("manifest.json", "shard-00000.npz")}
    return Target(seeds, _by_content, parse)


def _by_content(rng: Any, content: bytes, others: Any) -> bytes:
    if content.startswith(b"PK"):
        return mutate.of_archive(rng, content, [other for other in others if other.startswith(b"PK")])
    return mutate.of_text(rng, content, [other for other in others if not other.startswith(b"PK")])


def datasets(folder: Path) -> Target:
    """Files of items, of every kind but parquet."""
    from pid_lvlm.extract.config import DatasetSpec
    from pid_lvlm.extract.datasets.load import load_dataset

    rows = item_rows(picture_bytes(folder))
    spread = [
        {"index": i, "image": row["image"], "question": row["question"], "A": "red", "B": "green", "C": "",
         "answer": row["answer"] if i != 2 else "B"}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    labelled = [
        row | {"options": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}], "answer": "A"} for row in rows
    ]
    numbered = [row | {"options": [1, 2, 3], "answer": 1} for row in rows]
    seeds = {
        "items.jsonl": "\n".join(json.dumps(row) for row in rows),
        "labelled.jsonl": "\n".join(json.dumps(row) for row in labelled),
        "numbered.jsonl": "\n".join(json.dumps(row) for row in numbered),
        "items.json": json.dumps(rows, indent=1),
        "items.csv": "\n".join([",".join(spread[0]), *(",".join(map(str, row.values())) for row in spread)]),
        "items.tsv": "\n".join(["\t".join(spread[0]), *("\t".join(map(str, row.values())) for row in spread)]),
    }
    del seeds["numbered.jsonl"]  # whether 1 is the first option or the second is for the reader to say
    contents = {name: text.encode() for name, text in seeds.items()}
    return Target(contents, mutate.of_text, lambda path: load_dataset(DatasetSpec(path)))


def parquet(folder: Path) -> Target:
    """A parquet file of items."""
    import polars as pl

    from pid_lvlm.extract.config import DatasetSpec
    from pid_lvlm.extract.datasets.load import load_dataset

    picture = picture_bytes(folder)
    rows = [row | {"image": {"bytes": picture, "path": None}} for row in item_rows(picture)]
    written = io.BytesIO()
    pl.DataFrame(rows).write_parquet(written)
    return Target(
        {"items.parquet": written.getvalue()}, mutate.of_parquet, lambda path: load_dataset(DatasetSpec(path))
    )


def cards(folder: Path) -> Target:
    """A dataset card, with its items."""
    from pid_lvlm.extract.config import DatasetSpec
    from pid_lvlm.extract.datasets.load import load_dataset

    rows = item_rows(picture_bytes(folder))
    (folder / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    card = """name = "toy"
file = "items.jsonl"
prompt = "letters"
images = "."
first_index = 0
on_bad = "error"
split = "test"
about = "a note"
options = ["red", "green", "blue"]
[columns]
id = "id"
question = ["question"]
image = "image"
answer = "answer"
[where]
id = ["i0", "i1", "i2", "i3"]
[ground_truth]
redundancy = 0.0
unique_vision = 0.5
unique_language = 1e-3
synergy = 2.0
"""
    return Target({"card.toml": card.encode()}, mutate.of_text, lambda path: load_dataset(DatasetSpec(path)))


def sweeps(folder: Path) -> Target:
    """A sweep file."""
    from pid_lvlm.extract.cli.sweep_file import read_sweep

    (folder / "checkpoints" / "a-1").mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints" / "a-2").mkdir(exist_ok=True)
    (folder / "items.jsonl").write_text("")
    sweep = """[[models]]
model = "checkpoints/a-1"
name = "one"
dtype = "float32"
family = "llava"
size_b = 0.3
stage = "tune"
step = 15
layers = "last"
limit = 8
final = true
[[models]]
checkpoints = "checkpoints/a-*"
steps = [1, 2]
stage = "all"
[[models]]
model = "owner/name"
revisions = ["main", "r2"]
steps = [3, 4]
[[datasets]]
file = "items.jsonl"
images = "."
on_bad = "skip"
benchmark = "mmbench"
columns = { question = "q", options = "A|B" }
"""

    def parse(path: Path) -> object:
        models, datasets = read_sweep(path, "auto")
        return [model.run_name("x") for model in models], [spec.file.exists() for spec in datasets]

    return Target({"sweep.toml": sweep.encode()}, mutate.of_text, parse)


USUAL: Final = (".png", "a.jpeg", "a.webp")


def pictures(folder: Path) -> Target:
    """Picture files of many formats, with every kind of pixel."""
    from PIL import Image

    from pid_lvlm.extract.datasets.errors import RowError
    from pid_lvlm.extract.datasets.images import open_picture

    def parse(path: Path) -> object:
        try:
            return open_picture(path).size
        except RowError as error:  # becomes a sentence of the reader of the dataset
            raise PidError(str(error)) from error

    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (9, 8, 3), dtype=np.uint8))
    seeds = {"frames.gif": _saved(image, "gif", save_all=True, append_images=[image] * 2)}
    for kind in (
        "png",
        "jpeg",
        "webp",
        "tiff",
        "bmp",
        "ppm",
        "ico",
        "tga",
        "pcx",
        "eps",
        "pdf",
        "icns",
        "dds",
        "jpeg2000",
    ):
        seeds[f"a.{kind}"] = _saved(image, kind)
    for mode in ("1", "L", "LA", "P", "I;16", "RGBA"):
        seeds[f"{mode.replace(';', '-')}.png"] = _saved(Image.new(mode, (5, 4)), "png")
    for mode in ("F", "I", "CMYK"):
        seeds[f"{mode}.tiff"] = _saved(Image.new(mode, (5, 4)), "tiff")
    return Target(seeds, mutate.of_bytes, parse, odd=tuple(name for name in seeds if not name.endswith(USUAL)))


def _saved(image: Any, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def settings(folder: Path) -> Target:
    """A settings file of `pid-estimate`."""
    from pid_jax.cli.options import OPTIONS
    from pid_jax.cli.settings_file import make_settings, read_settings
    from pid_jax.config import make_config

    folder.mkdir(parents=True, exist_ok=True)
    config = make_config("default")
    values = {name: option.value_in(config) for name, option in OPTIONS.items()}
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    content = "\n".join(['preset = "default"', 'layers = "1,last"', *lines])
    return Target(
        {"settings.toml": content.encode()}, mutate.of_text, lambda path: make_settings(read_settings(path), {})
    )


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def tables(folder: Path) -> Target:
    """A result table, as the report and as the next `pid-estimate` read it."""
    from pid_jax.results.table_file import read_existing
    from pid_lvlm.analysis.frames.load import read_results

    def parse(path: Path) -> object:
        ended = []
        for read in (read_existing, read_results):
            try:
                ended.append(read(path))
            except PidError as error:
                ended.append(error)
        if refused := [error for error in ended if isinstance(error, PidError)]:
            raise refused[0]
        return ended

    return Target({"results.parquet": small_table()}, mutate.of_parquet, parse)


def losses(folder: Path) -> Target:
    """The losses of a training, and the file beside them that names the model."""
    from pid_lvlm.analysis.frames.losses import read_losses

    rows = [{"stage": "align", "step": step, "loss": 2.5, "held_out_loss": None, "grad_norm": 1.0} for step in (1, 2)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    seeds = {"losses.jsonl": text.encode(), "training.json": b'{"recipe": {"name": "a model"}}'}

    def parse(path: Path) -> object:
        for name in seeds.keys() - {path.name}:
            path.with_name(name).write_bytes(seeds[name])
        return read_losses(path.parent)

    return Target(seeds, mutate.of_text, parse)


def report(folder: Path) -> Target:
    """A result table, through `pid-report`."""
    from pid_lvlm.analysis.cli import main

    def parse(path: Path) -> object:
        out = folder / "report"
        shutil.rmtree(out, ignore_errors=True)
        return command(main, path, "--out", out, "--format", "svg", "--quiet")

    return Target({"results.parquet": small_table()}, mutate.of_parquet, parse, limited=False)


def checkpoints(folder: Path) -> Target:
    """The files of a checkpoint other than weights: through `pid-extract --dry-run`."""
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers
    from pid_lvlm.extract.cli.main import main

    checkpoint = shutil.copytree(CHECKPOINT, folder / "model", dirs_exist_ok=True)
    items = items_file(folder)
    names = ("config.json", "chat_template.jinja", "processor_config.json", "tokenizer_config.json", "tokenizer.json")
    seeds = {name: (checkpoint / name).read_bytes() for name in names}

    def parse(path: Path) -> object:
        valid = seeds[path.name]
        try:
            (checkpoint / path.name).write_bytes(path.read_bytes())
            return command(
                main, "--model", checkpoint, "--data", items, "--out", folder / "out", "--dry-run", "--quiet"
            )
        finally:
            (checkpoint / path.name).write_bytes(valid)

    return Target(seeds, mutate.of_text, parse)


def weights(folder: Path) -> Target:
    """The weights of a checkpoint: a run of two items."""
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers
    from pid_lvlm.extract.cli.main import main

    checkpoint = shutil.copytree(CHECKPOINT, folder / "model", dirs_exist_ok=True)
    items, out = items_file(folder), folder / "out"
    seeds = {"model.safetensors": (checkpoint / "model.safetensors").read_bytes()}

    def parse(path: Path) -> object:
        shutil.rmtree(out, ignore_errors=True)
        (checkpoint / path.name).write_bytes(path.read_bytes())
        return command(main, "--model", checkpoint, "--data", items, "--out", out, "--limit", 2, "--quiet")

    return Target(seeds, mutate.of_safetensors, parse)


TARGETS: Final[Mapping[str, Callable[[Path], Target]]] = {
    "manifest": manifest,
    "npz": npz,
    "kept": kept,
    "estimate": estimate,
    "datasets": datasets,
    "parquet": parquet,
    "cards": cards,
    "sweeps": sweeps,
    "pictures": pictures,
    "settings": settings,
    "tables": tables,
    "losses": losses,
    "report": report,
    "checkpoints": checkpoints,
    "weights": weights,
    "extract-options": extract_options,
    "estimate-options": estimate_options,
    "report-options": report_options,
}
"""Every parser by the name that the command knows it under; each is prepared in a folder of its own."""
