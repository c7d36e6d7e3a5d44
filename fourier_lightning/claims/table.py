"""The ledger as a table: in the terminal, in Markdown, in the report."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fourier_lightning.atomic import write_text
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.errors import ConfigError

MARKS = {
    "supported": "green",
    "not here": "magenta",
    "undecided": "yellow",
    "not comparable": "cyan",
    "not measured": "dim",
}


def number(verdict: Verdict) -> str:
    """Our number with its interval and its control."""
    if verdict.value is None:
        return "-"
    text = f"{verdict.value:.3g}"
    if verdict.low is not None and verdict.high is not None and (verdict.low, verdict.high) != (verdict.value,) * 2:
        text += f" [{verdict.low:.3g}, {verdict.high:.3g}]"
    return text if verdict.control is None else f"{text}; control {verdict.control:.3g}"


def by_claim(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Verdicts of each claim, in the ledger's order."""
    return {claim.name: [v for v in verdicts if v.claim == claim.name] for claim in CLAIMS}


def count(verdicts: Sequence[Verdict]) -> str:
    """How many verdicts of each kind, in words."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    kinds = ", ".join(f"{counts[outcome]} {outcome}" for outcome in MARKS if counts[outcome])
    return f"{len(CLAIMS)} claims; verdicts on single models: {kinds}"


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A row for each claim, and in it a line for each model."""
    lines = [
        "| claim of the paper | its number | here: verdict, our number [95 %], model, seeds |",
        "| --- | --- | --- |",
    ]
    found = by_claim(verdicts)
    for claim in CLAIMS:
        here = "<br>".join(one_line(verdict) for verdict in found[claim.name])
        lines.append(f"| {claim.statement} ({claim.where}) | {claim.paper} | {here} |")
    return "\n".join([*lines, "", f"{count(verdicts)}.", ""])


def one_line(verdict: Verdict) -> str:
    """A verdict in a line of Markdown."""
    if not verdict.seeds:
        return f"{verdict.outcome}: {verdict.why}"
    seeds = f"seed{'s' if len(verdict.seeds) > 1 else ''} {', '.join(map(str, verdict.seeds))}"
    why = f" ({verdict.why})" if verdict.outcome == "not comparable" else ""
    return f"**{verdict.outcome}**{why}: {number(verdict)}; {verdict.model}; {seeds}"


def replace_between(path: Path, name: str, text: str) -> None:
    """Put text between the lines ``<!-- NAME -->`` and ``<!-- /NAME -->`` of a file.

    Raises:
        ConfigError: the file does not have both.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    try:
        whole = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"can't be read ({error})", f"name a text file with {begin} and {end}") from error
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise ConfigError(f"--readme {path}", f"it lacks the lines {begin} and {end}", "add them to the file")
    head, rest = whole.split(begin)
    write_text(path, f"{head}{begin}\n{text}{end}{rest.split(end)[1]}")


def print_ledger(verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """The ledger in the terminal: each claim, and below it a line for each model."""
    console = console or Console(highlight=False)
    found = by_claim(verdicts)
    for claim in CLAIMS:
        console.print(f"[bold]{escape(claim.statement)}[/] {claim.where}; paper: {claim.paper}", soft_wrap=True)
        for verdict in found[claim.name]:
            seeds = f"; seeds {', '.join(map(str, verdict.seeds))}" if verdict.seeds else ""
            model = f"{number(verdict)}  {verdict.model}{seeds}" if verdict.seeds else verdict.why
            model += f"; {verdict.why}" if verdict.outcome == "not comparable" else ""
            console.print(f"  [{MARKS[verdict.outcome]}]{verdict.outcome:14}[/] {escape(model)}", soft_wrap=True)
    console.print(count(verdicts))
