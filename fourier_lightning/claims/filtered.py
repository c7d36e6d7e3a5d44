"""Measures of filtered models: Table 1 as double dissociations, single waves, and where errors go.

What outlives what, and beyond which control: ``readings.controls``. ``path`` is where the waves go: "flow", in the
stream that later modules read (``filter_ablation``, ``single_component``), or "direct", in what modules add to the
final logits alone (``direct_path``).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from fourier_lightning.claims.measures import Measure, Measured, examples
from fourier_lightning.readings import filters
from fourier_lightning.readings.controls import (
    APART,
    Row,
    controlled,
    equal,
    fair_control,
    gap,
    noise,
    opening,
    opening_noise,
    unlike,
)
from fourier_lightning.readings.effects import input_rows
from fourier_lightning.readings.luck import in_the_middle
from fourier_lightning.record.runs import Run

Path = Literal["flow", "direct"]
ERRORS = 0.02  # of the prompts: where a filter breaks fewer, there are no errors of its to look at


def opened(run: Run, intact: Row, row: Row, removed: str, **more: Any) -> Measured:
    """How far what stays outlives what goes, with the spread of the control's draws."""
    spread = opening_noise(row, removed, run.p)
    return Measured(opening(intact, row, removed, run.p), control_std=spread, draws=row["control_draws"], **more)


def dissociation(modules: str, removed: str, path: Path = "flow") -> Measure:
    """Without long ("low") waves: how much more often the residue is right than the size; without "high", the reverse.

    Both less the same of the whole model, and less what random directions of equal energy do of it.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        table = filters.rows_of(run, path)
        intact, row = table.get(("none", "none")), table.get((modules, removed))
        if intact is None or row is None or not fair_control(row, "mod_10", "within_10"):
            return None
        return opened(run, intact, row, removed, incomparable=unlike(row, run.p), detail=told(row))

    return measure


def told(row: Row) -> str:
    """A row in words: what is right with the filter, and with as much of random directions gone."""
    shown = [f"{name.replace('_', ' ')} {row[name]:.0%} ({controlled(row, name):.0%})"
             for name in ("accuracy", "mod_10", "within_10")]  # fmt: skip
    where = row.get("method", "direct path")
    return f"{where}, energy {row['energy']:.0%}, control of equal {equal(row)}: {', '.join(shown)}"


def division_of_labour(path: Path = "flow") -> Measure:
    """The less of: what low waves dissociate in MLPs more than in attention, high waves in attention than in MLPs.

    The other module class is the control: random directions of equal energy are the whole of a module that writes
    nothing but these waves.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        table, keys = filters.rows_of(run, path), (("mlp", "low"), ("attn", "low"), ("attn", "high"), ("mlp", "high"))
        intact, rows = table.get(("none", "none")), [table.get(key) for key in keys]
        if intact is None or not all(fair_control(row, "mod_10", "within_10") for row in rows):
            return None
        made = [row for row in rows if row is not None]
        apart = [max(0.0, gap(row, removed, run.p) - max(0.0, gap(intact, removed, run.p)))
                 for row, (_, removed) in zip(made, keys, strict=True)]  # fmt: skip
        whys = [row.get("comparable") or "" for row in made]
        pairs = [(apart[i] - apart[i + 1], whys[i] or whys[i + 1]) for i in (0, 2)]
        fair = [pair for pair in pairs if not pair[1] and pair[0] < APART]  # one way that can be told, and is not there
        value, why = min(fair) if fair else (min(pairs)[0], pairs[0][1] or pairs[1][1])
        detail = f"{made[0].get('method', 'direct path')}: low {pairs[0][0]:+.3f}, high {pairs[1][0]:+.3f}"
        return Measured(value, incomparable=why, detail=detail)

    return measure


def kept_accuracy(modules: str, removed: str) -> Measure:
    """Accuracy under a filter as a share of the unfiltered one, and that of random filters of equal energy (Table 1).

    Where these leave less than ``filters.HARMLESS``, a filter of this energy can't be harmless, whatever it removes.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        table = filters.rows_of(run, "flow")
        intact, row = table.get(("none", "none")), table.get((modules, removed))
        if not intact or row is None or not fair_control(row, "accuracy", "mod_10", "within_10"):
            return None
        if not intact["accuracy"]:
            return None
        control = controlled(row, "accuracy") / intact["accuracy"]
        return Measured(
            row["accuracy"] / intact["accuracy"], control, n=examples(run, "val"),
            incomparable=row.get("comparable", ""), detail=told(row),
            blunt=f"random directions of equal {equal(row)} break it as well" if control < filters.HARMLESS else "",
        )  # fmt: skip

    return measure


def single_wave(period: Callable[[Run], float], name: str, path: Path = "flow") -> Measure:
    """A metric with one wave kept in all modules, and with random directions of equal energy gone (figure 11)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        row = filters.kept_row(run, period(run), path)
        if row is None or row[name] is None or not fair_control(row, name):
            return None
        control = (row[f"control_energy_{name}_mean"], row.get(f"control_energy_{name}_std"), row["control_draws"])
        detail = f"T={row['period']:g} kept; {row.get('method', 'direct path')}"
        return Measured(
            row[name], *control, n=examples(run, "val"), incomparable=row.get("comparable", ""), detail=detail
        )

    return measure


