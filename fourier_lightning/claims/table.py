"""The ledger as a table: in the terminal, in Markdown, in the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from fourier_lightning.atomic import write_text
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.more_seeds import advice
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.errors import ConfigError
from fourier_lightning.markdown import plain
from fourier_lightning.readings import words
from fourier_lightning.readings.seeds import letters
from fourier_lightning.record.runs import Run
from fourier_lightning.terminal import terminal

LONG = 40  # characters of a model's label, beyond which a letter stands for it

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
    text = words.number(verdict.value)
    if verdict.low is not None and verdict.high is not None and (verdict.low, verdict.high) != (verdict.value,) * 2:
        text += f" [{words.number(verdict.low)}, {words.number(verdict.high)}]"
    return text if verdict.control is None else f"{text}; control {words.number(verdict.control)}"


def model_names(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """What each model is called in a table: its label, or a letter where there are several and one has a long label."""
    models = list(dict.fromkeys(verdict.model for verdict in verdicts if verdict.value is not None))
    if len(models) < 2 or max(map(len, models)) <= LONG:
        return {model: model for model in models}
    return dict(zip(models, letters(len(models)), strict=True))


def letter_lines(names: Mapping[str, str]) -> list[str]:
    """What each letter of ``model_names`` stands for, a line each."""
    return [f"{name}: {model}" for model, name in names.items() if name != model]


def whose(verdict: Verdict, name: str) -> str:
    """A model under its name and its seeds: "A; seeds 0, 1"; answers alone have no seed."""
    seeds = f"seed{'s' if len(verdict.seeds) > 1 else ''} {', '.join(map(str, verdict.seeds))}"
    return f"{name}; {seeds}" if verdict.seeds else name


def by_claim(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Verdicts of each claim, in the ledger's order."""
    return {claim.name: [v for v in verdicts if v.claim == claim.name] for claim in CLAIMS}


def count(verdicts: Sequence[Verdict]) -> str:
    """How many verdicts of each kind, in words."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    kinds = ", ".join(f"{counts[outcome]} {outcome}" for outcome in MARKS if counts[outcome])
    return f"{len(CLAIMS)} claims; verdicts on single models: {kinds}"


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A row for each claim, and in it a line for each model; what the letters of models stand for, above."""
    names = model_names(verdicts)
    lines = [f"- {plain(line)}" for line in letter_lines(names)]
    lines += [""] if lines else []
    lines += [
        "| claim of the paper | its number | here: verdict, our number [95 %], model, seeds |",
        "| --- | --- | --- |",
    ]
    found = by_claim(verdicts)
    for claim in CLAIMS:
        here = "<br>".join(one_line(verdict, names) for verdict in found[claim.name])
        lines.append(f"| {claim.statement} ({claim.where}) | {claim.paper} | {here} |")
    return "\n".join([*lines, "", f"{count(verdicts)}.", ""])


def one_line(verdict: Verdict, names: Mapping[str, str]) -> str:
    """A verdict in a line of Markdown."""
    if verdict.value is None:
        return f"{verdict.outcome}: {plain(verdict.why)}"
    why = f" ({plain(verdict.why)})" if verdict.outcome == "not comparable" else ""
    return f"**{verdict.outcome}**{why}: {number(verdict)}; {whose(verdict, plain(names[verdict.model]))}"


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


def print_ledger(verdicts: Sequence[Verdict], runs: Sequence[Run] = ()) -> None:
    """The ledger in the terminal: each claim, and below it a line for each model; at the end what more seeds would do.

    Args:
        verdicts: of ``judge``.
        runs: that they are of, for the command that trains more seeds.
    """
    console, found, names = terminal(), by_claim(verdicts), model_names(verdicts)
    for line in letter_lines(names):
        console.print(line, soft_wrap=True)
    for claim in CLAIMS:
        heading = Text.assemble((claim.statement, "bold"), f" {claim.where}; paper: {claim.paper}")
        console.print(heading, soft_wrap=True)
        for verdict in found[claim.name]:
            told = [verdict.why]
            if verdict.value is not None:
                told = [f"{number(verdict)}  {whose(verdict, names[verdict.model])}"]
                told += [verdict.why] if verdict.outcome in ("undecided", "not comparable") else []
            outcome = (f"{verdict.outcome:14}", MARKS[verdict.outcome])
            console.print(Text.assemble("  ", outcome, f" {'; '.join(told)}"), soft_wrap=True)
    console.print(count(verdicts), soft_wrap=True)
    for line in advice(verdicts, runs, names):
        console.print(line, soft_wrap=True)
