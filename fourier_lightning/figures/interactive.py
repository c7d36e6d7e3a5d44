"""Charts as plotly figures, for the report: hover, zoom, and a legend that switches arms on and off."""

import html
import math
import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fourier_lightning.figures.chart import Axis, Band, Bars, Chart, Heatmap, Line, Mark, Points, Rule

DPI = 96
WIDE, NARROW = 1160, 330  # pixels: of the report's page, and of a phone's
LETTER, LINE = 6.6, 14  # pixels of a tick's words
UPRIGHT = 160  # pixels at most for words that stand upright
TITLE = 24  # pixels above or below a panel for the words there


def interactive(chart: Chart, width: int = WIDE) -> go.Figure:
    """A plotly figure of the chart, as wide as its place; marks of one name share a legend entry.

    Args:
        chart: what is drawn.
        width: of the place, about, in pixels: what is written must not run into the next panel.
    """
    panels = chart.placed
    rows = max(1, -(-len(panels) // chart.columns))  # a record may have nothing to draw
    maps = any(isinstance(mark, Heatmap) for panel in panels for mark in panel.marks)
    share = 0.8 * width / chart.columns  # of a panel, between the words on its sides
    below = max((room(panel.x, share) for panel in panels), default=0.0)
    between = below + max((TITLE * bool(panel.title) + LINE * bool(panel.top) for panel in panels), default=0.0) + 12
    inner = rows * DPI * chart.height + (rows - 1) * between
    ratios = {"row_heights": list(chart.ratios)} if chart.ratios else {}
    figure = make_subplots(
        rows,
        chart.columns,
        **ratios,
        horizontal_spacing=(0.32 if maps else 0.2) / chart.columns + 0.01,  # maps have a scale beside them
        vertical_spacing=between / inner if rows > 1 else 0,
    )
    named: set[str] = set()
    for index, panel in enumerate(panels):
        place = {"row": index // chart.columns + 1, "col": index % chart.columns + 1}
        axis = "" if index == 0 else str(index + 1)
        for mark in panel.marks:
            add(figure, mark, place, named, axis)
        upright = {} if fits(panel.x, share) else {"tickangle": -90}
        figure.update_xaxes(axis_settings(panel.x) | upright, **place)
        figure.update_yaxes(axis_settings(panel.y), **place)
        if any(isinstance(mark, Heatmap) for mark in panel.marks) and not panel.y.limits:
            figure.update_yaxes({"autorange": "reversed", "dtick": 1}, **place)
        within = {"xref": f"x{axis}", "yref": f"y{axis} domain", "showarrow": False, "yanchor": "bottom", "y": 1}
        for x, text in panel.top:
            at = math.log10(x) if panel.x.log else x
            figure.add_annotation(**within, x=at, text=plain(text), font={"size": 9})
        if panel.title:
            lifted = 16 if panel.top else 2
            figure.add_annotation(
                **within | {"xref": f"x{axis} domain"},
                x=0.5,
                yshift=lifted,
                font={"size": 13},
                text=plain(panel.title, int(width / chart.columns / 8)),
            )
    figure.update_layout(
        height=round(inner + 46 + below + 40),
        margin={"l": 60, "r": 20, "t": 46, "b": round(below) + 10},
        legend={"orientation": "h", "yanchor": "top", "y": -(below + 10) / inner},
        barmode="overlay",
        hovermode="closest",
    )
    return figure


def longest(axis: Axis) -> int:
    """Letters in the longest line of an axis' ticks."""
    return max((len(line) for _, text in axis.ticks for line in text.split("\n")), default=0)


def fits(axis: Axis, width: float) -> bool:
    """Whether the words of an axis' ticks stand beside each other on so many pixels; else they stand upright."""
    return LETTER * longest(axis) * len(axis.ticks) <= width


def room(axis: Axis, width: float) -> float:
    """Pixels below a panel that the words of its x axis take."""
    lines = max((text.count("\n") + 1 for _, text in axis.ticks), default=1)
    ticks = LINE * lines + 6 if fits(axis, width) else min(LETTER * longest(axis), UPRIGHT) + 10
    return ticks + TITLE * bool(axis.label)


def axis_settings(axis: Axis) -> dict[str, Any]:
    """Plotly's words for an axis; what its ticks are called says enough where panels share them."""
    settings: dict[str, Any] = {"title": {"text": plain("" if axis.shared else axis.label), "font": {"size": 12}}}
    if axis.log:
        settings |= {"type": "log", "exponentformat": "power", "nticks": 6}
    if axis.ticks:
        settings |= {"tickvals": [x for x, _ in axis.ticks], "ticktext": [plain(text) for _, text in axis.ticks]}
    if axis.limits:
        settings["range"] = list(axis.limits)
    return settings


def plain(text: str, letters: int = 0) -> str:
    """Text for plotly, which reads some HTML, and formulas between dollar signs: nothing in a name is either.

    Lines of so many letters, if given.
    """
    lines = [part for line in text.split("\n") for part in (textwrap.wrap(line, letters) if letters else [line])]
    return "<br>".join(html.escape(line, quote=False).replace("$", "&#36;") for line in lines)


def short(values: Any) -> np.ndarray:
    """Single precision, which plotly writes as bytes: a map of a thousand numbers takes 5 kB."""
    return np.asarray(values, dtype=np.float32)


def add(figure: go.Figure, mark: Mark, place: dict[str, int], named: set[str], axis: str) -> None:
    """Add one mark to a panel."""
    name = getattr(mark, "name", "")
    faint = isinstance(mark, Line) and mark.faint
    entry = {
        "name": plain(name),
        "legendgroup": plain(name),
        "showlegend": bool(name) and name not in named and not faint,
    }
    if not faint:
        named.add(name)
    match mark:
        case Line(x, y, _, colour, dashed, _):
            line = {"color": colour, "width": 1 if faint else 2, "dash": "dash" if dashed else "solid"}
            look = {"mode": "lines", "line": line, "opacity": 0.35 if faint else 1.0}
            figure.add_scatter(x=short(x), y=short(y), **look, **entry, **place)
        case Band(x, low, high, _, colour):
            outline = [*x, *reversed(list(x))], [*high, *reversed(list(low))]
            look = {"fill": "toself", "mode": "lines", "line": {"width": 0}, "fillcolor": colour, "opacity": 0.2}
            figure.add_scatter(x=outline[0], y=outline[1], hoverinfo="skip", **look, **entry, **place)
        case Bars(x, y, _, colour, width, error, across):
            spread = {"type": "data", "array": short(error)} if error is not None else None
            ends = {"x": short(y), "y": short(x), "orientation": "h", "error_x": spread} if across else {
                "x": short(x), "y": short(y), "error_y": spread}  # fmt: skip
            figure.add_bar(**ends, width=width, marker={"color": colour}, **entry, **place)
        case Points(x, y, _, colour, text, error, size, star, hollow, hover):
            spread = {"type": "data", "array": short(error)} if error is not None else None
            symbol = ("star" if star else "circle") + ("-open" if hollow else "")
            look = {
                "mode": "markers+text" if text else "markers",
                "marker": {"color": colour, "size": size + 1, "symbol": symbol},
                "hovertext": None if hover is None else [plain(word) for word in hover],
            }
            words = (
                {"text": [plain(word) for word in text], "textposition": "top center", "textfont": {"size": 9}}
                if text
                else {}
            )
            figure.add_scatter(x=short(x), y=short(y), error_y=spread, **look, **words, **entry, **place)
        case Heatmap(x, y, z, unit, diverging, scale):
            domain_x, domain_y = (figure.layout[f"{which}axis{axis}"].domain for which in "xy")
            bar = {"title": {"text": plain(unit), "side": "right", "font": {"size": 11}}, "thickness": 10,
                   "x": domain_x[1] + 0.005, "y": sum(domain_y) / 2, "len": domain_y[1] - domain_y[0]}  # fmt: skip
            look = {"colorscale": "RdBu_r", "zmid": 0} if diverging else {"colorscale": "Viridis"}
            look |= {"zmin": scale[0], "zmax": scale[1]} if scale else {}
            figure.add_heatmap(x=short(x), y=short(y), z=short(z), colorbar=bar, **look, **place)
        case Rule(value, _, which, colour):
            line = {"color": colour, "width": 1.5, "dash": "dot"}
            note = (
                {
                    "annotation_text": plain(name),
                    "annotation_font_size": 10,
                    "annotation_bgcolor": "rgba(255,255,255,.75)",
                }
                if name and name not in named - {name}
                else {}
            )
            (figure.add_hline if which == "y" else figure.add_vline)(value, line=line, **note, **place)
