"""Command line of the trainer: `python -m pid_lvlm.extract.training`."""

if __name__ == "__main__":  # before the imports: Ctrl-C must already work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.extract.training.__main__")

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pid_lvlm.data.bounds import WORKERS
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import Version, epilog, make_app
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.locks import locked
from pid_lvlm.extract.training.demo.sizes import NAMES

app = make_app(completion=False)


class UnknownModelError(PidError):
    """The demo has no model with this name."""


@app.command(
    epilog=epilog(
        "python -m pid_lvlm.extract.training --out data/demo",
        "python -m pid_lvlm.extract.training --out out/try --model demo-llava-tiny --quick",
        "python -m pid_lvlm.extract.training --out out/world --model demo-llava-tiny --files",
    )
)
def train(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Output folder for items, cards and checkpoints.", show_default=False)
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Model to train: {', '.join(NAMES)}; repeat for several. Default: all."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only two steps per stage, to check that everything works.")
    ] = False,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=WORKERS.most, metavar="N", help="Number of trainings to run at the same time, one thread each."
        ),
    ] = 2,
    files: Annotated[
        bool, typer.Option("--files", help="Do not train; only write models, records and recipes for pid-train.")
    ] = False,
    version: Version = False,
) -> None:
    """Train the demo's models from scratch with pid-train: less than an hour on two cores, always the same weights.

    Repeat the command to resume an interrupted training.
    """
    names = model or list(NAMES)
    for name in names:
        if name not in NAMES:
            raise UnknownModelError(unknown_name("--model: unknown value", name, NAMES))
    # imported here to keep --help fast
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401, PLC0415

    # isort: split
    import torch  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    from pid_lvlm.extract.training.demo.make_demo import make_demo  # noqa: PLC0415
    from pid_lvlm.extract.training.demo.models import MODELS  # noqa: PLC0415
    from pid_lvlm.extract.training.demo.world_files import QUICK, World, write_training_files  # noqa: PLC0415

    torch.set_num_threads(1)  # another number of threads rounds differently
    logging.disable_progress_bar()
    chosen = [MODELS[name] for name in names]
    world = QUICK if quick else World()
    if files:
        recipes = write_training_files(out, chosen, world)
        Console(stderr=True).print(f"{', '.join(path.name for path in recipes)} in {out}")
        return
    with locked(out, "python -m pid_lvlm.extract.training"), _progress() as progress:
        kept = make_demo(out, chosen, world, processes, progress)
    Console(stderr=True).print(f"{len(kept)} checkpoints in {out / 'checkpoints'}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int, float | None], None]]:
    """A progress bar for each model with the loss and the time left; plain lines without a terminal."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(name: str, done: int, total: int, loss: float | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total, told="")
            bar.update(tasks[name], completed=done, told="" if loss is None else f"loss {loss:.3f}")

        yield tell


def main() -> NoReturn:
    """Run the command."""
    run_command("python -m pid_lvlm.extract.training", app, extra="train")
