"""The report: one HTML file with no link outside, from any set of records."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.interactive import NARROW, interactive
from fourier_lightning.readings.seeds import lettered
from fourier_lightning.record.runs import Run, by_label
from fourier_lightning.record.writer import git_revision
from fourier_lightning.report.sections import all_sections


def build(runs: Sequence[Run], title: str = "fourier_lightning: how these models add") -> str:
    """The page as HTML.

    Args:
        runs: of ``record.runs.find_runs``, in any state.
        title: of the page.
    """
    runs, full = lettered(runs)
    verdicts = [verdict for claim in CLAIMS for verdict in judge(claim, runs)]
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    states = {state: sum(run.status == state for run in runs) for state in dict.fromkeys(run.status for run in runs)}
    return templates.get_template("page.html.j2").render(
        title=title,
        sections=all_sections(runs, verdicts, full),
        plotly=get_plotlyjs(),
        plot_json=plot_json,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        revision=(git_revision() or "a package without a checkout")[:12],
        counted=f"{len(runs)} runs of {len(by_label(runs))} arms: "
        + ", ".join(f"{count} {state}" for state, count in states.items()),
    )


def plot_json(chart: Chart) -> str:
    """A chart for the page's script, with a second layout for a phone: all panels below each other.

    No "<" is left: "</script" would end the element that it stands in, and "<!--" would hide where that ends.
    """
    wide, narrow = interactive(chart), interactive(replace(chart, columns=1), NARROW)
    for figure in (wide, narrow):
        figure.layout.template = None  # seven kilobytes a plot; the page sets the few settings that it needs
    layout = narrow.layout.to_plotly_json()
    bars = [trace.colorbar.to_plotly_json() if "colorbar" in trace else None for trace in narrow.data]
    found = {**json.loads(wide.to_json()), "narrow": {"layout": layout, "bars": bars}}
    return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
