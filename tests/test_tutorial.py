"""The tutorial, as a reader follows it: every command and every line of Python, in order."""

import re
import shlex
import subprocess
import sys

import pytest

from pid_lvlm.data.demo.__main__ import runnable
from tests import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_it_says(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    printed = []
    for language, block in re.findall(r"```(bash|python|text)\n(.*?)```", PAGE, re.DOTALL):
        if language == "text":
            assert printed[-1] == block
            continue
        own = [sys.executable, "-c", block]
        command = own if language == "python" else runnable(shlex.split(block.replace("\\\n", " ")))
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "mostly synergy" in printed[-1]
    assert (tmp_path / "out/mine/report/index.html").is_file()
    assert (tmp_path / "out/mine/spectrum.svg").is_file()
    assert len(printed) == 8
