"""The options that every command has, and the layout of a command's help."""

from typing import Annotated, Final

import typer

import pid_lvlm

HELP_OPTIONS: Final = ("--help", "-h")
JSON_OPTION: Final = "--json"
QUIET_OPTIONS: Final = ("--quiet", "-q")
VERSION_OPTION: Final = "--version"


def make_app(*, completion: bool = True) -> typer.Typer:
    """An empty command-line app: `-h` as well as `--help`, shell completion, and no tracebacks of its own."""
    return typer.Typer(
        add_completion=completion,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": [*HELP_OPTIONS]},
    )


def epilog(*examples: str, failing: str | None = None) -> str:
    """The end of a command's help: its exit codes and examples.

    Args:
        examples: command lines.
        failing: when the exit code is 1, such as `some runs failed`.
    """
    failures = f"1 {failing}, " if failing else ""
    codes = (
        f"Exit codes: 0 done, {failures}2 wrong usage or input, 70 a bug in pid-lvlm, 130 interrupted, 143 terminated."
    )
    return "\n\n".join([codes, *(f"Example: `{example}`" for example in examples)])


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pid-lvlm {pid_lvlm.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(VERSION_OPTION, callback=_print_version, is_eager=True, help="Show the version and exit."),
]
Quiet = Annotated[
    bool,
    typer.Option(*QUIET_OPTIONS, help="Print only errors and the output of --dry-run, --json and similar options."),
]
AsJson = Annotated[
    bool,
    typer.Option(
        JSON_OPTION, help="Print the result as one JSON object on standard output, everything else on standard error."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the input and show what would be done; write nothing.")]
