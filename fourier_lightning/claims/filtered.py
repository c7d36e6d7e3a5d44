"""Measures of filtered models: Table 1, single waves, and where their errors go."""

from collections.abc import Callable, Sequence
from typing import Any

from fourier_lightning.claims.measures import Measure, Measured, same
from fourier_lightning.tracking.runs import Run


def ablation_row(run: Run, modules: str, removed: str) -> dict[str, Any] | None:
    """The row of Table 1 by the paper's projection where it exists, else by readout."""
    rows = [row for row in run.table("filter_ablation") if (row["modules"], row["removed"]) == (modules, removed)]
    rows = sorted((row for row in rows if not row["refused"]), key=lambda row: row["method"] != "projection")
    return rows[0] if rows else None


def kept_accuracy(modules: str, removed: str) -> Measure:
    """Accuracy under a filter as a share of the unfiltered one, and that of random filters of equal rank (Table 1)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        intact, row = ablation_row(run, "none", "none"), ablation_row(run, modules, removed)
        if not intact or not row or not intact["accuracy"]:
            return None
        control = row["control_accuracy_mean"]
        detail = f"{row['method']}, {row['accuracy']:.2%} of {intact['accuracy']:.2%}; loss {row['loss']:.2f}"
        return Measured(row["accuracy"] / intact["accuracy"],
                        None if control is None else control / intact["accuracy"], detail=detail)  # fmt: skip

    return measure


def division_of_labour(run: Run, peers: Sequence[Run]) -> Measured | None:
    """The less of: what low waves are worth more in MLPs than in attention, high waves in attention than in MLPs."""
    rows = {
        key: ablation_row(run, *key)
        for key in (("attn", "low"), ("mlp", "low"), ("attn", "high"), ("mlp", "high"))
    }  # fmt: skip
    if any(row is None for row in rows.values()):
        return None

    def less(name: str) -> float | None:
        values = {key: row[name] for key, row in rows.items() if row}
        if any(value is None for value in values.values()):
            return None
        low = values["attn", "low"] - values["mlp", "low"]
        return float(min(low, values["mlp", "high"] - values["attn", "high"]))

    low, high = (
        rows["attn", "low"]["accuracy"] - rows["mlp", "low"]["accuracy"],  # type: ignore[index]
        rows["mlp", "high"]["accuracy"] - rows["attn", "high"]["accuracy"],  # type: ignore[index]
    )
    return Measured(min(low, high), less("control_accuracy_mean"), detail=f"low {low:+.3f}, high {high:+.3f}")


def single_wave(period: Callable[[Run], float], name: str, wrong: bool = False) -> Measure:
    """A metric with one wave kept in all modules, and with random waves of equal rank kept (figure 11)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        rows = [row for row in run.table("single_component") if same(row["period"], period(run))]
        rows = [row for row in rows if row[name] is not None]
        if not rows:
            return None
        value, control = rows[0][name], rows[0][f"control_{name}_mean"]
        flip = (lambda v: None if v is None else 1 - v) if wrong else (lambda v: v)
        return Measured(flip(value), flip(control), detail=f"T={rows[0]['period']:g} kept; {rows[0]['method']}")

    return measure


def longest_wave_near(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of answers within a tenth of the number line, with the longest wave alone (figure 12)."""
    rows = [row for row in run.table("single_component_errors") if same(row["period"], run.p - 1)]
    total = sum(row["count"] for row in rows)
    if not total:
        return None
    near = sum(row["count"] for row in rows if abs(row["error"]) <= run.p / 10)
    mean = sum(row["error"] * row["count"] for row in rows) / total
    return Measured(near / total, n=total, detail=f"mean error {mean:.0f}")


def tens_among_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors that are multiples of 10, without low waves in MLPs (figure 21a)."""
    row = ablation_row(run, "mlp", "low")
    if not row or row["accuracy"] == 1:
        return None
    control = None
    if row["control_accuracy_mean"] is not None and row["control_accuracy_mean"] < 1:
        control = (row["control_mod_10_mean"] - row["control_accuracy_mean"]) / (1 - row["control_accuracy_mean"])
    wrong = 1 - row["accuracy"]
    return Measured((row["mod_10"] - row["accuracy"]) / wrong, control, detail=f"{row['method']}, {wrong:.0%} wrong")


def small_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors below 6, without high waves in attention (figure 21b)."""
    row = ablation_row(run, "attn", "high")
    if not row:
        return None
    keys = ("modules", "removed", "method")
    rows = [r for r in run.table("error_histogram") if r["error"] and all(r[key] == row[key] for key in keys)]
    wrong = sum(r["count"] for r in rows)
    if not wrong:
        return None
    small = sum(r["count"] for r in rows if abs(r["error"]) < 6)
    return Measured(small / wrong, n=wrong, detail=f"{row['method']}, {wrong} errors")
