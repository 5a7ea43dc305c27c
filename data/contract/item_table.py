"""The table of atoms per item, which `pid-estimate --pointwise` writes and `pid-report --pointwise` reads."""

from typing import Final

from pid_lvlm.data.names import ATOMS

ITEM_TERMS: Final = ("i_vision", "i_language", "i_joint", "i_coupling")
"""Information terms of an item, in bits."""

ITEM_COLUMNS: Final = {
    "problem_id": "text",
    "run": "text",
    "layer": "int",
    "tau": "float",
    "sample_id": "text",
    **dict.fromkeys((*ATOMS, *ITEM_TERMS), "float"),
}
"""Columns and their kinds, as in the result table; atoms and terms are in bits, empty where an item has weight 0."""
