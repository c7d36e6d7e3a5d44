"""The argument parser of all commands but ``train``, which is Hydra's."""

import argparse
import re
from typing import NoReturn

from fourier_lightning.errors import ConfigError, suggestion


class CommandParser(argparse.ArgumentParser):
    """argparse with its complaints in one line, and with the nearest option where one was mistyped.

    Args:
        name: the command.
        doc: its module's docstring, the help text.
    """

    def __init__(self, name: str, doc: str | None) -> None:
        super().__init__(
            prog=f"fourier-lightning {name}",
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below its usage."""
        message = " ".join(message.split())
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0].partition("=")[0]
            remedy = suggestion(word, self._option_string_actions, f"see {self.prog} --help")
            raise ConfigError(word, "no such option", remedy)
        raise_complaint(message, f"{self.prog} --help")


def raise_complaint(message: str, help_command: str) -> NoReturn:
    """Raise an error message of argparse as a ConfigError."""
    what, _, which = message.removeprefix("argument ").partition(": ")
    if what == "the following arguments are required":
        what, which = which, "not given"
    given, *choices = re.findall("'([^']*)'", which) or [""]
    raise ConfigError(what, which or "wrong", suggestion(given, choices, f"see {help_command}"))
