"""Readings in words, for every reader alike: the terminal, the report."""

from collections.abc import Sequence

from fourier_lightning.readings import breakdown, filters, phase, waves
from fourier_lightning.readings.effects import Effect, Scores
from fourier_lightning.record.runs import Run

MODULES = {"none": "none", "attn": "attention", "mlp": "MLP", "attn_mlp": "attention and MLP"}
BANDS = {"low": "long waves", "high": "short waves", "short": "T = 2, 2.5, 3.33, 5, 10"}
SMALLEST = 1e-4  # a smaller number is printed as 0
SCORES = "exact / modulo 10 / within 10"


def percent(value: float | None, digits: int = 2) -> str:
    """0.9951 as "99.51 %"."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def number(value: float) -> str:
    """Three significant digits; what is next to nothing as "0": a share of 1.96e-28 is the rounding of a computer."""
    return "0" if abs(value) < SMALLEST else f"{value:.3g}"


def p_value(value: float) -> str:
    """ "p = 0.012", "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def seeds(count: int) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{count} seed{'s' if count != 1 else ''}"


def removed(effect: Effect) -> str:
    """What a filter takes away: "long waves from MLP"."""
    return f"{BANDS[effect.removed]} from {'the input' if effect.modules == 'input' else MODULES[effect.modules]}"


def triple(scores: Scores | None) -> str:
    """ "60 / 99 / 73 %": exact, modulo 10, within 10."""
    return "-" if scores is None else " / ".join(f"{100 * value:.0f}" for value in scores) + " %"


def shares(scores: Scores | None, spread: Scores | None = None) -> str:
    """ "60 / 99 / 73", with standard deviations "60±2 / 99±0 / 73±4"."""
    if scores is None:
        return "-"
    ends = [""] * 3 if spread is None else [f"±{100 * value:.0f}" for value in spread]
    return " / ".join(f"{100 * value:.0f}{end}" for value, end in zip(scores, ends, strict=True))


def beside(effect: Effect) -> str:
    """What is left: "6 / 100 / 25 % (random directions of equal energy: 14 / 35 / 49 %)"."""
    control = f" (random directions of equal {effect.equal}: {triple(effect.control)})" if effect.control else ""
    return f"{triple(effect.found)}{control}"


def breaks(effects: Sequence[Effect]) -> list[str]:
    """What goes without long waves and without short ones, a sentence each: modulo 10 / within 10, and the controls'.

    "Without long waves: the last digit survives, the magnitude is lost (from MLP 99 / 43 %, random 46 / 60 %)."
    """
    told = []
    for kind, bands in (("long", ("low",)), ("short", ("high", "short"))):
        readings: dict[str, list[str]] = {}
        for effect in effects:
            if effect.removed in bands:
                readings.setdefault(effect.reading, []).append(place(effect))
        if readings:
            clauses = [f"{reading} ({'; '.join(places)})" for reading, places in readings.items()]
            told.append(f"Without {kind} waves: {'; '.join(clauses)}.")
    return told


def place(effect: Effect) -> str:
    """Where waves were removed and what is right modulo 10 and within 10: "from MLP 99 / 73 %, random 46 / 60 %"."""
    pair = lambda scores: f"{100 * scores.mod_10:.0f} / {100 * scores.within_10:.0f} %"  # noqa: E731
    where = "input" if effect.modules == "input" else MODULES[effect.modules]
    control = f", random {pair(effect.control)}" if effect.control else ""
    return f"{where} {pair(effect.found)}{control}" + (" at equal rank" if "rank" in effect.equal else "")


def written(runs: Sequence[Run], module: str) -> str:
    """Which waves of the answer some layer of a module writes: "T = 2, 5 in each of 5 seeds, 10 in 3"."""
    counts, measured = phase.counts(runs, module)
    if not measured:
        return "not measured"
    told = []
    for count in sorted({count for count in counts.values() if count}, reverse=True):
        periods = ", ".join(f"{period:.3g}" for period, of in counts.items() if of == count)
        where = f" in each of {measured} seeds" if count == measured else f" in {count} of {measured} seeds"
        told.append(f"T = {periods}" + ("" if measured == 1 else where))
    return "; ".join(told) or "none" + ("" if measured == 1 else f" in any of {measured} seeds")


def beside_periods(run: Run, module: str) -> str:
    """Heights of waves at the answer in logits, beside the highest control's: "T = 2 0.16 (0.05)"; "" of none."""
    found = phase.heights(run.table("answer_phase"), module)
    return ", ".join(f"T = {h.period:.3g} {round(h.amount, 2) + 0:.2f} ({round(h.control, 2):.2f})" for h in found)


def lines(run: Run, module: str) -> str:
    """The paper's periods that stand out from their neighbours in what some layer of a module writes."""
    found = waves.lines_of(run, module)
    if found is None:
        return "-"
    return "T = " + ", ".join(f"{t:g}" for t in found) if found else "none"


def beyond_random(run: Run, module: str) -> str:
    """The periods that some layer of a module writes beyond states in random directions, of those asked for."""
    found, asked = (", ".join(f"{t:.3g}" for t in periods) for periods in waves.beyond_random(run, module))
    return f"T = {found}" if found else f"none of T = {asked}"


def by_carries(run: Run) -> str:
    """How often it is right by the number of carries: "99 % without a carry, 97 % with 1"; "" where there are none."""
    rows = [row for row in breakdown.kinds(run, "carries") if row["examples"] >= breakdown.FEWEST]
    told = [f"{percent(row['accuracy'], 1)} {f'with {n}' if (n := row['low']) else 'without a carry'}" for row in rows]
    return ", ".join(told) if len(told) > 1 else ""


def costliest(run: Run, count: int = 5) -> str:
    """The single waves whose removal costs most."""
    rows = filters.costliest(run, count)
    if rows is None:
        return "it does not add" if run.table("knock_out") and not filters.adds(run) else "not measured"
    found = ", ".join(f"{row['period']:.3g}" for row in rows)
    return f"T = {found}" if found else "none more than random directions"
