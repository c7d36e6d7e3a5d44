"""The terminal: a console that prints text as it is, and settings and paths as a shell takes them."""

import re
import shlex
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
