"""Where the numbers come from: settings, data, versions, devices, time, as text for the end of the report."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

_SETTINGS = {
    "preset": "preset",
    "estimator": "estimator",
    "tau": "τ (least option probability)",
    "pooling": "pooling",
    "seeds": "seeds",
    "num_options": "options K",
    "num_train": "training rows",
    "num_test": "test rows",
    "device": "device",
}
_PACKAGES = ("pid-lvlm", "polars", "altair", "vl-convert-python")
_SHOWN = 8


def provenance(results: pl.DataFrame, sources: Sequence[Path]) -> list[tuple[str, str]]:
    """Pairs of a heading and its value, as plain text.

    Args:
        results: every row of the report, failed fits included.
        sources: the files that were read; named without their folder and with their hash.
    """
    return [
        *(("result table", _fingerprint(path)) for path in sources),
        ("rows", f"{results.height}, from {results['run'].n_unique()} run folder(s)"),
        *((heading, _values(results[name])) for name, heading in _SETTINGS.items()),
        ("estimation time", f"{results['seconds'].sum():.1f} s in total"),
        ("versions of extraction and estimation", "; ".join(_versions(results["versions"]))),
        ("versions of this report", ", ".join(f"{name} {_installed(name)}" for name in _PACKAGES)),
    ]


def recipes(results: pl.DataFrame) -> list[str]:
    """The distinct estimator settings, indented JSON where they are JSON."""
    return [_pretty(text) for text in results["recipe"].unique(maintain_order=True)]


def _fingerprint(path: Path) -> str:
    return f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def _values(column: pl.Series) -> str:
    """The distinct values of a column, or their range where they are many numbers."""
    distinct = column.drop_nulls().unique(maintain_order=True)
    if distinct.len() > _SHOWN and distinct.dtype.is_numeric():
        return " to ".join(map(str, (distinct.min(), distinct.max())))
    texts = [_value(value) for value in distinct.to_list()]
    return "; ".join(texts[:_SHOWN]) + ("; …" if len(texts) > _SHOWN else "")


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _versions(column: pl.Series) -> list[str]:
    """`package version` for every distinct pair in the tables' JSON, or the text itself where it is not JSON."""
    found: dict[str, None] = {}
    for text in column.unique(maintain_order=True):
        try:
            found.update(dict.fromkeys(_flat(json.loads(text))))
        except json.JSONDecodeError:
            found[text] = None
    return list(found)


def _flat(value: Any, name: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name} {key}".strip())
    else:
        yield f"{name} {value}".strip()


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except json.JSONDecodeError:
        return text


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"
