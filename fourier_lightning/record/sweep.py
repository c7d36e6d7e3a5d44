"""A sweep's summary: mean and standard deviation over seeds, read from the records of its jobs."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.atomic import write_text
from fourier_lightning.markdown import code
from fourier_lightning.record.files import natural
from fourier_lightning.record.runs import Run, read_run

# What fits a terminal; summary.json has every metric.
SHOWN = ("val/accuracy", "test/accuracy")
SHOWN_OF_FILTERS = ("filter/accuracy", "filter/control_accuracy_mean")


def jobs(sweep_dir: str | Path) -> list[Run]:
    """Every job of a sweep, in the order of their numbers; one that ended before its record began is failed.

    A job of several seeds counts as one for each of them.
    """
    found = [job for job in sorted(Path(sweep_dir).iterdir(), key=natural) if (job / ".hydra").is_dir()]
    seeds = [sorted((path.parents[1] for path in job.glob("seed*/record/run.json")), key=natural) for job in found]
    return [read_run(one) for job, below in zip(found, seeds, strict=True) for one in below or [job]]


def summarise(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row for each combination of the overrides that differ between jobs, other than the seed.

    Returns:
        rows with ``settings``, ``seeds`` (finished), ``failed``, and mean and sample standard deviation of each
        metric that every finished run has (None for a single seed's deviation).
    """
    common = set.intersection(*(set(run.info["overrides"]) for run in runs)) if runs else set()
    groups: dict[str, list[Run]] = {}
    for run in runs:
        settings = " ".join(o for o in run.info["overrides"] if o not in common and not o.startswith("seed="))
        groups.setdefault(settings or "(all)", []).append(run)
    rows = []
    for settings, members in groups.items():
        done = [run for run in members if run.status == "finished"]
        row: dict[str, Any] = {"settings": settings, "seeds": len(done), "failed": len(members) - len(done)}
        shared = set.intersection(*(set(run.metrics) for run in done)) if done else set()
        for name in sorted(shared):
            values = [run.metrics[name] for run in done]
            row[f"{name}/mean"] = statistics.fmean(values)
            row[f"{name}/std"] = statistics.stdev(values) if len(values) > 1 else None
        rows.append(row)
    return rows


def write_summary(sweep_dir: str | Path) -> list[dict[str, Any]]:
    """Write ``summary.json`` (all metrics) and ``summary.md`` into the sweep directory.

    Returns:
        the short rows, as the table shows them.
    """
    rows = summarise(jobs(sweep_dir))
    write_text(Path(sweep_dir) / "summary.json", json.dumps(rows, indent=2) + "\n")
    filtered = any(f"{SHOWN_OF_FILTERS[0]}/mean" in row for row in rows)
    shown = SHOWN_OF_FILTERS if filtered else SHOWN
    short = [
        {
            **{k: row[k] for k in ("settings", "seeds", "failed")},
            **{short_name(name): _mean_std(row, name) for name in shown},
        }
        for row in rows
    ]
    shown_as_code = [{**row, "settings": code(row["settings"])} for row in short]
    write_text(Path(sweep_dir) / "summary.md", markdown_table(shown_as_code))
    return short


def short_name(name: str) -> str:
    """A metric's name in a narrow column: "control_accuracy" for "filter/control_accuracy_mean"."""
    return name.removeprefix("filter/").removesuffix("_mean")


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table; their texts are Markdown already."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _mean_std(row: dict[str, Any], name: str) -> str:
    mean, std = row.get(f"{name}/mean"), row.get(f"{name}/std")
    if mean is None:
        return "-"
    return f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"