def longest_wave(path: Path = "flow", exact: bool = False) -> Measure:
    """Share of answers within a tenth of the number line, the longest wave alone, and wrong (figures 11b, 12).

    Its control: the same of always answering the middle of the range.

    Args:
        path: where the other waves go.
        exact: whether right answers count as near: then it is the size alone that is asked for.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        row, rows = filters.kept_row(run, run.p - 1, path), filters.kept_errors(run, run.p - 1, path)
        total = sum(one["count"] for one in rows)
        if row is None or not total:
            return None
        near = sum(one["count"] for one in rows if abs(one["error"]) <= run.p / 10 and (exact or one["error"]))
        mean = sum(one["error"] * one["count"] for one in rows) / total
        detail = f"mean error {mean:.0f}; {row.get('method', 'direct path')}"
        blind = in_the_middle(run.p, exact)
        return Measured(near / total, blind, n=total, incomparable=row.get("comparable", ""), detail=detail)

    return measure


def errors_to_look_at(run: Run, modules: str, removed: str) -> tuple[Row, str] | None:
    """A row of Table 1, and why its errors can't tell anything; None where there is none with a fair control."""
    table = filters.rows_of(run, "flow")
    intact, row = table.get(("none", "none")), table.get((modules, removed))
    if intact is None or row is None or not fair_control(row, "accuracy", "mod_10", "within_10"):
        return None
    fewer = intact["accuracy"] - row["accuracy"] < ERRORS
    return row, unlike(row, run.p) or ("it breaks hardly an answer: no errors to look at" if fewer else "")


def among_errors(row: Row, name: str) -> tuple[float | None, float | None]:
    """Share of the errors of the fair control that are right by a metric, and its spread over the draws."""
    wrong = 1 - controlled(row, "accuracy")
    if wrong < ERRORS:
        return None, None
    right = controlled(row, name) - controlled(row, "accuracy")
    return right / wrong, noise(row, name, "accuracy") / wrong


def tens_among_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors that are multiples of 10, without low waves in MLPs (figure 21a)."""
    found = errors_to_look_at(run, "mlp", "low")
    if found is None or found[0]["accuracy"] == 1:
        return None
    row, why = found
    wrong, (control, spread), count = 1 - row["accuracy"], among_errors(row, "mod_10"), examples(run, "val")
    return Measured(
        (row["mod_10"] - row["accuracy"]) / wrong, control, spread, row["control_draws"],
        n=count and max(1, round(wrong * count)), incomparable=why,
        detail=f"{row['method']}, {wrong:.0%} wrong",
    )  # fmt: skip


def small_errors(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of errors below 6, without high waves in attention (figure 21b); of its control's, those up to 10."""
    found = errors_to_look_at(run, "attn", "high")
    rows = [one for one in filters.errors_of(run, "attn", "high") if one["error"]]
    wrong = sum(one["count"] for one in rows)
    if found is None or not wrong:
        return None
    row, why = found
    small, control = sum(one["count"] for one in rows if abs(one["error"]) < 6), among_errors(row, "within_10")
    return Measured(small / wrong, *control, row["control_draws"], n=wrong, incomparable=why,
                    detail=f"{row['method']}, {wrong} errors")  # fmt: skip


def at_the_input(gone: str, removed: str) -> Measure:
    """Without these waves of the operands' rows: how far what stays outlives what goes, beyond equal energy.

    Args:
        gone: "short" (T = 2, 2.5, 10/3, 5, 10) or "low" (below the cut-off), as in the table ``input_waves``.
        removed: as in ``dissociation``.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        rows = input_rows(run)
        intact, row = rows.get("none"), rows.get(gone)
        if intact is None or row is None or not fair_control(row, "mod_10", "within_10"):
            return None
        return opened(run, intact, row, removed, detail=told({"method": "input rows", **row}))

    return measure
