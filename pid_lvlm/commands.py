"""Entry points of the commands. Signal handlers come first: the imports take long enough for a Ctrl-C."""

from pid_lvlm.process import leave, own_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def start(module: str) -> "NoReturn":
    """Run the `main` of a command's module; the process belongs to the command."""
    try:
        own_process()
        from importlib import import_module

        import_module(module).main()
    except SystemExit:
        raise
    except KeyboardInterrupt:
        leave()
    except BaseException as error:
        _fail(error)
    raise SystemExit  # a command exits with its code


def pid_extract() -> "NoReturn":
    """Entry point of `pid-extract`."""
    start("pid_lvlm.extract.cli.main")


def pid_train() -> "NoReturn":
    """Entry point of `pid-train`."""
    start("pid_lvlm.extract.training.two_stage.cli")


def pid_estimate() -> "NoReturn":
    """Entry point of `pid-estimate`."""
    start("pid_jax.cli.main")


def pid_report() -> "NoReturn":
    """Entry point of `pid-report`."""
    start("pid_lvlm.analysis.cli")


def _fail(error: BaseException) -> "NoReturn":
    """Exit because of a bug that occurred before the command could handle it."""
    import sys

    from pid_lvlm.faults import EXIT_FAULT, fault_sentence, write_log

    sys.stderr.write(f"error: {fault_sentence(error, write_log(error))}\n")
    raise SystemExit(EXIT_FAULT)
