"""Command line of the trainer: `python -m pid_lvlm.extract.training`."""

if __name__ == "__main__":  # before the imports, during which Ctrl-C must work already
    from pid_lvlm.commands import start

    start("pid_lvlm.extract.training.__main__")

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import Version, epilog, make_app
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.locks import locked
from pid_lvlm.extract.training.demo.recipe import RECIPE, SIZES, quick

app = make_app(completion=False)


class UnknownSizeError(PidError):
    """There is no model of that size."""


@app.command(
    epilog=epilog(
        "python -m pid_lvlm.extract.training --out data/demo",
        "python -m pid_lvlm.extract.training --out out/try --size tiny --quick",
        "python -m pid_lvlm.extract.training --out out/world --size tiny --files",
    )
)
def train(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for items, cards and checkpoints.", show_default=False)
    ],
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE", help=f"Size to train: {' or '.join(SIZES)}; repeat for several. Default: all."),
    ] = None,
    quick_run: Annotated[
        bool, typer.Option("--quick", help="Only two steps per stage, to see that everything works.")
    ] = False,
    threads: Annotated[
        int, typer.Option(min=1, metavar="N", help="CPU threads; another number rounds differently.")
    ] = 2,
    files: Annotated[
        bool,
        typer.Option("--files", help="Train nothing: write a model and records for the recipe demo-tiny of pid-train."),
    ] = False,
    version: Version = False,
) -> None:
    """Train the demo's models from scratch, in minutes on two cores; the weights are the same every time."""
    sizes = size or list(SIZES)
    for name in sizes:
        if name not in SIZES:
            raise UnknownSizeError(unknown_name("--size: unknown value", name, SIZES))
    # Imported here, so that --help answers at once.
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401, PLC0415

    # isort: split
    import torch  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    from pid_lvlm.extract.training.demo.make_demo import make_demo  # noqa: PLC0415

    torch.set_num_threads(threads)
    logging.disable_progress_bar()
    recipe = quick(RECIPE) if quick_run else RECIPE
    if files:
        from pid_lvlm.extract.training.demo.training_files import write_training_files  # noqa: PLC0415

        written = write_training_files(out, SIZES[sizes[0]], recipe)
        Console(stderr=True).print(f"{', '.join(path.name for path in written)} in {out}")
        return
    with locked(out, "python -m pid_lvlm.extract.training"):
        kept = make_demo(out, sizes, recipe, _progress)
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


def main() -> NoReturn:
    """Run the command."""
    run_command("python -m pid_lvlm.extract.training", app, extra="extract")
