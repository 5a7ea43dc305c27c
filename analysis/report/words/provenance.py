"""Where the numbers come from: settings, data, versions, devices, time, as text for the end of the report."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from pid_lvlm.data.bounds import PAGE_LISTED, SHOWN_NAME
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.inputs.text import TextError, parse_json

_SETTINGS = {
    "preset": "preset",
    "estimator": "estimator",
    "tau": "τ (least option probability)",
    "pooling": "pooling",
    "seeds": "seeds",
    "interval": "intervals over",
    "marginals": "reconciliation of marginals",
    "strata": "strata",
    "num_options": "options K",
    "num_train": "training rows",
    "num_test": "test rows",
    "device": "device",
}
_PACKAGES = ("pid-lvlm", "polars", "altair", "vl-convert-python")
_SHOWN = 8


def provenance(results: pl.DataFrame, sources: Mapping[str, Sequence[Path]]) -> list[tuple[str, str]]:
    """Pairs of a heading and a value, as plain text.

    Args:
        results: every row of the report, failed fits included.
        sources: the files that were read, by kind; shown as name and hash, without their path.
    """
    return [
        *(pair for kind, paths in sources.items() for pair in _files(kind, paths)),
        ("rows", f"{results.height:,}, from {count(results['run'].n_unique(), 'run folder')}"),
        *((heading, text) for name, heading in _SETTINGS.items() if (text := _values(results[name]))),
        ("estimation time", f"{results['seconds'].sum():.1f} s in total"),
        ("versions of extraction and estimation", _listed(_versions(results["versions"]))),
        ("versions of this report", ", ".join(f"{name} {_installed(name)}" for name in _PACKAGES)),
    ]


def recipes(results: pl.DataFrame) -> list[str]:
    """The distinct estimator settings, as indented JSON if they are JSON; only the first if there are many."""
    distinct = results["recipe"].drop_nulls().unique(maintain_order=True)
    left_out = distinct.len() - PAGE_LISTED.most
    shown = [_pretty(text) for text in distinct.head(PAGE_LISTED.most)]
    return [*shown, f"… and {left_out} more"] if left_out > 0 else shown


def _files(kind: str, paths: Sequence[Path]) -> list[tuple[str, str]]:
    left_out = len(paths) - PAGE_LISTED.most
    alike = len({path.name for path in paths}) < len(paths)
    named = [(kind, _fingerprint(path, alike=alike)) for path in paths[: PAGE_LISTED.most]]
    return [*named, (kind, f"and {left_out} more")] if left_out > 0 else named


def _fingerprint(path: Path, *, alike: bool) -> str:
    """A file's name and hash, with its folder's name if file names alone are ambiguous."""
    name = displayable(f"{path.parent.name}/{path.name}" if alike and path.parent.name else path.name, SHOWN_NAME.most)
    with path.open("rb") as file:
        return f"{name}, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _values(column: pl.Series) -> str:
    """The distinct values of a column, or their range for many numbers."""
    distinct = column.drop_nulls().unique(maintain_order=True)
    if distinct.len() > _SHOWN and distinct.dtype.is_numeric():
        return " to ".join(map(str, (distinct.min(), distinct.max())))
    texts = [_value(value) for value in (distinct.sort() if distinct.dtype.is_numeric() else distinct).to_list()]
    return "; ".join(texts[:_SHOWN]) + ("; …" if len(texts) > _SHOWN else "")


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _versions(column: pl.Series) -> list[str]:
    """`package version` for every distinct pair in the tables' JSON, or the raw text if it is not JSON."""
    found: dict[str, None] = {}
    for text in column.drop_nulls().unique(maintain_order=True):
        try:
            found.update(dict.fromkeys(_flat(parse_json(text))))
        except TextError:
            found[text] = None
    return list(found)


def _listed(texts: Sequence[str]) -> str:
    shown = [displayable(text, SHOWN_NAME.most) for text in texts[: PAGE_LISTED.most]]
    return "; ".join(shown) + (f"; … and {len(texts) - len(shown)} more" if len(texts) > len(shown) else "")


def _flat(value: Any, name: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name} {key}".strip())
    else:
        yield f"{name} {value}".strip()


def _pretty(text: str) -> str:
    try:
        return json.dumps(parse_json(text), indent=2, ensure_ascii=False)
    except TextError:
        return text


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"
