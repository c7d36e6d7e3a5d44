"""The terminal: a console that prints text as it is, and settings and paths as a shell takes them."""

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """A console on which no text is markup.

    Names, paths, settings and error messages are the user's: as rich's markup "[total]" would vanish, "[/]" be an error
    and ":smile:" a picture. Styles are given by ``rich.text.Text`` and ``style=``.

    Args:
        options: of ``rich.console.Console``.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)


def typed(key: str, value: str | Path) -> str:
    """``key=value`` as it is typed in a shell, quoted for Hydra, too, where the value has signs that mean something."""
    text = str(value)
    if not re.fullmatch(r"[\w./+:@%-]+", text):
        text = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + found[2].replace('"', '\\"'), text)
        text = f'"{text}"'
    return shlex.quote(f"{key}={text}")


def program(name: str) -> str:
    """A program of this Python's environment as it is typed: its name where the shell would find it, else its path."""
    beside = Path(sys.executable).with_name(name)
    if (found := shutil.which(name)) and Path(found).resolve() == beside.resolve():
        return name
    return (
        shlex.quote(str(beside)) if beside.is_file() else f"{shlex.quote(sys.executable)} -m {name.replace('-', '_')}"
    )


def our_command(*words: str | Path) -> str:
    """``fourier-lightning ...`` as it is typed here."""
    return " ".join([program("fourier-lightning"), *(shlex.quote(str(word)) for word in words)])
