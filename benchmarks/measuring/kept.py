"""Keeps results of a long study in a file, one JSON line each, to resume after an interruption."""

import json
from pathlib import Path
from typing import Any


class Kept:
    """Results of a study, by the inputs they were computed from.

    Attributes:
        found: results by the JSON text of their key.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file if it exists, ignoring a truncated last line. Without a path nothing is kept."""
        self.path = path
        self.found: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        whole, _, cut_off = path.read_text().rpartition("\n")
        for line in whole.splitlines():
            entry = json.loads(line)
            self.found[_text(entry["key"])] = entry["result"]
        if cut_off:
            path.write_text(whole + "\n" * bool(whole))

    def get(self, key: dict[str, Any]) -> Any:
        """The result of this key, or None."""
        return self.found.get(_text(key))

    def add(self, key: dict[str, Any], result: Any) -> None:
        """Keep a result that JSON can hold."""
        self.found[_text(key)] = result
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "result": result}) + "\n")


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
