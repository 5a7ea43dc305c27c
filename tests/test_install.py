"""Installed, from a wheel or as an editable checkout: nothing is left out, and a user's own `data/` is harmless."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pid_lvlm import data
from tests import CHECKPOINT, ROOT
from tests.conftest import CACHE

INSIDE = ("data", "extract", "analysis")
"""Packages that are installed inside `pid_lvlm`."""
KINDS = {".py", ".pyi", ".toml", ".jsonl", ".json", ".csv", ".j2", ".safetensors", ".typed", ".yaml"}
CHECKPOINTS = ROOT / "data" / "demo" / "checkpoints"
NOTEBOOK = ROOT / "notebooks" / "first_look.py"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_but_the_demos_checkpoints_and_two_names(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        ("pid_lvlm/" if package in INSIDE else "") + path.relative_to(ROOT).as_posix()
        for package in (*INSIDE, "pid_lvlm", "pid_jax")
        for path in (ROOT / package).rglob("*")
        if path.suffix in KINDS and not path.is_relative_to(CHECKPOINTS)
    }
    assert expected <= held
    assert not [name for name in held if "checkpoints/" in name]
    assert wheel.stat().st_size < 4_000_000
    assert {name.partition("/")[0] for name in held} == {"pid_lvlm", "pid_jax"}


@pytest.fixture(scope="session", params=["wheel", pytest.param("editable", marks=pytest.mark.slow)])
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the project in it; what it needs comes from this environment."""
    home = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    (Path(site) / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    what = [str(wheel)] if request.param == "wheel" else ["--no-build-isolation", "--editable", str(ROOT)]
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", *what]
    subprocess.run(pip, check=True, capture_output=True, cwd=home)
    return home / "bin"


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    """A folder as research repositories have it: packages of the same names, which fail when they are imported."""
    for name in INSIDE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('the user\\'s own {name}')\n")
    return tmp_path


def call(folder: Path, *command: object) -> str:
    """Run a command in a folder that is also on the path; its output."""
    environment = {"PYTHONPATH": ".", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", CACHE: os.environ[CACHE]}
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_names_are_ours_beside_packages_of_the_same_names(installed, hostile):
    python = installed / "python"
    where = call(hostile, python, "-c", "import pid_lvlm.data as data; print(data.__file__)")
    assert Path(where.strip()).is_relative_to(ROOT) == (installed.parent.name.startswith("editable"))
    modules = ("pid_lvlm.data", "pid_lvlm.extract.cli.main", "pid_lvlm.analysis.cli", "pid_jax.cli.main")
    call(hostile, python, "-c", f"import {', '.join(modules)}")


@pytest.mark.parametrize("installed", ["wheel"], indirect=True, scope="session")
def test_the_installed_demo_says_where_its_checkpoints_are(installed, tmp_path):
    command = [installed / "python", "-m", "pid_lvlm.data.demo", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={}, timeout=120)
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert "Run the demo in a clone of the repository, which has them in data/demo/checkpoints" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "installed", ["wheel", pytest.param("editable", marks=pytest.mark.slow)], indirect=True, scope="session"
)
@pytest.mark.slow
def test_commands_and_notebook_work_beside_packages_of_the_same_names(installed, hostile):
    python = installed / "python"
    card = ROOT / "data/demo/items/fusion.toml"
    arguments = ("--model", CHECKPOINT, "--data", card, "--out", "runs", "--dry-run")
    assert "demo-fusion" in call(hostile, installed / "pid-extract", *arguments)

    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(3), (400, 4, 1)))
    features = rng.normal(size=(2, 400, 5))
    data.write_run(hostile / "made" / "run", model="m", dataset="d", loglik=scores, x1=features[0], x2=features[1])
    quick = ("--seeds", "1", "--epochs", "1", "--batch-size", "32", "--hidden", "4", "--hidden-layers", "1")
    call(hostile, installed / "pid-estimate", "made", "--out", "results.parquet", *quick)
    call(hostile, installed / "pid-report", "results.parquet", "--out", "report")
    assert (hostile / "report" / "index.html").is_file()
    call(hostile, python, NOTEBOOK, "--folder", ".")
