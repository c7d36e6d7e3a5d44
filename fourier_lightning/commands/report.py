"""One HTML file about any set of runs: tables, plots that answer the mouse, and the paper's claims. Needs no network.

    fourier-lightning report RUN_OR_SWEEP_DIR... --output report.html
    make report                                   (everything in outputs/ and multirun/)

Half-finished and failed runs are in it, and said to be so.
"""

from collections.abc import Sequence
from pathlib import Path

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("report", __doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="DIR", help="run or sweep directories")
    parser.add_argument("--output", type=Path, default=Path("report.html"), help="the file to write")
    parser.add_argument("--title", default="fourier_lightning: how these models add")
    args = parser.parse_args(argv)
    if args.output.is_dir():
        raise ConfigError(f"--output {args.output}", "a directory", "name a file, e.g. report.html")
    from fourier_lightning.record.runs import find_runs
    from fourier_lightning.report.page import build

    runs = find_runs(args.runs)
    page = build(runs, args.title)
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(page, encoding="utf-8", errors="replace")  # a record may hold half a character
    except OSError as error:
        raise ConfigError(f"--output {args.output}", str(error), "choose a file that can be written") from error
    damaged = sum(bool(run.damaged) for run in runs)
    said = f"; {damaged} with damaged files, see its top" if damaged else ""
    print(f"{args.output}: {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(page) / 1e6:.1f} MB{said}")
