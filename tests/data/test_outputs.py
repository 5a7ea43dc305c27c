"""Files appear whole or not at all, never through a link, and one command at a time writes an output."""

import pytest

from pid_lvlm.analysis.report.folder import HALF_MARKER, check_free
from pid_lvlm.data.demo import __main__ as demo
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.files import partial_file, write_atomic
from pid_lvlm.data.locks import LockedError, locked
from pid_lvlm.extract.training import __main__ as trainer


def test_a_link_in_place_of_the_unfinished_file_is_not_followed(tmp_path):
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_bytes(b"mine")
    partial_file(path).symlink_to(other)
    write_atomic(path, b"new")
    assert (other.read_bytes(), path.read_bytes()) == (b"mine", b"new")
    assert sorted(child.name for child in tmp_path.iterdir()) == ["file", "other"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(PidError, match="cannot write"):
        write_atomic(tmp_path / "file", b"new")
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_second_one_is_told_who_holds_the_output(tmp_path):
    out = tmp_path / "link"
    out.symlink_to(tmp_path / "there")
    (tmp_path / "there").mkdir()
    with (
        locked(tmp_path / "there", "the first"),
        pytest.raises(LockedError, match=r"is being written by the first \(process \d+ on .+\) since 20"),
        locked(out, "the second"),
    ):
        pass
    with locked(out, "the second"):
        pass


@pytest.mark.parametrize("command", [demo.main, trainer.main], ids=["demo", "trainer"])
def test_the_demo_and_the_trainer_lock_their_output(command, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["command", "--out", str(out)])
    with locked(out, "another"), pytest.raises(SystemExit) as left:
        command()
    assert left.value.code == 2
    assert "is being written by another" in capsys.readouterr().err
    assert not out.exists()


def test_a_report_that_was_killed_before_its_first_file_was_whole_is_written_again(tmp_path):
    (tmp_path / HALF_MARKER).write_text("{")
    check_free(tmp_path)
    (tmp_path / "else.txt").touch()
    with pytest.raises(PidError, match="is not empty"):
        check_free(tmp_path)
