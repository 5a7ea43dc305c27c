"""Small damage to valid files: to their text, their members, their cells, or their bytes."""

import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

Mutate = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
"""A damaged copy of a content, given all contents that parts may be taken from."""

TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[\w.+\x80-\xff-]+|[\[\]{}(),:=]')

NASTY = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        *(
            "-1",
            "0",
            "1",
            "65536",
            "1000000000",
            "9223372036854775808",
            "9" * 5000,
            "1e400",
            "-1e400",
            "1e308",
            "1e-320",
        ),
        *("NaN", "Infinity", "-Infinity", "nan", "inf", "0x10", "1_000", "1.5", "-0.0", "²", "true", "false", "null"),
        *("[]", "{}", "[[]]", '""', '" "', '"x"', '"-1"', '"1e9"', '["x","x"]', '{"x": 1}', "1979-05-27", "07:32:00"),
        *('"\\ud800"', '"\\u0000"', '"\\u001b[31m"', '"\\u2028"', '"\\n"', '"\\r"', '"e\\u0301"', '"\u202e"', "\ud800"),
        *('"../../x"', '"/etc/passwd"', '"/dev/zero"', '"."', '"~"', '"a/b"', '"items[1]"', '"*"', '"=HYPERLINK(1)"'),
        *(
            "[" * 100,
            "[" * 5000 + "]" * 5000,
            '{"a":' * 3000 + "1" + "}" * 3000,
            "a." * 200 + "a",
            '"' + "x" * 120_000 + '"',
        ),
        *("\x00", "\x1b", "\x0c", "\r\n", "\ufeff", "\u2028", "\u00a0", ",", "\t", '"', "'", "\\", "{{", "{%", "}}"),
        *("{{ 1/0 }}", "{% for i in range(999999999) %}x{% endfor %}", "{% include 'x' %}", "{{ ''.__class__ }}"),
    )
)
"""Values that programs trip over: huge, endless, deep, not finite, not text, paths that lead away, templates."""


MOST_BYTES = 4 << 20
"""Text that is repeated does not grow beyond this."""


