"""A figure's image inside the page, shown where no script runs."""

import re
from typing import Final
from urllib.parse import quote

_TAG: Final = re.compile(r"<[^>]*>")
_SPOKEN: Final = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_LONG: Final = re.compile(r"\d+\.\d{3,}")
_SAFE: Final = " /:;,.()='+-*!?@$[]{}|~"
"""Characters that mean nothing in an address or in a quoted attribute of HTML, and so stay as they are."""


def embedded(svg: bytes) -> str:
    """A drawing as a data URI for a page's `src`, without what an image cannot show.

    An image is one thing to a screen reader, which reads its alt text; what the drawing says of each mark is left out.
    Coordinates are rounded to a hundredth of a pixel. Text is not base64, which is a third longer.
    """
    small = _TAG.sub(lambda tag: _LONG.sub(_rounded, _SPOKEN.sub("", tag[0])), svg.decode())
    quoted = small.replace("'", "&apos;").replace('"', "'")
    return "data:image/svg+xml," + quote(quoted.replace("\n", " "), safe=_SAFE)


def _rounded(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), 2):g}"
