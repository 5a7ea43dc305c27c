"""Command line of the trainer: `python -m pid_lvlm.extract.training`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.training.demo.recipe import RECIPE, SIZES, quick

EPILOG = (
    "Examples:\n\n  python -m pid_lvlm.extract.training --out data/demo\n\n"
    "  python -m pid_lvlm.extract.training --out out/try --size tiny --quick"
)
app = typer.Typer(add_completion=False)


class UnknownSizeError(PidError):
    """There is no model of that size."""


@app.command(epilog=EPILOG)
def train(
    out: Annotated[Path, typer.Option(help="Folder for items, cards and checkpoints.")],
    size: Annotated[list[str] | None, typer.Option(help=f"Size to train: {', '.join(SIZES)}. Default: all.")] = None,
    quick_run: Annotated[bool, typer.Option("--quick", help="Two steps per stage: tries the path only.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; other numbers give other rounding.")] = 2,
) -> None:
    """Train the demo's known-answer models from nothing: minutes on two cores, always the same weights."""
    sizes = size or list(SIZES)
    for name in sizes:
        if name not in SIZES:
            message = f"unknown size {name!r}; there are {', '.join(SIZES)}"
            raise UnknownSizeError(message)
    # Imported here, so that --help answers at once.
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401, PLC0415

    # isort: split
    import torch  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    from pid_lvlm.extract.training.demo.make_demo import make_demo  # noqa: PLC0415

    torch.set_num_threads(threads)
    logging.disable_progress_bar()
    kept = make_demo(out, sizes, quick(RECIPE) if quick_run else RECIPE, _progress)
    Console(stderr=True).print(f"{len(kept)} checkpoints in {out / 'checkpoints'}")


@contextmanager
def _progress(name: str, steps: int) -> Iterator[Callable[[int, float], None]]:
    """A bar with the loss and the time left; plain lines where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=steps, loss=float("nan"))
        yield lambda step, loss: bar.update(task, completed=step, loss=loss)


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2."""
    run_command(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
