"""The page's table widget, DataTables as shipped by itables, as one script and one style sheet that load nothing."""

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_EXPORTED: Final = re.compile(r"\bexport\{[^}]*?([\w$]+) as default[^}]*\};?")


@functools.cache
def script() -> str:
    """A module script that exposes `DataTable` to the page.

    Raises:
        ImportError: itables is not installed.
        RuntimeError: its script has changed.
    """
    text = _file("dt_bundle.js")
    exported = _EXPORTED.search(text)
    if exported is None:
        raise RuntimeError(
            "itables does not export its table widget in the way that this version of the project expects"
        )
    known = f"{text[: exported.start()]}window.DataTable={exported[1]};{text[exported.end() :]}"
    return known.replace("</script", "<\\/script")


@functools.cache
def style() -> str:
    """The widget's style sheet, with its images inlined."""
    return _file("dt_bundle.css").replace("</style", "<\\/style")


def _file(name: str) -> str:
    found = find_spec("itables")
    if found is None or not found.submodule_search_locations:
        raise ImportError("itables is not installed", name="itables")
    return (Path(found.submodule_search_locations[0]) / "html" / name).read_text(encoding="utf-8")
