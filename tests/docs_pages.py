"""README and docs as a reader copies them: fenced blocks with their marks, and commands in running text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
HOW = 'see "Commands in README and docs" in docs/development.md'
KINDS = ("bash", "python", "yaml", "text")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*(\S*)")
MARK = re.compile(r"<!-- (not run|checked): (.+?)(?:; lines with (.+?))? -->")
# What a command line begins with.
COMMAND = re.compile(
    r"\$? *(\w+=\S+ )*(\.venv/bin/)?"
    r"(python3? (-m )?[\w.]|fourier-lightning \w|torchrun |wandb \w|make( |$)|pip install )"
)
ASSIGNMENT = re.compile(r"""\w+=("[^"]*"|'[^']*'|\S*)( +#.*)?$""")


@dataclass(frozen=True)
class Command:
    """A command line of a block; ``mark`` is "not run", "checked", or "" of one that runs."""

    text: str
    mark: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line of its fence, the fence's info string, and the marks that stand before it.

    Attributes:
        marks: (mark, reason, what a line has to hold, or "") each.
    """

    page: Path
    line: int
    kind: str
    text: str
    marks: tuple[tuple[str, str, str], ...] = ()

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def lines(self) -> Iterator[tuple[str, Command | None]]:
        """Its lines, continued ones as one, each with its command; None of comments and of what sets a variable."""
        for line in re.sub(r"\\\n\s*", "", self.text).splitlines():
            if not line.strip() or line.lstrip()[0] == "#" or ASSIGNMENT.match(line):
                yield line, None
            else:
                chosen = [(mark, reason) for mark, reason, part in self.marks if part in line]
                yield line, Command(line, *(chosen[0] if chosen else ()))

    def commands(self) -> list[Command]:
        return [command for _, command in self.lines() if command is not None] if self.kind == "bash" else []

    def script(self) -> str:
        """What bash runs: a line that is checked, or not run, has a word before it that says so."""
        words = {"": "", "checked": "DOCS=check ", "not run": ": "}
        return "".join(f"{words[command.mark] if command else ''}{line}\n" for line, command in self.lines())

    def problems(self) -> Iterator[str]:
        """What is wrong with its kind and marks, and the remedy."""
        lines = self.text.splitlines()
        commands = [line for line in lines if COMMAND.match(line)]
        if self.kind not in KINDS:
            yield f"{self.where}: a fence of kind {self.kind!r}; use one of {', '.join(KINDS)}: {HOW}"
        elif self.kind == "text" and commands:
            yield f"{self.where}: commands in a block of kind text ({commands[0]}); use bash: {HOW}"
        if self.marks and self.kind != "bash":
            yield f"{self.where}: a mark before a block of kind {self.kind}; it belongs to one of kind bash: {HOW}"
        for mark, _, part in self.marks:
            if not any(part in line for line in lines):
                yield f"{self.where}: {mark}, but no line holds {part!r}; correct the mark: {HOW}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    marks: list[tuple[str, str, str]] = []
    fence, start, kind = "", 0, ""
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        opening, mark = FENCE.match(line), MARK.fullmatch(line.strip())
        if fence:
            if line.strip() == fence:
                found.append(Block(page, start, kind, "\n".join(lines[start : number - 1]) + "\n", tuple(marks)))
                fence, marks = "", []
        elif opening:
            fence, start, kind = opening[1], number, opening[2]
        elif mark:
            marks += [(mark[1], mark[2], part) for part in (mark[3] or "").split(" or ")]
        elif line.strip():
            marks = []
    return found


def without_fences(page: Path) -> str:
    """A page's text without its fenced blocks."""
    return re.sub(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1", "", page.read_text(), flags=re.M | re.S)


def indented(page: Path) -> list[str]:
    """Commands that stand in an indented block, where no mark can tell whether they run."""
    return [line for line in without_fences(page).splitlines() if line[:4] == "    " and COMMAND.match(line.strip())]


def in_text(page: Path) -> list[str]:
    """Commands in a page's running text and tables, each once."""
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", without_fences(page)))
    return list(dict.fromkeys(span for span in spans if COMMAND.match(span)))


def in_settings(path: Path) -> list[str]:
    """Commands in the comments of a configuration file: ``python train.py`` and the words that can be settings."""
    comments = "\n".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    found = re.findall(r"python train\.py(?: --cfg job| -m| '[^']*'| [\w./+~]+=[^\s,]\S*)*", comments)
    return list(dict.fromkeys(re.sub(r"(?<![.])[.:,;)]+$", "", command) for command in found))
