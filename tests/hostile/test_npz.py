"""A shard is input: whatever its bytes say, the outcome is a list of faults, quickly and in little memory."""

import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm import data
from pid_lvlm.data.contract.reading.npz import NpzError, read_npz
from pid_lvlm.data.files import npz_bytes
from pid_lvlm.data.names import MANIFEST_FILE, shard_file

ROWS = 20
SECONDS = 5.0  # the promise; a busy machine is slow
MEGABYTES = 40


@contextmanager
def cheaply() -> Iterator[None]:
    """The block takes little time and memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
        assert time.process_time() - started < SECONDS
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 2**20
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every array, whose manifest has no checksums, as an older version's."""
    x = {"mean": np.ones((ROWS, 3)), "max": np.ones((ROWS, 3))}
    folder = data.write_run(
        tmp_path_factory.mktemp("shards") / "run",
        model="m", dataset="d", loglik=np.log(np.full((ROWS, 4, 2, 4), 0.25)), x1=x, x2=x, label=[1] * ROWS,
    )  # fmt: skip
    fields = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps(fields | {"checksums": {}}))
    with np.load(folder / shard_file(0)) as archive:
        arrays = dict(archive)
    arrays |= {
        "letters": np.array(["ABCD"] * ROWS),
        "rotation_of": np.array(["q"] * ROWS),
        "rotations": np.full(ROWS, ROWS),
        "first_token_text": np.array([["a"] * 4] * ROWS),
    }
    (folder / shard_file(0)).write_bytes(npz_bytes(arrays))
    assert data.validate_run(folder) == []
    return folder


@pytest.fixture(scope="module")
def good(run: Path) -> bytes:
    return (run / shard_file(0)).read_bytes()


@pytest.fixture(scope="module")
def members(good: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def faults_of(run: Path, content: bytes) -> list[data.Fault]:
    """What is wrong with a shard of these bytes; everyone who reads it raises errors of ours only."""
    (run / shard_file(0)).write_bytes(content)
    faults = data.validate_run(run)
    text = "".join(map(str, faults))
    assert len(text) < 3000
    assert text.isprintable()
    assert all(fault.file == shard_file(0) for fault in faults)
    for read in (data.outline_run, lambda folder: data.outline_run(folder).read("group_id")):
        try:
            read(run)
        except data.ContractError:
            assert faults
    return faults


PLACES = st.integers(0, 10**6)


@given(st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_flipped_bytes(run: Path, good: bytes, changes: list[tuple[int, int]]) -> None:
    content = bytearray(good)
    for place, value in changes:
        content[place % len(content)] = value
    faults_of(run, bytes(content))


@given(PLACES, PLACES, st.sampled_from(["cut", "left out", "twice"]))
@settings(max_examples=60, deadline=None)
def test_cut_and_spliced_bytes(run: Path, good: bytes, first: int, second: int, how: str) -> None:
    start, end = sorted((first % len(good), second % len(good)))
    rest = {"cut": b"", "left out": good[end:], "twice": good[start:end] + good[start:]}[how]
    if not faults_of(run, good[:start] + rest):
        assert start == end or how == "twice"


TOKENS = [
    b"<f4", b"<U1", b"|O", b"<U99999999", b"<f8", b">f4", b"|b1", b"<c8", b"|V8", b"<M8[s]", b"(1000000000000,",
    b"(-1,", b"True", b"[('a','<f4')]", b"\0\0\0\0", b"\xff" * 8, b"(" * 50, b"'''", b"9" * 300,
]  # fmt: skip


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_array_inside_a_whole_zip(run: Path, members: dict[str, bytes], draw: st.DataObject) -> None:
    """The zip's own checksums are right, so that the headers and values are what has to be found."""
    name = draw.draw(st.sampled_from(sorted(members)))
    content = bytearray(members[name])
    for _ in range(draw.draw(st.integers(1, 3))):
        token = draw.draw(st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=4))
        start = draw.draw(st.integers(0, 130) | st.just(bytes(content).find(b"'descr': '") + 10)) % len(content)
        content[start : start + draw.draw(st.sampled_from([0, len(token)]))] = token
    changed = members | {draw.draw(st.sampled_from([name, "odd\n.npy", "x" * 3000])): bytes(content)}
    faults_of(run, zipped(changed, draw.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))


LIES = {
    "a shape of 10**12": ("x1_mean", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 3), }")),
    "a product that overflows": (
        "x1_mean",
        npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**62}, 4), }}"),
    ),
    "texts of 10**8": ("sample_id", npy("{'descr': '<U99999999', 'fortran_order': False, 'shape': (20,), }")),
    "texts of nothing": ("sample_id", npy("{'descr': '<U0', 'fortran_order': False, 'shape': (20,), }")),
    "pickled objects": (
        "sample_id",
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (20,), }", b"cos\nsystem\n."),
    ),
    "a header of 60 kB": ("label", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (20,), }" + " " * 60_000)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_is_not_an_allocation(run: Path, members: dict[str, bytes], lie: str) -> None:
    name, content = LIES[lie]
    with cheaply():
        (fault,) = faults_of(run, zipped(members | {f"{name}.npy": content}))
    assert name in str(fault) or "header" in str(fault)


