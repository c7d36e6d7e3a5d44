"""Which of the paper's claims hold here? Filled from runs' records alone.

python scripts/claims.py RUN_OR_SWEEP_DIR...                      (print the table)
python scripts/claims.py DIRS --output claims.jsonl               (and write the verdicts, a line each)
python scripts/claims.py --from docs/results/claims.jsonl --readme README.md   (the README's table)
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import markdown, print_ledger, replace_between
from fourier_lightning.claims.verdict import Verdict, judge
from fourier_lightning.errors import ConfigError, stop_without
from fourier_lightning.record.runs import find_runs
from fourier_lightning.record.writer import read_jsonl, write_jsonl


def verdicts_of(args: argparse.Namespace) -> list[Verdict]:
    """From records, or from a file of verdicts."""
    if args.source:
        try:
            return [Verdict(**row) for row in read_jsonl(args.source)]
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"--from {args.source}", str(error), "give a file that --output wrote") from error
    if not args.runs:
        raise ConfigError("DIR", "no directory", "give run or sweep directories, e.g. outputs/DATE/TIME")
    runs = find_runs(args.runs)
    return [verdict for claim in CLAIMS for verdict in judge(claim, runs)]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="DIR", help="run or sweep directories")
    parser.add_argument("--from", dest="source", type=Path, help="verdicts that --output wrote, instead of runs")
    parser.add_argument("--output", type=Path, help="write the verdicts as JSON lines")
    parser.add_argument("--readme", type=Path, help="replace the table between the claims markers of this file")
    args = parser.parse_args()
    try:
        verdicts = verdicts_of(args)
        if args.readme:
            replace_between(args.readme, "claims", markdown(verdicts))
        if args.output:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(args.output, [verdict.row() for verdict in verdicts])
    except ConfigError as error:
        parser.exit(2, f"error: {error}\n")
    except ImportError as error:
        stop_without(error, "report,figures")
    except OSError as error:
        parser.exit(2, f"error: --output or --readme: {error}; choose a file that can be written\n")
    print_ledger(verdicts)


if __name__ == "__main__":
    main()
