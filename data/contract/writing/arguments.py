"""Python arguments as arrays and plain values. Anything that would change silently is rejected, with its position."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.bounds import CELL
from pid_lvlm.data.errors import ARGUMENTS, Fault
from pid_lvlm.data.inputs.place import is_half
from pid_lvlm.data.inputs.schema import shown

INT64: Final = np.iinfo(np.int64)


class Arguments:
    """Collects arguments as they are read; `faults` lists the unusable ones by name."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fail(self, name: str, message: str, row: int | None = None) -> None:
        """An argument is invalid."""
        self.faults.append(Fault(ARGUMENTS, message, name, row))

    def numbers(self, name: str, value: Any, expected: str) -> NDArray[np.float32] | None:
        """Real numbers as float32; None if they are not.

        Args:
            name: of the argument.
            value: an array or nested sequences.
            expected: its shape, as shown in the message.
        """
        array = self._array(name, value, "fiu", f"numbers of shape {expected}")
        if array is None:
            return None
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32)
        lost = np.isfinite(array) & ~np.isfinite(narrow)
        if lost.any():
            where = np.argwhere(lost)[0]
            found = shown(array[tuple(where)].item())
            self.fail(name, f"{found} is too large for float32", int(where[0]) if where.size else None)
            return None
        return narrow

    def integers(self, name: str, value: Any, expected: str) -> NDArray[np.int64] | None:
        """Whole numbers as int64; None if they are not. 2.0 is one, 2.5 and NaN are not."""
        array = self._array(name, value, "fiu", f"integers of shape {expected}")
        if array is None:
            return None
        if array.dtype.kind == "f":
            array = array.astype(np.float64)  # float16 cannot represent the bounds
        whole = np.ones(array.shape, bool) if array.dtype.kind != "f" else array == np.floor(array)
        fits = whole & (array >= INT64.min) & (array <= INT64.max if array.dtype.kind != "f" else array < 2.0**63)
        if not fits.all():
            where = np.argwhere(~fits)[0]
            found = shown(array[tuple(where)].item())
            self.fail(name, f"expected integers, found {found}", int(where[0]) if where.size else None)
            return None
        return array.astype(np.int64)

    def texts(self, name: str, value: Any, rows: int) -> NDArray[np.str_] | None:
        """One text for each of `rows`; integers become text; None if they are neither, or too few or too many."""
        values = self._values(name, value, rows, "text")
        if values is None:
            return None
        texts = []
        for row, one in enumerate(values):
            if isinstance(one, bool | np.bool_) or not isinstance(one, str | int | np.integer):
                self.fail(name, f"expected text, found {shown(one)}", row)
                return None
            text = str(one)
            if len(text) > CELL.most or is_half(text) or "\0" in text:
                self.fail(name, f"expected text of at most {CELL} without U+0000, found {shown(text)}", row)
                return None
            texts.append(text)
        return np.array(texts, dtype=np.str_)

    def rows(self, name: str, value: Any, rows: int, what: str, fault: Callable[[Any], str | None]) -> list[Any] | None:
        """One value for each of `rows`; None if their number differs, or if `fault` finds fault with one of them.

        Args:
            name: of the argument.
            value: a sequence or another iterable.
            rows: number of values expected.
            what: what each of them should be, as shown in the message.
            fault: a sentence about a value that cannot be used, or None.
        """
        values = self._values(name, value, rows, what)
        if values is None:
            return None
        for row, one in enumerate(values):
            if (message := fault(one)) is not None:
                self.fail(name, message, row)
                return None
        return values

    def _values(self, name: str, value: Any, rows: int, what: str) -> list[Any] | None:
        values = value.tolist() if isinstance(value, np.ndarray) and value.ndim else value
        if not isinstance(values, str | bytes) and not isinstance(values, Sequence):
            try:
                values = None if isinstance(values, Mapping | set) else list(values)
            except TypeError:  # not iterable, or only nominally, like an array without axes
                values = None
        if isinstance(values, str | bytes) or values is None:
            self.fail(name, f"expected {rows} {what}s, found {shown(value)}")
            return None
        if len(values) != rows:
            self.fail(name, f"expected shape ({rows},), one {what} for each row, found {len(values)}")
            return None
        return list(values)

    def _array(self, name: str, value: Any, kinds: str, expected: str) -> NDArray | None:
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            self.fail(name, f"expected {expected}, found an array with masked values")
            return None
        try:
            array = np.asarray(value)
        except (ValueError, TypeError, OverflowError, RuntimeError) as error:  # ragged, or refused by its library
            self.fail(name, f"expected {expected}, found {_kind_of(value)} ({str(error).split('.')[0][:100]})")
            return None
        if array.dtype.kind not in kinds:
            self.fail(name, f"expected {expected}, found {_kind_of(value)} of shape {array.shape} and {array.dtype}")
            return None
        return array


def _kind_of(value: Any) -> str:
    return f"a {type(value).__name__}"


def plain(value: Any) -> Any:
    """A value in JSON's types: numpy scalars and arrays, paths and tuples become numbers, texts and lists.

    Anything else is returned unchanged, for the schema to reject.

    Example:
        >>> plain({"step": np.int64(3), "layers": (1, np.float32(0.5))})
        {'step': 3, 'layers': [1, 0.5]}
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {plain(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value
