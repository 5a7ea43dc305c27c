"""A figure's image inside the page, shown if scripts do not run."""

import re
from typing import Final
from urllib.parse import quote

_TAG: Final = re.compile(r"<[^>]*>")
_SPOKEN: Final = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_LONG: Final = re.compile(r"\d+\.\d{3,}")
_SAFE: Final = " /:;,.()='+-*!?@$[]{}|~"
"""Characters without a meaning in a URL or a quoted HTML attribute; they need no escape."""


def embedded(svg: bytes) -> str:
    """A drawing as a data URI for a page's `src`, without what an image cannot show.

    Screen readers treat an image as one thing and read its alt text, so labels of single marks are left out.
    Coordinates are rounded to a hundredth of a pixel. Text is not base64-encoded, which would make it a third longer.
    """
    small = _TAG.sub(lambda tag: _LONG.sub(_rounded, _SPOKEN.sub("", tag[0])), svg.decode())
    quoted = small.replace("'", "&apos;").replace('"', "'")
    return "data:image/svg+xml," + quote(quoted.replace("\n", " "), safe=_SAFE)


def _rounded(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), 2):g}"
