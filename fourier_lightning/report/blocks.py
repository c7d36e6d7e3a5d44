"""What a report is made of: titled sections of answers, tables, plots and notices."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fourier_lightning.figures.chart import Chart


@dataclass(frozen=True)
class Answers:
    """The first screen: questions, each with its answers beside a picture; HTML, so escape what comes from outside."""

    items: Sequence[tuple[str, Sequence[str]]]
    chart: Chart | None = None

    kind = "answers"


@dataclass(frozen=True)
class Notice:
    """Something that is missing or went wrong, in plain text."""

    text: str

    kind = "notice"


@dataclass(frozen=True)
class DataTable:
    """Rows with the same keys, behind their heading if folded.

    Attributes:
        code: columns that are commands or settings.
        long: columns whose longer cells open on a click.
    """

    rows: Sequence[dict[str, Any]]
    caption: str = ""
    code: Sequence[str] = ()
    long: Sequence[str] = ()
    heading: str = ""
    folded: bool = False

    kind = "table"

    @property
    def columns(self) -> list[str]:
        """Headers."""
        return list(self.rows[0]) if self.rows else []


@dataclass(frozen=True)
class Plot:
    """A chart; folded ones are drawn when they are opened."""

    chart: Chart
    heading: str = ""
    folded: bool = False

    kind = "plot"


Block = Answers | Notice | DataTable | Plot


@dataclass(frozen=True)
class Section:
    """A part of the report with a place in its table of contents."""

    name: str
    title: str
    intro: str
    blocks: list[Block] = field(default_factory=list)


def escape(text: Any) -> str:
    """Plain text as HTML."""
    return html.escape(str(text))
