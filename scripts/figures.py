"""Draw the paper's figures from the records of runs.

    python scripts/figures.py RUN_DIR                         (every figure that this run's record can show)
    python scripts/figures.py RUN_DIR --figure 5a --format pdf
    python scripts/figures.py SWEEP_DIR --figure 7b           (comparison figures take several runs)
    python scripts/figures.py --list

Writes into RUN_DIR/figures (of several directories, the first one's), or where --output says.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed

from fourier_lightning.errors import ConfigError, stop_without
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import COMPARISONS, comparison, figure_names
from fourier_lightning.record.runs import Run, find_runs

try:
    from fourier_lightning.figures.draw import draw
except ImportError as missing:
    stop_without(missing, "figures")


def make_all(runs: list[Run], wanted: list[str]) -> dict[str, Chart]:
    """Charts by file name.

    Raises:
        ConfigError: a figure that was asked for can't be made from these records.
    """
    charts: dict[str, Chart] = {}
    for name in wanted or [*FIGURES, *COMPARISONS]:
        if name in COMPARISONS:
            chart = comparison(name, runs) if wanted or len(runs) > 1 else None
            if chart is not None:
                charts[name] = chart
            elif wanted:
                raise ConfigError(
                    f"--figure {name}", "none of these runs can be in it", f"give {COMPARISONS[name].needs}"
                )
            continue
        spec = FIGURES[name]
        for run in runs:
            gone = run.lacks(spec.tables, spec.arrays) if run.config else ["run.json's configuration"]
            if gone and wanted:
                remedy = "measure the run with all instruments: train.py fit=false ckpt_path=RUN/checkpoints/last.ckpt"
                raise ConfigError(f"--figure {name}", f"{run.dir} has no {', '.join(gone)}", remedy)
            if not gone and (wanted or spec.of(run)):
                suffix = "" if len(runs) == 1 else f"_{slug(run.title)}"
                try:
                    charts[name + suffix] = titled(spec.make(run), run)
                except ImportError as error:  # scikit-learn, for figure 5b
                    if wanted:
                        raise
                    print(f"figure {name} left out: {error.name} is not installed", file=sys.stderr)
    return charts


def titled(chart: Chart, run: Run) -> Chart:
    """The chart with the run named in its title."""
    return replace(chart, title=f"{chart.title}\n{run.title}")


def slug(text: str) -> str:
    """A file name for a title."""
    return "_".join("".join(c if c.isalnum() else " " for c in text).split())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN_DIR", help="run or sweep directories")
    parser.add_argument("--figure", action="append", default=[], help="number in the paper, as 7b; may be repeated")
    parser.add_argument("--format", default="png", choices=["png", "pdf", "svg"])
    parser.add_argument("--output", type=Path, help="directory to write into")
    parser.add_argument("--list", action="store_true", help="list the figures and stop")
    args = parser.parse_args()
    if args.list:
        for name, spec in [*FIGURES.items(), *COMPARISONS.items()]:
            print(f"{name:14}{spec.shows}{' (several runs)' if name in COMPARISONS else ''}")
        return
    try:
        if not args.runs:
            raise ConfigError("RUN_DIR", "no run directory", "give one or more, e.g. outputs/DATE/TIME")
        wanted = [name for asked in args.figure for name in named(asked)]
        charts = make_all(find_runs(args.runs), wanted)
        if not charts:
            raise ConfigError(
                str(args.runs[0]), "no figure can be made of it", "did the run's instruments write tables?"
            )
        output = args.output or args.runs[0] / "figures"
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("--output", str(error), "choose a directory that can be written") from error
        for name, chart in charts.items():
            draw(chart).savefig(output / f"{name}.{args.format}", dpi=130)
        names = f": {', '.join(charts)}" if len(charts) <= 40 else ""
        print(f"{len(charts)} figure{'s' if len(charts) > 1 else ''} in {output}{names}")
    except ConfigError as error:
        parser.exit(2, f"error: {error}\n")
    except ImportError as error:  # scikit-learn, for figure 5b
        stop_without(error, "figures")


def named(asked: str) -> list[str]:
    """What --figure means."""
    found = figure_names(asked)
    if not found:
        known = ", ".join([*FIGURES, *COMPARISONS])
        raise ConfigError(
            f"--figure {asked}", "no such figure, or of a model or task that is not here", f"choose from {known}"
        )
    return found


if __name__ == "__main__":
    main()
