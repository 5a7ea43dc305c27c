"""The table of atoms per item, which `pid-estimate --pointwise` writes and `pid-report --pointwise` reads."""

from typing import Final

from pid_lvlm.data.names import ATOMS

ITEM_TERMS: Final = ("i_vision", "i_language", "i_joint", "i_coupling")
"""Information terms of an item, in bits."""

INFLUENCES: Final = tuple(f"{atom}_influence" for atom in ATOMS)
"""Influence values of an item, in bits: their mean is the estimate at the centre of the interval over items, and the
spread of their group sums is its uncertainty. They are not the atoms of the item."""

SINCE_INFLUENCES: Final = {"gap": "float", "interval": "text", "group": "int", **dict.fromkeys(INFLUENCES, "float")}
"""Columns that files of earlier versions lack, read as empty: the certified gap of the problem in bits, what its
interval over items covers (as in the result table), the number of the item's group, and its influence values.
Without an interval over items, all except the gap are empty."""

ITEM_COLUMNS: Final = {
    "problem_id": "text",
    "run": "text",
    "layer": "int",
    "tau": "float",
    "sample_id": "text",
    **dict.fromkeys((*ATOMS, *ITEM_TERMS), "float"),
    **SINCE_INFLUENCES,
}
"""Columns and their kinds, as in the result table; atoms and terms are in bits, empty if an item has weight 0."""
