"""Filters that were tried one by one or in a grid: the picture by cut-off, and the table."""

from collections.abc import Sequence
from typing import Any

from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.readings import cutoffs, words
from fourier_lightning.readings.seeds import finished, grouped
from fourier_lightning.record.runs import Run
from fourier_lightning.report.blocks import Block, DataTable, Plot

NOTE = (
    "Instrument filter_grid, all jobs of a model in one table, mean over seeds. Random directions of equal energy hold "
    "as much of what the modules write as the filter takes; ± is the standard deviation over their draws."
)


def blocks(runs: Sequence[Run], labels: Sequence[str]) -> list[Block]:
    """A picture for each of these labels, and a table of all; nothing where no filter was tried."""
    charts = {label: comparison("cutoffs", runs, [label]) for label in labels}
    found: list[Block] = [Plot(chart, f"{label}: by cut-off") for label, chart in charts.items() if chart]
    rows = table(runs)
    return [*found, DataTable(rows, NOTE, heading="Filters tried one by one")] if rows else found


def table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each filter of each label, mean over seeds, beside random directions of equal energy."""
    lines = []
    for label, members in grouped(finished(runs)).items():
        for grid in cutoffs.grids(members):
            for one in grid.outcomes:
                line = {"arm": label, "kept": one.kept, "in": words.MODULES[one.modules]}
                line["method"] = grid.method + ("" if one.found else ": no null space")
                line |= {"exact / modulo 10 / within 10, %": words.shares(one.found)}
                line |= {f"{cutoffs.CONTROL}, ± sd": words.shares(one.control, one.spread)}
                lines.append({**line, "not comparable": one.invalid, "seeds": one.seeds})
    return lines
