"""Benchmarks by name. To add one, add an entry in `catalog_paper.py` or `catalog_common.py`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.inputs.paths import is_there
from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.benchmarks.benchmark import Benchmark
from pid_lvlm.extract.datasets.benchmarks.catalog_common import OTHERS
from pid_lvlm.extract.datasets.benchmarks.catalog_paper import PAPER
from pid_lvlm.extract.errors import UsageError

BENCHMARKS: Final[dict[str, Benchmark]] = {benchmark.name: benchmark for benchmark in (*PAPER, *OTHERS)}


def get_benchmark(name: str) -> Benchmark:
    """Benchmark by name.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in BENCHMARKS:
        message = f"unknown benchmark `{cut(name)}`; {suggestion(name, BENCHMARKS)}"
        raise UsageError(message)
    return BENCHMARKS[name]


def parse_data(text: str, columns: Mapping[str, str], images: Path | None) -> DatasetSpec:
    """Parse one `--data` value: a file, folder, card or hub dataset, with the prefix `NAME=` for a known benchmark.

    Raises:
        UsageError: no benchmark has this name.
    """
    name, equals, file = text.partition("=")
    if not equals or "/" in name or is_there(Path(text)):
        return DatasetSpec(Path(text), columns, images)
    return DatasetSpec(Path(file), columns, images, get_benchmark(name).name)


def describe_benchmarks() -> str:
    """The text of `--list-datasets`."""
    lines = ["NAME for --data NAME=FILE; rows and options as the official file has them", ""]
    for benchmark in BENCHMARKS.values():
        rows = "any number of" if benchmark.expected is None else str(benchmark.expected)
        lines += [
            f"{benchmark.name}: {benchmark.title}",
            f"    {rows} rows, {benchmark.options} options, prompt `{benchmark.prompt}`",
            f"    {benchmark.source}",
        ]
    return "\n".join(lines)
