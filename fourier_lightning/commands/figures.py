"""Draw the paper's figures from the records of runs.

    fourier-lightning figures RUN_DIR                         (every figure that this run's record can show)
    fourier-lightning figures RUN_DIR --figure 5a --format pdf
    fourier-lightning figures SWEEP_DIR --figure 7b           (comparison figures take several runs)
    fourier-lightning figures --list

Writes into RUN_DIR/figures (of several directories, the first one's), or where --output says.
"""

from collections.abc import Sequence
from pathlib import Path

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("figures", __doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN_DIR", help="run or sweep directories")
    parser.add_argument("--figure", action="append", default=[], help="number in the paper, as 7b; may be repeated")
    parser.add_argument("--format", default="png", choices=["png", "pdf", "svg"])
    parser.add_argument("--output", type=Path, help="directory to write into")
    parser.add_argument("--list", action="store_true", help="list the figures and stop")
    args = parser.parse_args(argv)
    if not args.runs and not args.list:
        raise ConfigError("RUN_DIR", "no run directory", "give one or more, e.g. outputs/DATE/TIME")
    from fourier_lightning.figures.catalogue import FIGURES
    from fourier_lightning.figures.comparisons import COMPARISONS
    from fourier_lightning.figures.draw import draw
    from fourier_lightning.figures.make import make_all, named
    from fourier_lightning.record.runs import find_runs

    if args.list:
        for name, spec in [*FIGURES.items(), *COMPARISONS.items()]:
            print(f"{name:14}{spec.shows}{' (several runs)' if name in COMPARISONS else ''}")
        return
    wanted = [name for asked in args.figure for name in named(asked)]
    charts = make_all(find_runs(args.runs), wanted)
    if not charts:
        raise ConfigError(str(args.runs[0]), "no figure can be made of it", "did the run's instruments write tables?")
    output = args.output or args.runs[0] / "figures"
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, chart in charts.items():
            draw(chart).savefig(output / f"{name}.{args.format}", dpi=130)
    except OSError as error:
        raise ConfigError(f"--output {output}", str(error), "choose a directory that can be written") from error
    names = f": {', '.join(charts)}" if len(charts) <= 40 else ""
    print(f"{len(charts)} figure{'s' if len(charts) > 1 else ''} in {output}{names}")
