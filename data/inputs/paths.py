"""A path is a path first: only what no file is called is a pattern."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

PATTERN_MARKS: Final = "*?["


def matching_files(source: Path) -> Sequence[Path]:
    """The file of exactly this name, or else the files that its last part matches as a pattern, in order of name.

    Returns:
        No file where neither exists.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("items[1].csv", "items1.csv"):
        ...     (folder / name).touch()
        >>> [file.name for file in matching_files(folder / "items[1].csv")]
        ['items[1].csv']
        >>> [file.name for file in matching_files(folder / "items?.csv")]
        ['items1.csv']
    """
    try:
        if source.exists():
            return [source]
        if any(mark in source.name for mark in PATTERN_MARKS):
            return sorted(source.parent.glob(source.name))
    except (OSError, ValueError):  # a name that no file can have
        return []
    return []
