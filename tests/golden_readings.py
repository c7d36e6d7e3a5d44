"""Every reading of the committed records, as plain values: tests hold them against tests/golden/readings.json.

    python -m tests.golden_readings         (write that file anew, after a change of readings that is meant)

Numbers have six significant digits. Of more than twelve numbers in a row the count, the mean, a mean weighted by
place and the first three are kept: enough to see that one of them changed.
"""

import io
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import markdown
from fourier_lightning.claims.verdict import judge
from fourier_lightning.console import print_findings
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import COMPARISONS, comparison
from fourier_lightning.mirror.charts import CHARTS
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.report.blocks import Plot
from fourier_lightning.report.sections import all_sections
from fourier_lightning.terminal import terminal
from tests.committed import write_dissected, write_trained

GOLDEN = Path(__file__).parent / "golden" / "readings.json"
MOST = 12
UNSTABLE = ("5b",)  # t-SNE: other places on another machine


def readings(dissected: Path, trained: Path) -> dict[str, Any]:
    """Every reading of the two sets of records, by name."""
    found: dict[str, Any] = {}
    for name, top in (("dissected", dissected), ("trained", trained)):
        runs = find_runs([top])
        found |= {f"{name}/{key}": plain(value) for key, value in (*of_each(runs), *of_all(runs))}
    return found


def of_each(runs: Sequence[Run]) -> Iterator[tuple[str, Any]]:
    """Readings of runs one by one: figures, W&B's charts, the console's lines."""
    for run in runs:
        whose = run.dir.name
        for name, spec in FIGURES.items():
            if name not in UNSTABLE and run.has(spec.tables, spec.arrays):
                yield f"{whose}/figure {name}", spec.make(run)
        for name, chart in CHARTS.items():
            if all(run.has([s[7:]]) if s.startswith("tables/") else run.has(arrays=[s[7:]]) for s in chart.sources):
                yield f"{whose}/chart {name}", [list(column) for column in zip(*chart.rows(run), strict=True)]
        lines = io.StringIO()
        print_findings(terminal(file=lines, width=500), run)
        yield f"{whose}/console", lines.getvalue().splitlines()


def of_all(runs: Sequence[Run]) -> Iterator[tuple[str, Any]]:
    """Readings of runs together: comparisons, the ledger and the report."""
    for name in COMPARISONS:
        yield f"figure {name}", comparison(name, runs)
    verdicts = [verdict for claim in CLAIMS for verdict in judge(claim, runs)]
    for verdict in verdicts:
        if verdict.outcome != "not measured":
            yield f"verdict {verdict.claim}, {verdict.model}", verdict
    yield "ledger", markdown(verdicts).splitlines()[-1]
    for section in all_sections(runs, verdicts):
        if section.name not in ("claims", "runs"):
            yield f"report {section.name}", section.blocks


def plain(value: Any) -> Any:
    """As JSON: dataclasses as their fields, without those that are empty; long rows of numbers as their digest."""
    if isinstance(value, Plot):  # its chart is there already
        return f"plot: {value.heading}"
    if isinstance(value, Chart):
        return {"title": value.title, "caption": value.caption, "panels": plain(value.panels)}
    if is_dataclass(value):
        items = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {key: item for key, item in items.items() if item not in (None, "", [], False)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.ravel().tolist())
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Sequence):
        items = [plain(item) for item in value]
        numbers = len(items) > MOST and all(isinstance(item, int | float) for item in items)
        return digest(np.array(items, dtype=float)) if numbers else items
    return rounded(float(value))


def digest(values: np.ndarray) -> list[Any]:
    """Count, mean, mean weighted by place, and the first three."""
    places = np.linspace(1, 2, len(values))
    return [f"{len(values)} numbers", *map(rounded, (values.mean(), (values * places).mean(), *values[:3]))]


def rounded(value: float) -> float | int:
    """Six significant digits."""
    short = float(f"{value:.6g}") + 0.0  # no minus zero
    return int(short) if short.is_integer() and abs(short) < 1e6 else short


def different(golden: Any, found: Any, where: str = "") -> Iterator[str]:
    """Where two plain values differ by more than rounding."""
    if isinstance(golden, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*golden, *found]):
            yield from different(golden.get(key, "nothing"), found.get(key, "nothing"), f"{where}/{key}")
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for index, (one, other) in enumerate(zip(golden, found, strict=True)):
            yield from different(one, other, f"{where}/{index}")
    elif isinstance(golden, int | float) and isinstance(found, int | float):
        if not (golden == found or math.isclose(golden, found, rel_tol=2e-5, abs_tol=1e-7)):
            yield f"{where}: {golden} became {found}"
    elif golden != found:
        yield f"{where}: {golden!r} became {found!r}"


def main() -> None:
    """Write the file, a reading a line."""
    with tempfile.TemporaryDirectory() as top:
        found = readings(write_dissected(Path(top) / "dissected"), write_trained(Path(top) / "trained"))
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(found)} readings in {GOLDEN}")


if __name__ == "__main__":
    main()
