"""The one command: ``fourier-lightning COMMAND ...``. Each command is imported when it is asked for."""

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fourier_lightning.errors import (
    EXTRAS,
    UNUSABLE,
    ConfigError,
    fail,
    give_up,
    output_failed,
    suggestion,
    unusable,
)

COMMANDS = {
    "train": "train a model to add numbers, or evaluate and dissect one",
    "export": "a trained model as a directory of transformers, with its tokenizer",
    "report": "one HTML file about any set of runs",
    "figures": "the paper's figures, drawn from runs",
    "claims": "which of the paper's claims hold in these runs?",
    "errors": "what does a model get wrong? The errors of any model, from a table of its answers",
    "calibrate": "how often are the rules for those claims right? On models of known mechanism",
    "audit": "which numbers are single tokens of a backbone, and which tasks fit it",
    "dashboard": "lay out a W&B workspace for a project of runs",
}
USAGE = """usage: fourier-lightning COMMAND [...]

How do language models add numbers? Train them, take them apart, and test what the parts do.

{commands}

fourier-lightning COMMAND --help tells what a command takes. Exit codes: 0 done, 1 failed, 2 something that was asked
can't work (one line says what, and what to do)."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console command, of ``python -m fourier_lightning`` and, as ``train``, of ``train.py``.

    Raises:
        SystemExit: with code 2 and one line on stderr for what can't work; with 1 where nobody takes what it prints,
            in silence where a pipe was closed (``| head``).
    """
    os.environ["MPLBACKEND"] = "agg"  # pictures go into files; a notebook's backend may not be installed here
    logging.raiseExceptions = False  # a message that can't be written is no reason for a traceback
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # nor is a letter that the terminal does not have
    try:
        try:
            call(*(sys.argv[1:] if argv is None else argv) or ["--help"])
        finally:
            if sys.stdout is not None:  # closed from the start: then nothing is printed
                sys.stdout.flush()
    except OSError as error:
        if not output_failed(error):
            raise
        raise SystemExit(give_up(error)) from error


def call(name: str, *rest: str) -> None:
    """One command.

    Raises:
        SystemExit: with code 2 and one line on stderr for what can't work.
    """
    if name in ("-h", "--help", "help"):
        print(USAGE.format(commands="\n".join(f"  {each:11}{says}" for each, says in COMMANDS.items())))
        return
    try:
        if name not in COMMANDS:
            raise ConfigError(name, "no such command", remedy(name, rest))
        import_module(f"fourier_lightning.commands.{name}").main(list(rest))
    except ConfigError as error:
        raise SystemExit(fail(error)) from error
    except OSError as error:
        if error.filename is None or error.errno not in UNUSABLE:
            raise
        raise SystemExit(fail(unusable(error))) from error
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        missing = ConfigError(package, "not installed", f"pip install 'fourier-lightning[{EXTRAS[package]}]'")
        raise SystemExit(fail(missing)) from error


def remedy(name: str, rest: Sequence[str]) -> str:
    """What was probably meant by a command that there isn't."""
    if "=" in name or name[:1] in "-~+":  # a setting of a run: before there were commands, it stood here
        return f"did you mean fourier-lightning train {' '.join([name, *rest])}?"
    return suggestion(name, COMMANDS)
