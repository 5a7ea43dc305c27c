"""Charts are drawn in separate processes, two at a time.

The drawing library holds Python's lock for seconds, which would delay Ctrl-C, and a crash of its engine ends its
process.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from subprocess import PIPE
from tempfile import TemporaryFile
from typing import Any, Final

import altair as alt

_DENSITY: Final = 300  # pixels per inch in print
_MOST_PIXELS: Final = 5_000_000  # per PNG file; a taller figure has fewer per inch
_PROCESSES: Final = 2

_DRAW: Final = """
import math, re
images = {}
for name, job in more:
    svg = vl_convert.vegalite_to_svg(job["chart"], vl_version=given["version"])
    size = re.search(r'width="([0-9.]+)" height="([0-9.]+)"', svg)
    width, height = float(size[1]), float(size[2])
    unit = min(given["millimetres"], job["millimetres"] / width)
    points = unit * 72 / 25.4
    if "svg" in given["endings"]:
        printed = f'width="{unit * width:.2f}mm" height="{unit * height:.2f}mm"'
        images[name + ".svg"] = (svg[: size.start()] + printed + svg[size.end() :]).encode()
    if "png" in given["endings"]:
        density = min(given["density"], 72 * math.sqrt(given["most"] / (width * height)) / points)
        images[name + ".png"] = vl_convert.svg_to_png(svg, scale=points, ppi=density)
    if "pdf" in given["endings"]:
        images[name + ".pdf"] = vl_convert.svg_to_pdf(svg, scale=points)
"""

_BUNDLE: Final = """
images = {"js": vl_convert.javascript_bundle(given["snippet"]).encode()}
"""

_FRAME: Final = """
import base64, json, sys
import vl_convert
given, more = json.loads(sys.stdin.readline()), map(json.loads, sys.stdin)
{}
json.dump({{ending: base64.b64encode(image).decode() for ending, image in images.items()}}, sys.stdout)
"""


@dataclass(frozen=True)
class Job:
    """A chart to draw: its specification and its maximum width in print, in millimetres."""

    chart: Mapping[str, Any]
    millimetres: float


class Drawing:
    """Charts being drawn as files with a print size, by vl-convert: no browser, no network.

    Drawing begins with the first chart, while others are still being made.

    Args:
        endings: file types: `svg`, `png` (300 pixels per inch), `pdf`.
        unit: millimetres per chart pixel in print; a chart that is too wide for its job is scaled down.
    """

    def __init__(self, endings: Iterable[str], unit: float) -> None:
        self._given = {
            "version": "_".join(alt.SCHEMA_VERSION.split(".")[:2]),
            "endings": sorted(set(endings)),
            "millimetres": unit,
            "density": _DENSITY,
            "most": _MOST_PIXELS,
        }
        self._running: list[Running] = []

    def add(self, name: str, job: Job) -> None:
        """Draw a chart, by its file name without the ending, in the process with the least work so far."""
        if len(self._running) < _PROCESSES:
            self._running.append(start(_DRAW, self._given))
        min(self._running, key=lambda each: each.sent).send([name, vars(job)])

    def images(self) -> dict[str, bytes]:
        """All files by name, once all charts are drawn.

        Raises:
            RuntimeError: the library failed; the text is its message.
            ImportError: it is not installed.
        """
        found = {name: image for each in self._running for name, image in each.result().items()}
        return {name: found[name] for name in sorted(found)}

    def stop(self) -> None:
        """End the processes."""
        for each in self._running:
            each.stop()


def start_javascript(snippet: str) -> "Running":
    """Start bundling Vega, Vega-Lite, Vega-Embed and `snippet` into one script; `javascript` returns it."""
    return start(_BUNDLE, {"snippet": snippet})


def javascript(running: "Running") -> str:
    """The script that `start_javascript` started to make.

    Raises:
        RuntimeError: the library failed; the text is its message.
        ImportError: it is not installed.
    """
    return running.result()["js"].decode()


class Running:
    """One of our programs in another process, from its start to its images.

    Attributes:
        sent: bytes that it was given.
    """

    def __init__(self, program: str, given: dict[str, Any]) -> None:
        with ExitStack() as files:
            self._images, self._errors = (files.enter_context(TemporaryFile()) for _ in range(2))
            command = [sys.executable, "-P", "-c", _FRAME.format(program)]
            self._process = subprocess.Popen(command, stdin=PIPE, stdout=self._images, stderr=self._errors, bufsize=0)
            self._files = files.pop_all()
        # Writing waits while the program is busy.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self.sent = 0
        self.send(given)

    def send(self, one: Any) -> None:
        """Give the program one more thing, as a line of JSON."""
        line = json.dumps(one, allow_nan=False).encode() + b"\n"
        self.sent += len(line)
        self._writer.submit(self._write, line)

    def result(self) -> dict[str, bytes]:
        """The program's output, once it has ended."""
        self._writer.submit(self._close)
        self._writer.shutdown()
        code = self._process.wait()
        if code:
            if find_spec("vl_convert") is None:
                raise ImportError("vl_convert is not installed", name="vl_convert")
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "backslashreplace")
            raise RuntimeError(f"vl-convert ended with code {code}: {said[-4000:]}")
        self._images.seek(0)
        return {ending: base64.b64decode(image) for ending, image in json.load(self._images).items()}

    def stop(self) -> None:
        """End the program if it is still running, and close its files."""
        self._process.kill()
        self._process.wait()
        self._writer.shutdown(cancel_futures=True)
        self._close()
        self._files.close()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # it has ended; `result` says why
            view = memoryview(line)
            while view:
                view = view[self._process.stdin.write(view) :]

    def _close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()


start = Running
"""Starts a program; tests replace it."""
