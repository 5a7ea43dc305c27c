"""Charts become images in a process of their own.

The library that draws them keeps Python's lock for seconds, in which Ctrl-C would wait, and a crash of its engine ends
the process that it is in.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Final

import altair as alt

from pid_lvlm.analysis.figures.base import Figure

_PNG_SCALE: Final = 2.0  # pixels per point: sharp on a screen of high density and in print

_DRAW: Final = """
chart, version, images = given["chart"], given["version"], {}
if "svg" in given["endings"]:
    images["svg"] = vl_convert.vegalite_to_svg(chart, vl_version=version).encode()
if "png" in given["endings"]:
    images["png"] = vl_convert.vegalite_to_png(chart, vl_version=version, scale=given["scale"], ppi=72)
"""

_BUNDLE: Final = """
images = {"js": vl_convert.javascript_bundle(given["snippet"]).encode()}
"""

_FRAME: Final = """
import base64, json, sys
import vl_convert
given = json.load(sys.stdin)
{}
json.dump({{ending: base64.b64encode(image).decode() for ending, image in images.items()}}, sys.stdout)
"""


def draw(chart: Figure, endings: Iterable[str]) -> dict[str, bytes]:
    """A chart as SVG, PNG or both, by vl-convert: no browser, no network.

    Raises:
        RuntimeError: the library fails; the text is what it said.
        ImportError: it is not installed.
    """
    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    given = {"chart": chart.to_dict(), "version": version, "endings": sorted(endings), "scale": _PNG_SCALE}
    return _run(_DRAW, given)


def javascript(snippet: str) -> str:
    """Vega, Vega-Lite and Vega-Embed with a line of ours, as one script.

    Raises:
        RuntimeError: the library fails; the text is what it said.
    """
    return _run(_BUNDLE, {"snippet": snippet})["js"].decode()


def _run(program: str, given: dict[str, Any]) -> dict[str, bytes]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _FRAME.format(program)],
        input=json.dumps(given, allow_nan=False),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if done.returncode:
        if find_spec("vl_convert") is None:
            raise ImportError("vl_convert is not installed", name="vl_convert")
        raise RuntimeError(f"vl-convert ended with code {done.returncode}: {done.stderr[-4000:]}")
    return {ending: base64.b64decode(image) for ending, image in json.loads(done.stdout).items()}
