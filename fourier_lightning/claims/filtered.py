"""Measures of filtered models: Table 1, single waves, and where their errors go."""

from collections.abc import Callable, Sequence

from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings import filters
from fourier_lightning.record.runs import Run


def kept_accuracy(modules: str, removed: str, harmless: float | None = None) -> Measure:
    """Accuracy under a filter as a share of the unfiltered one, and that of random filters of equal rank (Table 1).

    Args:
        modules, removed: the row.
        harmless: the share that the paper says is left. Where random filters leave less, a filter of this rank can't be
            harmless, whatever it removes.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        intact, row = filters.row_of(run, "none", "none"), filters.row_of(run, modules, removed)
        if not intact or not row or not intact["accuracy"]:
            return None
        control = row["control_accuracy_mean"]
        detail = f"{row['method']}, {row['accuracy']:.2%} of {intact['accuracy']:.2%}; loss {row['loss']:.2f}"
        ratio = None if control is None else control / intact["accuracy"]
        broken = harmless is not None and ratio is not None and ratio < harmless
        blunt = "any filter of this rank breaks the model" if broken else ""
        return Measured(row["accuracy"] / intact["accuracy"], ratio, blunt=blunt, detail=detail)

    return measure


def division_of_labour(run: Run, peers: Sequence[Run]) -> Measured | None:
    """The less of: what low waves are worth more in MLPs than in attention, high waves in attention than in MLPs."""
    keys = (("attn", "low"), ("mlp", "low"), ("mlp", "high"), ("attn", "high"))
    table = filters.table_1(run)
    if not table.keys() >= {("none", "none"), *keys}:
        return None
    intact, rows = table["none", "none"], [table[key] for key in keys]

    def less(name: str) -> tuple[float, float] | None:
        values = [row[name] for row in rows]
        return None if None in values else (values[0] - values[1], values[2] - values[3])

    found, control = less("accuracy"), less("control_accuracy_mean")
    assert found is not None
    left = [row["control_accuracy_mean"] for row in rows if row["control_accuracy_mean"] is not None]
    broken = left and min(left) < filters.BROKEN * intact["accuracy"]
    blunt = "random filters break the model, which leaves no room for a difference" if broken else ""
    return Measured(min(found), min(control) if control else None, blunt=blunt,
                    detail=f"{rows[0]['method']}: low {found[0]:+.3f}, high {found[1]:+.3f}")  # fmt: skip


def single_wave(period: Callable[[Run], float], name: str, wrong: bool = False) -> Measure:
    """A metric with one wave kept in all modules, and with random waves of equal rank kept (figure 11)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        row = filters.wave_kept(run, period(run), name)
        if row is None:
            return None
        value, control = row[name], row[f"control_{name}_mean"]
        flip = (lambda v: None if v is None else 1 - v) if wrong else (lambda v: v)
        return Measured(flip(value), flip(control), detail=f"T={row['period']:g} kept; {row['method']}")

    return measure


def longest_wave_near(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of answers within a tenth of the number line, with the longest wave alone (figure 12)."""
    _, rows = filters.wave_errors(run, run.p - 1)
    total = sum(row["count"] for row in rows)
    if not total:
        return None
    near = sum(row["count"] for row in rows if abs(row["error"]) <= run.p / 10)
    mean = sum(row["error"] * row["count"] for row in rows) / total
    return Measured(near / total, n=total, detail=f"mean error {mean:.0f}")


def tens_among_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors that are multiples of 10, without low waves in MLPs (figure 21a)."""
    row = filters.row_of(run, "mlp", "low")
    if not row or row["accuracy"] == 1:
        return None
    control = None
    if row["control_accuracy_mean"] is not None and row["control_accuracy_mean"] < 1:
        control = (row["control_mod_10_mean"] - row["control_accuracy_mean"]) / (1 - row["control_accuracy_mean"])
    wrong = 1 - row["accuracy"]
    return Measured((row["mod_10"] - row["accuracy"]) / wrong, control, detail=f"{row['method']}, {wrong:.0%} wrong")


def small_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors below 6, without high waves in attention (figure 21b)."""
    row = filters.row_of(run, "attn", "high")
    if not row:
        return None
    rows = [r for r in filters.errors_of(run, "attn", "high") if r["error"]]
    wrong = sum(r["count"] for r in rows)
    if not wrong:
        return None
    small = sum(r["count"] for r in rows if abs(r["error"]) < 6)
    return Measured(small / wrong, n=wrong, detail=f"{row['method']}, {wrong} errors")
