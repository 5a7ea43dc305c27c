"""A folder with the picture that the items name."""

from pathlib import Path

import pytest

from tests.hostile.datasets.item_files import png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.png").write_bytes(png())
    return tmp_path
