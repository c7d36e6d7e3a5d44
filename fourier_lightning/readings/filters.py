"""What is left of a model under filters: the rows of Table 1, where their errors go, single waves kept or removed.

The one place that picks a row of Table 1. A comparison is by one method: the paper's ``projection`` where the record
has it for every filtered row and it takes little else along, else ``readout``, which exists at every width and in a
stream wider than the number line takes the waves and nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.record.runs import Run

Row = dict[str, Any]
METHODS = ("readout", "projection")
ADDS = 0.5  # an arm below this accuracy does not add: what breaks it says nothing
HARMLESS = 0.95  # of the unfiltered accuracy
LOST = 0.05  # share of the other waves' power that a projection may take along
LEVEL = 0.05  # of a knock-out: corrected for all components, against the largest of as many random ones


def method_in(*tables: Sequence[Row]) -> str:
    """The method by which runs are compared, from their rows of ``filter_ablation``."""
    filtered = [key for key in TABLE_1 if key[1] != "none"]
    fair = [[r for r in rows if r["method"] == "projection" and not r["refused"] and (r.get("lost") or 0) <= LOST]
            for rows in tables]  # fmt: skip
    made = [{(r["modules"], r["removed"]) for r in rows} for rows in fair]
    return "projection" if made and all(keys.issuperset(filtered) for keys in made) else "readout"


def method_of(*runs: Run) -> str:
    """The method by which runs are compared: ``projection`` if all have all of its rows, and fair, else ``readout``."""
    return method_in(*(run.table("filter_ablation") for run in runs))


def by_method(rows: Sequence[Row], method: str) -> dict[tuple[str, str], Row]:
    """Rows of Table 1 by (modules, removed), in the paper's order; without those that the method was refused for."""
    mine = [row for row in rows if row["method"] == method or row["removed"] == "none"]
    made = {(row["modules"], row["removed"]): row for row in mine if not row["refused"]}
    return {key: made[key] for key in TABLE_1 if key in made}


def table_1(run: Run, method: str | None = None) -> dict[tuple[str, str], Row]:
    """A run's rows of Table 1 by (modules, removed), by its method or by the one that a comparison asks for."""
    return by_method(run.table("filter_ablation"), method or method_of(run))


def tables(run: Run) -> dict[str, list[Row]]:
    """A run's rows of Table 1 by each method."""
    return {method: list(table_1(run, method).values()) for method in METHODS}


def row_of(run: Run, modules: str, removed: str) -> Row | None:
    """A row of Table 1 by the run's method; None where the record lacks it."""
    return table_1(run).get((modules, removed))


def rows_of(run: Run, path: str) -> dict[tuple[str, str], Row]:
    """Rows of Table 1 by (modules, removed): filtered in the "flow", or on the "direct" path to the logits alone."""
    if path == "flow":
        return table_1(run)
    return {(row["modules"], row["removed"]): row for row in run.table("direct_path") if row["period"] is None}


def errors_of(run: Run, modules: str, removed: str) -> list[Row]:
    """The histogram of errors under a filter of Table 1, by the run's method: rows with ``error`` and ``count``."""
    rows = [r for r in run.table("error_histogram") if (r["modules"], r["removed"]) == (modules, removed)]
    return rows if removed == "none" else [row for row in rows if row["method"] == method_of(run)]


def measured_once(runs: Sequence[Run]) -> list[Run]:
    """One run a seed, of those with an ablation table."""
    return list({run.seed: run for run in runs if run.table("filter_ablation")}.values())


def table_1_means(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """The seven rows by each method, means over seeds: what report and committed results print.

    Args:
        tables: rows of ``filter_ablation``, one table a seed.

    Returns:
        modules, removed, method, rank; loss, accuracy, mod_10, within_10, left, lost (None where no seed's filter
        could be made), energy (None in early records); control_accuracy with random filters of equal rank and
        control_energy_accuracy of equal energy, the largest deviation of each within a seed, control_loss (None without
        draws).
    """
    found = [row for table in tables for row in table]
    lines = []
    for key in TABLE_1:
        for method in METHODS:
            rows = [r for r in found if (r["modules"], r["removed"], r["method"]) == (*key, method)]
            if not rows:
                continue
            made = [row for row in rows if row["refused"] is None]
            drawn = [row for row in made if row["control_draws"]]
            line = {"modules": key[0], "removed": key[1], "method": method, "rank": rows[0]["rank"]}
            for name in ("loss", "accuracy", "mod_10", "within_10", "left", "lost"):
                line[name] = mean([row[name] for row in made])
                line[f"{name}_seeds"] = [row[name] for row in made]
            line["control_loss"] = mean([row["control_loss_mean"] for row in drawn])
            for kind in ("control", "control_energy"):
                shown = [row for row in drawn if row.get(f"{kind}_accuracy_mean") is not None]
                line[f"{kind}_accuracy"] = mean([row[f"{kind}_accuracy_mean"] for row in shown])
                spreads = [row[f"{kind}_accuracy_std"] or 0 for row in shown]
                line[f"{kind}_deviation"] = max(spreads, default=None)
            line["energy"] = mean([row["energy"] for row in made if row.get("energy") is not None])
            lines.append(line)
    return lines


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return float(np.mean(values)) if values else None


def same(a: float | None, b: float) -> bool:
    """Whether two periods are one."""
    return a is not None and abs(a - b) < 1e-6 * b


def waves_kept(run: Run, metric: str) -> list[Row]:
    """Rows of ``single_component`` that have this metric: one wave kept in all modules."""
    return [row for row in run.table("single_component") if row[metric] is not None]


def wave_errors(run: Run, period: float | None = None) -> tuple[float | None, list[Row]]:
    """The histogram of errors with one wave kept, the longest if none is named, and its period."""
    rows = run.table("single_component_errors")
    period = max((row["period"] for row in rows), default=None) if period is None else period
    return period, [] if period is None else [row for row in rows if same(row["period"], period)]


def kept_row(run: Run, period: float, path: str) -> Row | None:
    """The row of one wave kept in all modules: in the "flow", or on the "direct" path."""
    if path == "flow":
        return next((row for row in run.table("single_component") if same(row["period"], period)), None)
    return next((row for row in run.table("direct_path") if kept_alone(row, period)), None)


def kept_errors(run: Run, period: float, path: str) -> list[Row]:
    """The histogram of errors with it."""
    if path == "flow":
        return wave_errors(run, period)[1]
    return [row for row in run.table("direct_errors") if kept_alone(row, period)]


def kept_alone(row: Row, period: float) -> bool:
    """Whether a row of the direct path is about one wave kept in attention and MLPs."""
    return (row["modules"], row["removed"]) == ("attn_mlp", "all but period") and same(row["period"], period)


def costliest(run: Run, count: int = 5) -> list[Row] | None:
    """The single waves whose removal costs most, where it costs more than the worst of as many random directions.

    None where that was not measured (early records have no ``p_value``, and knocked out by a method beside whose
    controls long waves hardly stand out), or of a model that does not add.
    """
    rows = [row for row in run.table("knock_out") if "p_value" in row]
    if not rows or not adds(run):
        return None
    return [row for row in sorted(rows, key=lambda row: -row["loss_increase"]) if row["p_value"] <= LEVEL][:count]


def adds(run: Run) -> bool:
    """Whether a model adds at all, on the validation split."""
    return run.metrics.get("val/accuracy", 0.0) >= ADDS
