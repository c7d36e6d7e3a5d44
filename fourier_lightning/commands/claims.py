"""Which of the paper's claims hold here? Filled from runs' records alone.

fourier-lightning claims RUN_OR_SWEEP_DIR...                      (print the table)
fourier-lightning claims DIRS --output claims.jsonl               (and write the verdicts, a line each)
fourier-lightning claims --from docs/results/claims.jsonl --readme docs/claims.md   (its table)
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError

if TYPE_CHECKING:
    from fourier_lightning.claims.verdict import Verdict
    from fourier_lightning.record.runs import Run


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("claims", __doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="DIR", help="run or sweep directories")
    parser.add_argument("--from", dest="source", type=Path, help="verdicts that --output wrote, instead of runs")
    parser.add_argument("--output", type=Path, help="write the verdicts as JSON lines")
    parser.add_argument("--readme", type=Path, help="replace the table between the claims markers of this file")
    args = parser.parse_args(argv)
    if args.source is None and not args.runs:
        raise ConfigError("DIR", "no directory", "give run or sweep directories, e.g. outputs/DATE/TIME")
    if args.source and args.runs:
        raise ConfigError("--from", "given beside directories", "give verdicts or runs, not both")
    if args.output and args.output.is_dir():
        raise ConfigError(f"--output {args.output}", "a directory", "name a file, e.g. claims.jsonl")
    from fourier_lightning.claims.table import markdown, print_ledger, replace_between
    from fourier_lightning.record.files import write_jsonl
    from fourier_lightning.record.runs import find_runs

    runs = [] if args.source else find_runs(args.runs)
    verdicts = read_verdicts(args.source) if args.source else judge_all(runs)
    try:
        if args.readme:
            replace_between(args.readme, "claims", markdown(verdicts))
        if args.output:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(args.output, [verdict.row() for verdict in verdicts])
    except OSError as error:
        raise ConfigError("--output or --readme", str(error), "choose a file that can be written") from error
    print_ledger(verdicts, runs)


def verdict_of(row: dict[str, Any]) -> "Verdict":
    """A verdict from its line.

    Raises:
        ValueError, TypeError: it is none.
    """
    from fourier_lightning.claims.ledger import CLAIMS
    from fourier_lightning.claims.verdict import Verdict
    from fourier_lightning.values import fits

    verdict = Verdict(**row)
    if verdict.claim not in {claim.name for claim in CLAIMS}:
        raise ValueError(f"no claim is called {verdict.claim!r}")
    for name, hint in get_type_hints(Verdict).items():
        if not fits(row[name], hint):
            raise ValueError(f"{name} is {row[name]!r}")
    return verdict


def read_verdicts(path: Path) -> list["Verdict"]:
    """The verdicts of a file.

    Raises:
        ConfigError: no file, or one that holds none.
    """
    from fourier_lightning.record.files import read_jsonl

    remedy = "give a file that --output wrote"
    try:
        verdicts = [verdict_of(row) for row in read_jsonl(path)]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"--from {path}", str(error), remedy) from error
    if not verdicts:
        raise ConfigError(f"--from {path}", "holds no verdicts", remedy)
    return verdicts


def judge_all(runs: Sequence["Run"]) -> list["Verdict"]:
    """The verdicts on runs; a warning for each run of whose record a part can't be read.

    Raises:
        ConfigError: no record can be read.
    """
    from fourier_lightning.claims.ledger import CLAIMS
    from fourier_lightning.claims.verdict import judge
    from fourier_lightning.readings.seeds import finished

    if not any(run.config for run in runs) and not finished(runs):
        raise ConfigError(str(runs[0].dir), "no record in it can be read", "give finished runs")
    verdicts = [verdict for claim in CLAIMS for verdict in judge(claim, runs)]
    for run in runs:  # a verdict from fewer runs than were given says so
        if run.damaged:
            said = f"damaged: {', '.join(run.damaged)}; it counts as far as it can be read"
            print(f"warning: {run.dir}: {said}", file=sys.stderr)
    return verdicts
