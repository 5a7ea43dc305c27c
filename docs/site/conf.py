"""Sphinx configuration of the site; `docs/site/build.py` runs it.

The site needs no network: Furo has no web fonts, and equations are converted to MathML at build time.
"""

import inspect
from importlib.metadata import version as version_of
from typing import get_type_hints

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.inspect import stringify_signature

project = "pid-lvlm"
author = "the authors of pid-lvlm"
copyright = "the authors of pid-lvlm, Apache-2.0"  # noqa: A001
version = release = version_of("pid-lvlm")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

exclude_patterns = ["README.md"]  # included by index.md
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # CHANGELOG.md goes from level 1 to level 3
highlight_language = "none"
smartquotes_action = "D"  # dashes only: quotation marks are as in the repository
default_role = "code"  # docstrings have single backticks, as Markdown has

autodoc_default_options = {"members": True, "imported-members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of a class are listed once, where its docstring lists them

html_theme = "furo"
html_title = f"pid-lvlm {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # summaries are fetched, which fails for pages opened from disk
html_math_renderer = "mathml"


_FACTORY = "<factory>"
"""The repr of dataclass default factories, which Sphinx cannot read."""


def _visit(as_block: bool):
    def visit(translator, node: nodes.Element) -> None:
        tex = node.astext()
        try:
            mathml = tex2mathml(tex, as_block=as_block)
        except MathError as error:
            logging.getLogger(__name__).warning("equation %r: %s", tex, error, location=node)
            mathml = f"<code>{translator.encode(tex)}</code>"
        translator.body.append(f'<div class="math">{mathml}</div>\n' if as_block else mathml)
        raise nodes.SkipNode

    return visit


def _with_examples(app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    """Docstrings indent examples as in Markdown; reStructuredText needs a second colon before them."""
    for i, (before, blank, after) in enumerate(zip(lines, lines[1:], lines[2:], strict=False)):
        if before.endswith(":") and before[:1].isalnum() and not blank and after.startswith("    "):
            lines[i] += ":"


def _without_counting_aliases(
    app: Sphinx, what: str, name: str, field: object, skip: bool, options: object
) -> bool | None:
    """Leave out the fields of named tuples, whose docstrings only number them; the signature shows them."""
    return True if type(field).__name__ == "_tuplegetter" else None


def _with_short_names(
    app: Sphinx, what: str, name: str, of: object, options: object, arguments: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """A signature without the bounds of settings and fields, and with jax's public array name."""
    if arguments and ("Annotated[" in arguments or _FACTORY in arguments):
        plain = get_type_hints(of.__init__ if isinstance(of, type) else of)
        signature = inspect.signature(of)
        shown = [
            each.replace(annotation=plain[each.name], default=... if repr(each.default) == _FACTORY else each.default)
            for each in signature.parameters.values()
        ]
        signature = signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)
        arguments = stringify_signature(signature, unqualified_typehints=True).replace("Ellipsis", "...")
    return tuple(text and text.replace("jaxlib._jax.Array", "jax.Array") for text in (arguments, result))


def setup(app: Sphinx) -> None:
    """Register the equation renderer and the API hooks."""
    app.add_html_math_renderer("mathml", (_visit(as_block=False), None), (_visit(as_block=True), None))
    app.connect("autodoc-process-docstring", _with_examples)
    app.connect("autodoc-skip-member", _without_counting_aliases)
    app.connect("autodoc-process-signature", _with_short_names)
