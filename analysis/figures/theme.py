"""One look for all figures: the registered altair theme and one colour per atom.

The colours are four of Okabe and Ito's, distinguishable under the common kinds of colour blindness.
"""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from pid_lvlm.analysis.figures.sizes import across, current
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.names import ATOMS

COLOURS: Final = dict(zip(ATOMS, ("#CC79A7", "#0072B2", "#E69F00", "#009E73"), strict=True))
HUES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6f4e9c", "#4d4d4d")
"""Colours of models or families, in their order; seven are Okabe and Ito's, whose yellow and black are replaced."""

DASHES: Final = ([1, 0], [5, 2], [1.5, 2])
"""Dashes for the first, second and third pass through `HUES`."""

INK: Final = "#1f2933"
MUTED: Final = "#52606d"
RULE: Final = "#d9dee4"

GRID: Final = "#eceff2"
PAPER: Final = "white"

DARK: Final = {
    INK: "#e4e9ee",
    MUTED: "#a9b4bf",
    RULE: "#46525e",
    GRID: "#2c353e",
    PAPER: "#14191e",
    "black": "#ffffff",
    HUES[6]: "#a98bd6",
    HUES[7]: "#b4b4b4",
    COLOURS["unique_vision"]: "#3d9be0",
    HUES[1]: "#ef7d2d",
    COLOURS["synergy"]: "#1fb88d",
}
"""Replacements for the colours of a figure on a dark page."""

FONT: Final = "Liberation Sans, Helvetica, Arial, sans-serif"
"""Liberation Sans has the metrics of Helvetica; static files are drawn with it if Helvetica is missing."""

NAME: Final = "pid_report"

_TEXT: Final = {"labelFont": FONT, "titleFont": FONT, "labelColor": MUTED, "titleColor": INK}

_CONFIG: Final[Any] = {
    "background": PAPER,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "domainColor": RULE,
        "tickColor": RULE,
    },
    "header": {**_TEXT, "labelFontSize": 12, "labelFontWeight": "bold", "labelColor": INK},
    "legend": {**_TEXT, "labelFontSize": 12, "labelColor": INK, "symbolType": "square", "symbolOpacity": 1},
    "facet": {"spacing": 18},
}


@alt.theme.register(NAME, enable=True)
def _theme() -> alt.theme.ThemeConfig:
    limits = {name: _CONFIG[name] | {"labelLimit": current().label} for name in ("axis", "header")}
    return {"config": _CONFIG | limits}


def atom_colour(*, legend: bool = True, atoms: Sequence[str] = ATOMS) -> alt.Color:
    """The colour channel of the column `atom_label`, the same in every figure."""
    return alt.Color(
        "atom_label:N",
        scale=alt.Scale(domain=[LEGEND[atom] for atom in atoms], range=[COLOURS[atom] for atom in atoms]),
        legend=alt.Legend(title=None, orient="top", columns=across(4, 150), offset=10) if legend else None,
    )
