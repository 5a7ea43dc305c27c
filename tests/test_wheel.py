"""A built wheel holds all four packages with their data files: a folder called `data` is easily left out."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("data", "extract", "pid_jax", "analysis")
KINDS = {".py", ".toml", ".jsonl", ".json", ".jinja", ".safetensors", ".j2"}


def test_the_wheel_holds_every_file_of_the_packages(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in KINDS
    }
    assert {name.partition("/")[0] for name in expected} == set(PACKAGES)
    assert expected <= held
    assert {name.partition("/")[0] for name in held if ".dist-info/" not in name} == set(PACKAGES)
