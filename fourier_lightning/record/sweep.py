"""A sweep's summary: mean and standard deviation over seeds, read from the records of its jobs."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.atomic import write_text
from fourier_lightning.directory import may_differ, settings_in, within
from fourier_lightning.markdown import code
from fourier_lightning.record.files import natural, tried
from fourier_lightning.record.runs import Run, read_run
from fourier_lightning.values import key_of

# What fits a terminal, by column; summary.json has every metric.
SHOWN = {"val/accuracy": "val/accuracy", "test/accuracy": "test/accuracy"}
SCORES = {"accuracy": "exact", "mod_10": "modulo 10", "within_10": "within 10"}
SHOWN_OF_FILTERS = {
    **{f"filter/{name}": words for name, words in SCORES.items()},
    **{f"filter/control_energy_{name}_mean": f"random directions of equal energy: {words}"
       for name, words in SCORES.items()},
    "filter/comparable": "comparable (1: yes)",
}  # fmt: skip
SEEDS = ("seed", "seeds_in_parallel")


def jobs(sweep_dir: str | Path) -> list[Run]:
    """Every job of a sweep, in the order of their numbers; one that ended before its record began is failed.

    A job of several seeds counts as one for each of them.
    """
    found = [path.parent for path in Path(sweep_dir).rglob(".hydra") if path.is_dir()]
    found = sorted((job for job in found if not tried(job)), key=natural)
    seeds = [sorted((path.parents[1] for path in job.glob("seed*/record/run.json")), key=natural) for job in found]
    return [read_run(one) for job, below in zip(found, seeds, strict=True) for one in below or [job]]


def summarise(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row for each arm: the runs whose settings differ in the seed alone.

    Returns:
        rows with ``settings``, ``seeds`` (finished), ``failed``, and mean and sample standard deviation of each
        metric that every finished run has (None for a single seed's deviation).
    """
    rows = []
    for settings, members in arms(runs):
        done = [run for run in members if run.status == "finished"]
        row: dict[str, Any] = {"settings": settings, "seeds": len(done), "failed": len(members) - len(done)}
        shared = set.intersection(*(set(run.metrics) for run in done)) if done else set()
        for name in sorted(shared):
            values = [run.metrics[name] for run in done]
            row[f"{name}/mean"] = statistics.fmean(values)
            row[f"{name}/std"] = statistics.stdev(values) if len(values) > 1 else None
        rows.append(row)
    return rows


def arms(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """Runs grouped by arm, each with the overrides that set it apart: "model=scratch", or "(all)".

    A sweep that was extended has an arm's runs from several commands, which need not name the same overrides: what
    counts are the settings. Runs without them are grouped by their overrides. So are runs of an arm and seed that the
    sweep has more than once: it is over settings that may differ elsewhere.
    """
    common = set.intersection(*(set(run.info["overrides"]) for run in runs)) if runs else set()

    def words(run: Run, left_out: Sequence[str] = SEEDS) -> str:
        own = [one for one in run.info["overrides"] if one not in common and not within(key_of(one), left_out)]
        return " ".join(own)

    groups: dict[str, dict[Run, Any]] = {}  # with the seeds
    for run in runs:
        settings = settings_in(run.dir) or {}
        free = (*may_differ(settings), *SEEDS)
        alike = {key: value for key, value in settings.items() if not within(key, free)}
        groups.setdefault(json.dumps(alike, sort_keys=True), {})[run] = settings.get("seed")
    found = []
    for members in groups.values():
        if len({*members.values()}) == len(members):
            free = may_differ(settings_in(next(iter(members)).dir) or {})
            found.append((max((words(run, (*free, *SEEDS)) for run in members), key=len), [*members]))
            continue
        named: dict[str, list[Run]] = {}
        for run in members:
            named.setdefault(words(run), []).append(run)
        found += named.items()
    return [(label or "(all)", members) for label, members in found]


def write_summary(sweep_dir: str | Path) -> list[dict[str, Any]]:
    """Write ``summary.json`` (all metrics) and ``summary.md`` into the sweep directory.

    Returns:
        the short rows, as the table shows them.
    """
    rows = summarise(jobs(sweep_dir))
    write_text(Path(sweep_dir) / "summary.json", json.dumps(rows, indent=2) + "\n")
    filtered = any("filter/accuracy/mean" in row for row in rows)
    shown = SHOWN_OF_FILTERS if filtered else SHOWN
    short = [
        {
            **{k: row[k] for k in ("settings", "seeds", "failed")},
            **{column: _mean_std(row, name) for name, column in shown.items()},
        }
        for row in rows
    ]
    shown_as_code = [{**row, "settings": code(row["settings"])} for row in short]
    write_text(Path(sweep_dir) / "summary.md", markdown_table(shown_as_code))
    return short


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
