"""Which figures can be made of which runs, as charts by file name."""

import sys
from collections.abc import Container
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from fourier_lightning.errors import ConfigError, suggestion
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import COMPARISONS, comparison, figure_names
from fourier_lightning.record.runs import Run

LONGEST = 120  # characters of a run's title in a file name, of which file systems take 255 bytes


def make_all(runs: list[Run], wanted: list[str]) -> dict[str, Chart]:
    """Charts by file name.

    Raises:
        ConfigError: a figure that was asked for can't be made from these records.
    """
    charts: dict[str, Chart] = {}
    for name in wanted or [*FIGURES, *COMPARISONS]:
        if name in COMPARISONS:
            chart = comparison(name, runs) if wanted or len(runs) > 1 or COMPARISONS[name].alone else None
            if chart is not None:
                charts[name] = chart
            elif wanted:
                raise ConfigError(f"--figure {name}", *why_not(name, runs))
            continue
        spec = FIGURES[name]
        lacking = {
            run: run.lacks(spec.tables, spec.arrays) if run.config else ["run.json's configuration"] for run in runs
        }
        for run, gone in lacking.items():
            if gone and wanted and run.status != "finished" and not all(lacking.values()):
                print(f"figure {name}: {run.dir} left out: {run.status}, no {', '.join(gone)}", file=sys.stderr)
                continue
            if gone and wanted:
                remedy = "measure it with all instruments: fourier-lightning train fit=false ckpt_path=..."
                raise ConfigError(f"--figure {name}", f"{run.dir} has no {', '.join(gone)}", remedy)
            if not gone and (wanted or spec.of(run)):
                called = name if len(runs) == 1 else free(f"{name}_{slug(run.title)[:LONGEST]}", charts)
                try:
                    charts[called] = titled(spec.make(run), run)
                except ImportError as error:  # scikit-learn, for figure 5b
                    if wanted:
                        raise
                    print(f"figure {name} left out: {error.name} is not installed", file=sys.stderr)
    return charts


def why_not(name: str, runs: list[Run]) -> tuple[str, str]:
    """Why none of these runs can be in a figure that compares them, and the remedy."""
    damaged = [f"{run.dir}: {', '.join(run.damaged)}" for run in runs if run.damaged]
    if damaged:
        return f"damaged files ({'; '.join(damaged)})", "measure again: fourier-lightning train fit=false ckpt_path=..."
    return "none of these runs can be in it", f"give {COMPARISONS[name].needs}"


def titled(chart: Chart, run: Run) -> Chart:
    """The chart with the run named in its title."""
    return replace(chart, title=f"{chart.title}\n{run.title}")


def free(called: str, taken: Container[str]) -> str:
    """A file name that is not taken: two runs may have one title."""
    return next(name for n in count(1) if (name := called if n == 1 else f"{called}_{n}") not in taken)


def save(chart: Chart, path: Path) -> Path | None:
    """Draw a chart into a file; None where matplotlib is not installed or the disk takes no more."""
    if find_spec("matplotlib") is None:
        return None
    from fourier_lightning.figures.draw import draw

    try:
        path.parent.mkdir(exist_ok=True)
        draw(chart).savefig(path, dpi=130)
    except OSError:
        return None
    return path


def slug(text: str) -> str:
    """A file name for a title."""
    return "_".join("".join(c if c.isalnum() else " " for c in text).split())


def named(asked: str) -> list[str]:
    """What --figure means."""
    found = figure_names(asked)
    if not found:
        names = [*FIGURES, *COMPARISONS]
        remedy = suggestion(asked, names, f"choose from {', '.join(names)}")
        raise ConfigError(f"--figure {asked}", "no such figure, or of a model or task that is not here", remedy)
    return found
