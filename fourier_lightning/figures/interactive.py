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
WIDE, NARROW = 110, 46  # letters in a line of a title across the whole width


def interactive(chart: Chart, letters: int = WIDE) -> go.Figure:
    """A plotly figure of the chart, as wide as its place; marks of one name share a legend entry."""
    rows = max(1, -(-len(chart.panels) // chart.columns))  # a record may have nothing to draw
    words = any(panel.x.label for panel in chart.panels)  # below a panel
    row_height = DPI * (chart.height + (0.7 if words else 0.45))
    ratios = {"row_heights": list(chart.ratios)} if chart.ratios else {}
    figure = make_subplots(
        rows,
        chart.columns,
        **ratios,
        horizontal_spacing=0.2 / chart.columns + 0.01,
        vertical_spacing=min(0.5, (100 if words else 60) / (rows * row_height)),
    )
    named: set[str] = set()
    for index, panel in enumerate(chart.panels):
        place = {"row": index // chart.columns + 1, "col": index % chart.columns + 1}
        axis = "" if index == 0 else str(index + 1)
        for mark in panel.marks:
            add(figure, mark, place, named, axis)
        figure.update_xaxes(axis_settings(panel.x), **place)
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
                text=plain(panel.title, letters // chart.columns),
            )
    figure.update_layout(
        height=round(row_height * rows + 60),
        margin={"l": 60, "r": 20, "t": 46, "b": 50},
        legend={"orientation": "h", "yanchor": "top", "y": -(75 if words else 30) / (row_height * rows)},
        barmode="overlay",
        hovermode="closest",
    )
    return figure


def axis_settings(axis: Axis) -> dict[str, Any]:
    """Plotly's words for an axis."""
    settings: dict[str, Any] = {"title": {"text": plain(axis.label), "font": {"size": 12}}}
    if axis.log:
        settings |= {"type": "log", "exponentformat": "power", "nticks": 6}
    if axis.ticks:
        settings |= {"tickvals": [x for x, _ in axis.ticks], "ticktext": [plain(text) for _, text in axis.ticks]}
    if axis.limits:
        settings["range"] = list(axis.limits)
    return settings


def plain(text: str, letters: int = 0) -> str:
    """Text for plotly, which reads some HTML: nothing in a name is a tag. Lines of so many letters, if given."""
    lines = [part for line in text.split("\n") for part in (textwrap.wrap(line, letters) if letters else [line])]
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def short(values: Any) -> np.ndarray:
    """Single precision, which plotly writes as bytes: a map of a thousand numbers takes 5 kB."""
    return np.asarray(values, dtype=np.float32)


def add(figure: go.Figure, mark: Mark, place: dict[str, int], named: set[str], axis: str) -> None:
    """Add one mark to a panel."""
    name = getattr(mark, "name", "")
    faint = isinstance(mark, Line) and mark.faint
    entry = {"name": plain(name), "legendgroup": name, "showlegend": bool(name) and name not in named and not faint}
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
                {"annotation_text": plain(name), "annotation_font_size": 10}
                if name and name not in named - {name}
                else {}
            )
            (figure.add_hline if which == "y" else figure.add_vline)(value, line=line, **note, **place)
