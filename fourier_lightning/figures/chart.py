"""A figure as data: what is plotted, with its axes and words, before anything draws it.

A function of this package returns a Chart, which a test can read; ``draw`` turns it into a matplotlib figure (files,
W&B), ``interactive`` into a plotly one (the report). Colours are Okabe and Ito's, which colour-blind readers can tell
apart; maps use viridis, or RdBu where zero is the middle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fourier_lightning.readings.paper import LABELLED

BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
GREY, BLACK = "#8C8C8C", "#222222"
ARM_COLOURS = {  # one colour an arm (its key), in every picture
    "scratch-pretrained-frozen": BLUE,
    "scratch": ORANGE,
    "scratch-pretrained-shuffled_rows-frozen": GREY,
    "fine_tuned": GREEN,
    "fine_tuned-frozen": SKY,
}
OTHERS = (PURPLE, YELLOW, BLACK, "#7F5539", "#4D908E", "#B5179E", "#606C38")


@dataclass(frozen=True)
class Line:
    """A curve; ``faint`` is for one seed beside the mean, ``dashed`` for a limit."""

    x: Sequence[float]
    y: Sequence[float]
    name: str
    colour: str = BLUE
    dashed: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Band:
    """A filled range, such as a standard deviation or a control's spread."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    name: str
    colour: str = GREY


@dataclass(frozen=True)
class Bars:
    """Bars at numeric places; the axis' ticks may name them. ``across``: lengths along x, places (``x``) along y."""

    x: Sequence[float]
    y: Sequence[float]
    name: str
    colour: str = BLUE
    width: float = 0.8
    error: Sequence[float] | None = None
    across: bool = False


@dataclass(frozen=True)
class Points:
    """Dots or stars, with words beside them or error bars if given; colliding words are left out.

    ``hover`` are words that the report shows of each point when it is pointed at.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str
    colour: str = BLACK
    text: Sequence[str] | None = None
    error: Sequence[float] | None = None
    size: float = 5
    star: bool = False
    hollow: bool = False
    hover: Sequence[str] | None = None


@dataclass(frozen=True)
class Heatmap:
    """Values z[row][column] at y[row], x[column]; ``diverging`` puts the colour map's middle at zero.

    ``limits`` are of the colours: the same in panels that are to be compared.
    """

    x: Sequence[float]
    y: Sequence[float]
    z: Sequence[Sequence[float]]
    unit: str
    diverging: bool = False
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Rule:
    """A straight line at a value of one axis: chance, the answer, the paper's number."""

    value: float
    name: str
    axis: Literal["x", "y"] = "y"
    colour: str = GREY


Mark = Line | Band | Bars | Points | Heatmap | Rule
Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Axis:
    """A label with its unit, and what differs from a plain linear axis.

    ``shared``: panels beside each other have the same ticks, and the first of a row names them for all.
    """

    label: str
    log: bool = False
    ticks: Ticks = ()
    limits: tuple[float, float] | None = None
    shared: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes. ``top`` are further ticks on the upper edge, for periods."""

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark]
    top: Ticks = ()


@dataclass(frozen=True)
class Chart:
    """A figure: panels in reading order, and a caption that says what is seen and what it is held against."""

    title: str
    panels: Sequence[Panel]
    caption: str
    columns: int = 1
    height: float = 3.2  # of a row of panels, inches
    width: float = 7.5
    ratios: Sequence[float] = ()  # heights of the rows beside each other; the same if empty

    @property
    def placed(self) -> list[Panel]:
        """The panels as they stand: in a row, only the first one names ticks that are shared."""
        unnamed = lambda axis: replace(axis, label="", ticks=[(at, "") for at, _ in axis.ticks])  # noqa: E731
        return [
            replace(panel, y=unnamed(panel.y)) if panel.y.shared and index % self.columns else panel
            for index, panel in enumerate(self.panels)
        ]


def period_ticks(p: int) -> Ticks:
    """Where the labelled periods lie on an axis of components k = p / T; off the grid, between two components."""
    return [(p / period, f"{period:.3g}") for period in LABELLED]


def component_axis(p: int) -> Axis:
    """The usual x axis of a spectrum."""
    return Axis(f"component k (period T = {p} / k numbers; above: T)")


def colours(labels: Sequence[str], arms: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each label.

    Args:
        labels: in order; each colour is given once, as long as there are some.
        arms: key of the arm that a label is of; such a label gets the arm's own colour, others the next free one.
    """
    chosen: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        own = ARM_COLOURS.get((arms or {}).get(label, ""))
        palette = [*([own] if own else []), *OTHERS, *ARM_COLOURS.values()]
        unused = [colour for colour in palette if colour not in chosen.values()]
        chosen[label] = (unused or palette)[0]
    return chosen