def test_a_bomb_is_not_unpacked(run: Path, members: dict[str, bytes]) -> None:
    zeros = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (5000000, 3), }", bytes(60_000_000))
    bomb = zipped(members | {"x1_mean.npy": zeros}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**5
    with cheaply():
        (fault,) = faults_of(run, bomb)
    assert "is compressed; write it with numpy.savez" in fault.message


def test_a_table_of_many_arrays_is_not_read(run: Path) -> None:
    many = zipped({f"{number}.npy": b"" for number in range(20_000)})
    with cheaply():
        (fault,) = faults_of(run, many)
    assert "has 20,000 arrays in a table of" in fault.message


def test_a_large_array_that_the_manifest_does_not_ask_for(run: Path, members: dict[str, bytes]) -> None:
    wide = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (20, 750000), }", bytes(60_000_000))
    content = zipped(members | {"x1_mean.npy": wide})
    with cheaply():
        (run / shard_file(0)).write_bytes(content)
        (fault,) = data.validate_run(run)
    assert (fault.array, fault.message) == ("x1_mean", "expected shape (20, 3) (n, d1), found (20, 750000)")


@pytest.mark.parametrize("place", ["zip header", "npy header", "padding", "data", "table", "end"])
def test_every_byte_counts_where_there_is_a_checksum(tmp_path: Path, make_run: Callable[..., Path], place: str) -> None:
    run = make_run(tmp_path / "run", n=20, d=3)
    path = run / shard_file(0)
    content = bytearray(path.read_bytes())
    places = {
        "zip header": 10,  # a time of day, which nobody reads
        "npy header": content.find(b"'descr'"),
        "padding": content.find(b"}    ") + 3,
        "data": len(content) // 2,
        "table": content.find(b"PK\x01\x02") + 12,
        "end": len(content) - 20,
    }
    content[places[place]] ^= 1
    path.write_bytes(content)
    (fault,) = data.validate_run(run)
    assert fault.file == shard_file(0)
    assert "damaged" in fault.message
    assert "run the same pid-extract command again" in fault.message


def test_another_runs_shard_in_its_place(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run, other = (make_run(tmp_path / name, n=20, d=3, seed=seed) for seed, name in enumerate(("run", "other")))
    (run / shard_file(0)).write_bytes((other / shard_file(0)).read_bytes())
    (fault,) = data.validate_run(run)
    assert "damaged: its bytes have changed since it was written" in fault.message


def test_many_missing_shards_are_found_quickly(run: Path) -> None:
    """100,000 files to look for, the most that a manifest may ask for."""
    before = (run / MANIFEST_FILE).read_text()
    try:
        fields = json.loads(before)
        (run / MANIFEST_FILE).write_text(
            json.dumps(fields | {"num_samples": 100_000, "shard_size": 1, "finished": False})
        )
        with cheaply():
            (fault,) = data.validate_run(run)
        assert "of 100000 shards exist" in fault.message
    finally:
        (run / MANIFEST_FILE).write_text(before)


@pytest.mark.parametrize("code", [0x110000, 0xD800, 2**32 - 1])
def test_numbers_that_are_no_characters(run: Path, members: dict[str, bytes], code: int) -> None:
    content = members["sample_id.npy"][:-4] + code.to_bytes(4, "little")
    (fault,) = faults_of(run, zipped(members | {"sample_id.npy": content}))
    assert (fault.array, fault.row) == ("sample_id", ROWS - 1)
    assert "is not text" in fault.message


@pytest.mark.parametrize("lie", ["a shape of 10**12", "a product that overflows"])
def test_a_header_has_to_fit_its_bytes(tmp_path: Path, lie: str) -> None:
    """Also where nothing else is known of an array, as of noise statistics."""
    path = tmp_path / "noise.npz"
    path.write_bytes(zipped({"vision_mean.npy": LIES[lie][1]}))
    with cheaply(), pytest.raises(NpzError, match="which does not match its bytes"):
        read_npz(path)