def of_text(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Text with one to three tokens or lines changed, or, now and then, bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice((_node, _node, _node, _node, _token, _token, _line, _bytes))
        content = change(rng, content, others)
    return content


def of_bytes(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Content with bytes flipped, cut, inserted, repeated or taken from elsewhere."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _bytes(rng, content, others)
    return content


def of_archive(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A zip file such as npz: mostly one member damaged and all checksums right, sometimes its bytes."""
    if rng.random() < 0.2:
        return of_bytes(rng, content, others)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    match rng.randrange(8):
        case 0:
            del members[name]
        case 1:
            members[rng.choice(sorted(members))] = members[name]
        case 2:
            members[rng.choice(("../x.npy", "x", "x" * 70_000, "\ud7ff.npy", "/x.npy"))] = members[name]
        case 3:
            members[name] = of_bytes(rng, members[name], list(members.values()))
        case _:
            members[name] = _npy_header(rng, members[name])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for member, inside in members.items():
            archive.writestr(member[:60_000], inside)
    return written.getvalue()


DTYPES = (
    "<f2",
    "<f8",
    ">f4",
    "<c8",
    "<c16",
    "|b1",
    "|i1",
    "<u8",
    "<U1",
    "<U0",
    "<U999999999",
    "|S3",
    "|O",
    "<M8[s]",
    "|V8",
)


def _npy_header(rng: random.Random, content: bytes) -> bytes:
    """An array whose header declares something else."""
    end = content.find(b"\n") + 1
    header, body = content[10:end], content[end:]
    match rng.randrange(4):
        case 0:
            header = re.sub(rb"'descr': '[^']*'", f"'descr': '{rng.choice(DTYPES)}'".encode(), header)
        case 1:
            sizes = ("()", "(0,)", "(1000000000,)", "(99999999999999999999,)", "(-1,)", "(2,)", "(1,1,1,1,1)", "(4,)*9")
            header = re.sub(rb"'shape': \([^)]*\)", f"'shape': {rng.choice(sizes)}".encode(), header)
        case 2:
            header = _token(rng, header.rstrip(), [header]) + b"\n"
        case _:  # other numbers of the same shape
            step = rng.choice((1, 2, 4, 8))
            filler = rng.choice((b"\x00", b"\xff", b"\x7f", b"\x80"))
            place = rng.randrange(max(1, len(body)))
            body = body[:place] + filler * step + body[place + step :]
    size = min(len(header), 0xFFFF)
    return content[:8] + size.to_bytes(2, "little") + header + body


CELLS: tuple[Any, ...] = (
    *(None, 0, 1, -1, 2**31, 2**62, 0.5, 1e300, -1e300, float("nan"), float("inf"), 1e-320, True),
    *("", " ", "x", "../x", "\x1b[31m", "\u2028", "\u202e", "=1+1", "x" * 120_000, "\x00", "{", "NaN", "1e9", "²"),
    *([], [1], [1, 1], [-1], ["x", "x"], [2**40], {"a": 1}, b"\x89PNG", b""),
)


ODD_NAMES = ("x", "", "\x1b", "\u2028", "x" * 70_000)


def of_parquet(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A parquet file: mostly cells or columns changed, sometimes its bytes."""
    if rng.random() < 0.3:
        return of_bytes(rng, content, others)
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(content))
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(frame.columns)
        match rng.randrange(6):
            case 0:
                frame = frame.drop(name)
            case 1:
                held = set(frame.columns)
                frame = frame.rename({name: rng.choice([new for new in ODD_NAMES if new not in held] or [name])})
            case 2:
                frame = frame.vstack(frame).head(rng.randrange(2 * len(frame) + 1))
            case 3:
                frame = frame.with_columns(pl.Series(name, [rng.choice(CELLS)] * len(frame), strict=False))
            case _:
                frame = _with_cell(rng, frame, name)
        if not frame.columns:
            break
    written = io.BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


def _with_cell(rng: random.Random, frame: Any, name: str) -> Any:
    """One cell changed to a value that its column can hold, if one is found."""
    import polars as pl

    values = frame[name].to_list()
    if not values:
        return frame
    for _ in range(20):
        values[rng.randrange(len(values))] = rng.choice(CELLS)
        try:
            return frame.with_columns(pl.Series(name, values, dtype=frame.schema[name], strict=True))
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            values = frame[name].to_list()
    return frame


def of_arguments(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A command line as a JSON list of texts: options of other lines added, their values changed."""
    words: list[str] = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        donor = json.loads(rng.choice(others))
        if len(donor) > 1 and rng.random() < 0.7:
            start = rng.randrange(len(donor))
            words += donor[start : start + 2]
        place = rng.randrange(len(words)) if words else 0
        if words and not words[place].startswith("-"):
            value = rng.choice(NASTY).decode("utf-8", "replace").strip('"').replace("\0", "")
            words[place] = rng.choice((value, words[place] + value, value + words[place], words[place] * 2, ""))
    return json.dumps(words).encode()


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 65536, 10**9, 2**63 - 1, 2**63, 10**400, 0.5, -0.5, 1e300, 1e-320),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        " ",
        "x",
        "1",
        "nan",
        "../../x",
        "/etc/passwd",
        "a/b",
        ".",
        "x" * 120_000,
    ),
    *("\ud800", "\u0000", "\u001b[31m", "\u2028", "\u202e", "\n", "²", "=1+1", "items[1]", "{", "e\u0301"),
    *([], {}, [[]], [None], [1, "x"], ["x", "x"], ["a"] * 1000, {"x": 1}, {"": None}, {"x": {"x": {"x": []}}}),
)
"""What takes the place of a value in JSON."""


def _node(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """One value in a JSON document, or in a line of JSON lines, changed, taken out, or moved to another name."""
    lines = [content] if b"\n" not in content.strip() or content.startswith(b"[") else content.splitlines()
    place = rng.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        lines, place = [content], 0
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return _token(rng, content, others)
    spots = _spots(value)
    if not spots:
        return json.dumps(rng.choice(VALUES)).encode()
    parent, key = rng.choice(spots)
    match rng.randrange(8):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(("", "x", "\ud800", "x" * 120_000, "\x1b", f"{key} "))] = parent.pop(key)
        case 2:
            other, name = rng.choice(spots)
            parent[key] = json.loads(json.dumps(other[name]))
        case _:
            parent[key] = rng.choice(VALUES)
    lines[place] = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys, inside a value."""
    found: list[tuple[Any, Any]] = []
    open_ = [value]
    while open_ and len(found) < 10_000:
        parent = open_.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
        found += [(parent, key) for key in keys]
        open_ += [parent[key] for key in keys]
    return found


def _token(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    places = [found.span() for found in TOKEN.finditer(content[:200_000])]
    if not places:
        return content + rng.choice(NASTY)
    if rng.random() < 0.7:  # values rather than names
        places = [(a, b) for a, b in places if content[:a].rstrip()[-1:] in (b"=", b":", b"[", b",")] or places
    start, end = rng.choice(places)
    match rng.randrange(5):
        case 0:
            other_start, other_end = rng.choice(places)
            new = content[other_start:other_end]
        case 1:
            new = b""
        case _:
            new = rng.choice(NASTY)
    return content[:start] + new + content[end:]


def _line(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    place = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, rng.choice(lines))
        case 2:
            lines[place] = rng.choice(rng.choice(others).splitlines(keepends=True) or [b""])
        case _:
            times = rng.choice((2, 50, 2000))
            lines[place] = lines[place] * min(times, 1 + MOST_BYTES // max(len(lines[place]), 1))
    return b"".join(lines)[:MOST_BYTES]


def _bytes(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 1, 2, 8, 100)))
    match rng.randrange(6):
        case 0:
            return content[:start]
        case 1:
            return content[:start] + rng.randbytes(end - start) + content[end:]
        case 2:
            return content[:start] + rng.choice(NASTY) + content[start:]
        case 3:
            return content[:start] + content[end:]
        case 4:
            other = rng.choice(others)
            return content[:start] + other[rng.randrange(len(other) + 1) :]
        case _:
            if start == len(content):
                return content
            return content[:start] + bytes([content[start] ^ (1 << rng.randrange(8))]) + content[start + 1 :]


def of_safetensors(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Weights: mostly the header's text changed, its length right."""
    size = int.from_bytes(content[:8], "little")
    header, body = content[8 : 8 + size], content[8 + size :]
    match rng.randrange(4):
        case 0:
            return of_bytes(rng, content, others)
        case 1:
            return content[:8] + of_bytes(rng, header, [header])[:size].ljust(size) + body
        case 2:
            place = rng.randrange(len(body))
            return (
                content[: 8 + size + place] + rng.choice((b"\xff\xff\xff\x7f", b"\x00\x00\xc0\x7f")) + body[place + 4 :]
            )
        case _:
            header = _token(rng, header, [header])
            return len(header).to_bytes(8, "little") + header + body
