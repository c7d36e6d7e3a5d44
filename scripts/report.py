"""One HTML file about any set of runs: tables, plots that answer the mouse, and the paper's claims. Needs no network.

    python scripts/report.py RUN_OR_SWEEP_DIR... --output report.html
    make report                                   (everything in outputs/ and multirun/)

Half-finished and failed runs are in it, and said to be so.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed

from fourier_lightning.errors import ConfigError, stop_without
from fourier_lightning.record.runs import find_runs

try:
    from fourier_lightning.report.page import build
except ImportError as missing:
    stop_without(missing, "report")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="DIR", help="run or sweep directories")
    parser.add_argument("--output", type=Path, default=Path("report.html"), help="the file to write")
    parser.add_argument("--title", default="fourier_lightning: how these models add")
    args = parser.parse_args()
    try:
        runs = find_runs(args.runs)
        if args.output.is_dir():
            raise ConfigError(f"--output {args.output}", "a directory", "name a file, e.g. report.html")
        page = build(runs, args.title)
        try:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            args.output.write_text(page)
        except OSError as error:
            raise ConfigError(f"--output {args.output}", str(error), "choose a file that can be written") from error
    except ConfigError as error:
        parser.exit(2, f"error: {error}\n")
    except ImportError as error:  # scipy and scikit-learn are imported where they are needed
        stop_without(error, "report,figures")
    damaged = sum(bool(run.damaged) for run in runs)
    said = f"; {damaged} with damaged files, see its top" if damaged else ""
    print(f"{args.output}: {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(page) / 1e6:.1f} MB{said}")


if __name__ == "__main__":
    main()
