"""Text in Markdown: a user's own text has to stay text, in a table, too."""

import re

# What GitHub's Markdown reads: code, emphasis, links, HTML, struck text, formulas, the end of a table's cell.
SIGNS = re.compile(r"[\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w)|:(?=[\w+-]+:)|&(?=#?\w+;)")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return SIGNS.sub(lambda sign: f"&#{ord(sign[0])};" if sign[0] in "<>:&" else f"\\{sign[0]}", " ".join(text.split()))


def code(text: str) -> str:
    """Text as code in a table's cell, in one line."""
    line = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""
