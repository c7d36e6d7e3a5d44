"""How often are the ledger's rules right? Tried on models whose mechanism is known, because it was built into them.

    fourier-lightning calibrate                                  (all of them: several minutes)
    fourier-lightning calibrate --only paper --only memory       (some mechanisms)
    fourier-lightning calibrate --trained 3                      (and models trained to a mechanism, as long again)
    fourier-lightning calibrate --first-seed 100                 (models that nobody looked at when rules were made)
    fourier-lightning calibrate --output calibration.jsonl       (and write a line for each claim)
    fourier-lightning calibrate --records DIR                    (keep what the instruments saw; judge what is there)

Needs no run and no network. docs/calibration.md says what the models are.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("calibrate", __doc__)
    parser.add_argument("--seeds", type=int, default=3, help="models of each case, judged together (default 3)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="others than those of the rules' making")
    parser.add_argument("--only", action="append", default=[], metavar="MECHANISM", help="may be repeated")
    parser.add_argument("--trained", type=int, default=0, metavar="N", help="seeds of models trained to a mechanism")
    parser.add_argument("--records", type=Path, metavar="DIR", help="keep the records; those in it are judged again")
    parser.add_argument("--output", type=Path, help="write a JSON line for each claim")
    parser.add_argument("--docs", type=Path, help="replace the table between the calibration markers of this file")
    args = parser.parse_args(argv)
    check(args)
    from fourier_lightning.calibration.cases import kinds
    from fourier_lightning.calibration.judging import CALLS, rows_of, try_kinds
    from fourier_lightning.calibration.table import markdown, print_rows, summary
    from fourier_lightning.claims.table import replace_between
    from fourier_lightning.record.files import write_jsonl

    asked, said, began = kinds(args.only, args.seeds, args.trained, args.first_seed), [], time.perf_counter()
    try:
        for kind, (found, why) in zip(asked, try_kinds(asked, args.records), strict=True):
            said += found
            right, wrong, nothing = (sum(one.call == call for one in found) for call in CALLS)
            counts = f"{right} claims right, {wrong} wrong, {nothing} not at all"
            told = "; ".join(filter(None, (counts if found else "", why, f"{time.perf_counter() - began:.0f} s")))
            print(f"{kind.name}: {told}", flush=True)
        rows = rows_of(said)
        if args.output:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(args.output, rows)
        if args.docs:
            replace_between(args.docs, "calibration", markdown(rows))
    except OSError as error:
        if error.filename is None:  # what it prints has no name
            raise
        remedy = "give --records, --output and --docs that can be written"
        raise ConfigError(str(error.filename), error.strerror or str(error), remedy) from error
    print_rows(rows)
    print(summary(said))


def check(args: argparse.Namespace) -> None:
    """Refuse what can't work before a model is made."""
    if args.seeds < 1:
        raise ConfigError(f"--seeds {args.seeds}", "too small", "use 1 or more; 3 is what a verdict needs")
    if args.trained < 0:
        raise ConfigError(f"--trained {args.trained}", "negative", "use 0 for none of them")
    if not 0 <= args.first_seed < 10**6:
        raise ConfigError(f"--first-seed {args.first_seed}", "out of range", "use 0 to 999999")
    if args.output and args.output.is_dir():
        raise ConfigError(f"--output {args.output}", "a directory", "name a file, e.g. calibration.jsonl")
    if args.records and args.records.is_file():
        raise ConfigError(f"--records {args.records}", "a file", "name a directory")
    if args.docs and not args.docs.is_file():
        raise ConfigError(f"--docs {args.docs}", "no such file", "name one that has the calibration markers")
