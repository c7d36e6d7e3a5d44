"""Charts as matplotlib figures, for files and W&B."""

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Annotation

from fourier_lightning.figures.chart import Axis, Band, Bars, Chart, Heatmap, Line, Mark, Panel, Points, Rule

STYLE: dict[str, Any] = {"frameon": False, "fontsize": 8}


def draw(chart: Chart) -> Figure:
    """A matplotlib figure; no pyplot, so there is no display and nothing to close.

    Legend and caption stand below the panels, in a strip of their own. Words beside points never cover each other.
    """
    rows = -(-len(chart.panels) // chart.columns)
    caption = textwrap.wrap(chart.caption, int(16 * chart.width))
    names = legend_names(chart)
    columns = max(1, int(chart.width / (0.07 * max([10, *map(len, names)]) + 0.55)))  # inches: words, and their mark
    strip = 0.2 * -(-len(names) // columns) + 0.15 * len(caption) + 0.1
    height = chart.height * rows + 0.5
    figure = Figure(figsize=(chart.width, height + strip), layout="constrained")
    FigureCanvasAgg(figure)
    body, foot = figure.subfigures(2, 1, height_ratios=[height, strip])
    ratios = {"height_ratios": list(chart.ratios)} if chart.ratios else {}
    grid = body.subplots(rows, chart.columns, squeeze=False, **ratios).flatten()
    for axes, panel in zip(grid, chart.placed, strict=False):
        draw_panel(body, axes, panel)
    for axes in grid[len(chart.panels) :]:
        axes.remove()
    title = [line for part in chart.title.splitlines() for line in textwrap.wrap(part, int(12 * chart.width))]
    body.suptitle(plain("\n".join(title)), fontsize=10)
    if names:
        handles = [handle_of(grid, name) for name in names]
        foot.legend(handles, list(map(plain, names)), loc="upper left", ncols=columns, **STYLE)
    foot.text(0.01, 0.02, plain("\n".join(caption)), fontsize=7, color="#444444", va="bottom")
    keep_apart(figure, grid)
    return figure


def plain(text: str) -> str:
    """Text for matplotlib, which sets what stands between dollar signs as a formula: here they are dollar signs."""
    return text.replace("$", r"\$")


def labelled(name: str) -> str:
    """A mark's name as matplotlib's label: one that begins with "_" would be none."""
    return f" {name}"


def keep_apart(figure: Figure, grid: Iterable[Axes]) -> None:
    """Move words beside points off each other: above, below, right or left of their point, else out of sight."""
    if not any(axes.texts for axes in grid):
        return
    figure.draw_without_rendering()  # lays the panels out, so that words have a place
    figure.set_layout_engine("none")  # which stays: to lay them out again takes as long as to draw them
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for axes in grid:
        taken: list[Any] = []
        for word in (text for text in axes.texts if isinstance(text, Annotation)):
            for at, across, up in (((0, 4), "center", "bottom"), ((0, -4), "center", "top"),
                                   ((5, 0), "left", "center"), ((-5, 0), "right", "center")):  # fmt: skip
                word.set(ha=across, va=up)
                word.set_position(at)
                box = word.get_window_extent(renderer).padded(1)
                if not any(box.overlaps(other) for other in taken):
                    taken.append(box)
                    break
            else:
                word.set_visible(False)


def maps(chart: Chart) -> bool:
    """Whether it has heatmaps: what marks on them mean, the caption says."""
    return any(isinstance(mark, Heatmap) for panel in chart.panels for mark in panel.marks)


def legend_names(chart: Chart) -> list[str]:
    """Names for the legend below the panels."""
    marks = [mark for panel in chart.panels for mark in panel.marks]
    names = list(dict.fromkeys(mark.name for mark in marks if getattr(mark, "name", "") and not is_faint(mark)))
    return [] if maps(chart) else names


def is_faint(mark: Mark) -> bool:
    """Whether it is one seed beside its arm's mean, which stands in the legend."""
    return isinstance(mark, Line) and mark.faint


def handle_of(grid: Iterable[Axes], name: str) -> Any:
    """What a name looks like in the first panel that has it."""
    for axes in grid:
        handles, labels = axes.get_legend_handles_labels()
        if labelled(name) in labels:
            return handles[labels.index(labelled(name))]
    return None


def draw_panel(figure: SubFigure, axes: Axes, panel: Panel) -> None:
    """One set of axes."""
    for mark in panel.marks:
        draw_mark(figure, axes, mark)
    if any(isinstance(mark, Points) and mark.text for mark in panel.marks):
        axes.margins(y=0.14)  # room for the words above the highest point
    set_axis(axes, "x", panel.x)
    set_axis(axes, "y", panel.y)
    if panel.title:
        axes.set_title(plain(panel.title), fontsize=9)
    if panel.top:
        top = axes.secondary_xaxis("top")
        top.set_xticks([x for x, _ in panel.top], [plain(text) for _, text in panel.top], fontsize=7)
        top.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)


def set_axis(axes: Axes, which: str, axis: Axis) -> None:
    """Label, scale, ticks and limits of one axis."""
    axes.set(**{f"{which}label": plain(axis.label)})
    if axis.log:
        axes.set(**{f"{which}scale": "log"})
    if axis.ticks:
        words = [plain(text) for _, text in axis.ticks]
        getattr(axes, f"set_{which}ticks")([x for x, _ in axis.ticks], words, fontsize=8)
        axes.minorticks_off()
    if axis.limits:
        axes.set(**{f"{which}lim": axis.limits})


def draw_mark(figure: SubFigure, axes: Axes, mark: Mark) -> None:
    """One mark; a name is shown in the legend once."""
    shown = getattr(mark, "name", "")
    label = labelled(shown) if shown and labelled(shown) not in axes.get_legend_handles_labels()[1] else None
    match mark:
        case Line(x, y, _, colour, dashed, faint):
            axes.plot(x, y, color=colour, linestyle="--" if dashed else "-", label=None if faint else label,
                      linewidth=0.7 if faint else 1.4, alpha=0.35 if faint else 1)  # fmt: skip
        case Band(x, low, high, _, colour):
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0, label=label)
        case Bars(x, y, _, colour, width, error, True):
            axes.barh(x, y, height=width, color=colour, label=label, xerr=error, error_kw={"linewidth": 1})
        case Bars(x, y, _, colour, width, error):
            axes.bar(x, y, width=width, color=colour, label=label, yerr=error, error_kw={"linewidth": 1})
        case Points(x, y, _, colour, text, error, size, star, hollow):
            inside = {"markerfacecolor": "white", "markeredgewidth": 1} if hollow else {"markeredgewidth": 0}
            axes.errorbar(x, y, yerr=error, fmt="*" if star else "o", color=colour, markersize=size, label=label,
                          linewidth=1, capsize=2, zorder=3, **inside)  # fmt: skip
            for at, word in enumerate(text or ()):
                axes.annotate(
                    plain(word), (x[at], y[at]), xytext=(0, 4), textcoords="offset points", fontsize=7, ha="center"
                )
        case Heatmap(x, y, z, unit, diverging, scale):
            values = np.asarray(z)
            reach = float(np.abs(values).max()) if values.size else 1.0
            low, high = scale or ((-reach, reach) if diverging else (None, None))
            limits = {"cmap": "RdBu_r" if diverging else "viridis", "vmin": low, "vmax": high}
            extent = (x[0] - 0.5, x[-1] + 0.5, y[-1] + 0.5, y[0] - 0.5)
            image = axes.imshow(values, aspect="auto", interpolation="nearest", extent=extent, **limits)
            figure.colorbar(image, ax=axes, label=plain(unit))
            axes.set_yticks(list(y))
        case Rule(value, _, axis, colour):
            line = axes.axhline if axis == "y" else axes.axvline
            line(value, color=colour, linestyle=":", linewidth=1.2, label=label)
