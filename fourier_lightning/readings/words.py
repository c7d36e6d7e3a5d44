"""Readings in words, for every reader alike: the terminal, the report."""

from fourier_lightning.readings import breakdown, filters, waves
from fourier_lightning.record.runs import Run

MODULES = {"none": "none", "attn": "attention", "mlp": "MLP", "attn_mlp": "attention and MLP"}


def percent(value: float | None, digits: int = 2) -> str:
    """0.9951 as "99.51 %"."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def seeds(count: int) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{count} seed{'s' if count != 1 else ''}"


def removed(effect: filters.Effect) -> str:
    """What a filter takes away: "long waves from MLP"."""
    return f"{'long' if effect.removed == 'low' else 'short'} waves from {MODULES[effect.modules]}"


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
