"""HTML templates that escape every text from outside and strip what could break a page."""

from pathlib import Path

import jinja2
import markupsafe

from pid_lvlm.data.bounds import PAGE_TEXT
from pid_lvlm.data.command.display import displayable


def environment(folder: Path) -> jinja2.Environment:
    """Templates of a folder; undefined names are errors."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )


def shown(value: object) -> object:
    """The one place through which every text reaches a page; a Markup is one of our own texts."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return displayable(value, PAGE_TEXT.most, keep="\n")
    return value
