"""Measures of waves: what modules write of the answer, lines of number tables, the final logits' strongest waves."""

from collections.abc import Callable, Sequence

from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings import phase, waves
from fourier_lightning.readings.neighbours import neighbours
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.readings.words import p_value
from fourier_lightning.record.runs import Run

KEPT = 0.5  # of its power before training, that a line has to have still


def few_waves(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How often the sum of the strongest waves of the final logits peaks at the answer (figure 4b).

    Its control: the strongest pairs of directions of random bases. Where these do it too, waves have no say in it.
    """
    row = waves.few_waves(run)
    if row is None:
        return None
    detail = f"{row['waves']} waves, {row['prompts']} prompts, {row['accuracy']:.0%} right with all"
    control = (row["control_exact_mean"], row["control_exact_std"], row["control_draws"])
    return Measured(row["exact"], *control, n=row["prompts"], detail=detail)


def writes(*modules: str, periods: Sequence[float] = SHORT, needed: int = 1, together: bool = False) -> Measure:
    """How far these modules write periods of the answer beyond their negative controls (figures 2, 3, 6, 8).

    The number is log2 of amount over the largest control (``readings.phase.ratios``), of each period in the layer
    that has most, and of the periods the one that comes ``needed``-th. A number, so that seeds add up to an interval.

    Args:
        modules: "mlp", "attn".
        periods: T's.
        needed: how many of them have to be written.
        together: whether one layer has to have these.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        layers: list[dict[float, float]] = []
        for module in modules:
            ratios = phase.ratios(run, module, periods)
            if ratios is None:
                return None
            layers += ratios
        if together:
            value = max(sorted(layer.values(), reverse=True)[needed - 1] for layer in layers)
        else:
            most = [max(layer[t] for layer in layers) for t in periods]
            value = sorted(most, reverse=True)[needed - 1]
        return Measured(value, detail=", ".join(in_words(run, modules, periods)) or "none written")

    return measure


def in_words(run: Run, modules: Sequence[str], periods: Sequence[float]) -> list[str]:
    """What is written where: "mlp 0 T=5 (alignment 0.88, 40 times its controls)"."""
    return [
        f"{module} {layer} T={t:g} (alignment {alignment:.2f}, {over:.1f} times its controls)"
        for module in modules
        for layer, written in enumerate(phase.written(run, module, periods) or [])
        for t, (alignment, over) in sorted(written.items())
    ]


def longest_in_mlp_alone(run: Run, peers: Sequence[Run]) -> Measured | None:
    """1 if some MLP writes the longest wave of the answer and no attention does (figure 10)."""
    mlp, attn = (phase.written(run, module, (run.p - 1.0,)) for module in ("mlp", "attn"))
    if mlp is None or attn is None:
        return None
    layers = [sum(bool(one) for one in found) for found in (mlp, attn)]
    detail = f"T={run.p - 1}: {layers[0]} of {len(mlp)} MLPs, {layers[1]} of {len(attn)} attentions"
    return Measured(float(layers[0] > 0 and not layers[1]), tested=True, detail=detail)


def embedding_outliers(kept: bool = False) -> Measure:
    """Share of the paper's periods at which the number rows have an outlier (figures 5a, 7a, 15).

    Args:
        kept: whether a period also counts that was a line before training and has half of its power still: its share
            may be less because others' grew.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        found = waves.embedding_lines(run)
        if found is None:
            return None
        peaks, elsewhere, outliers = found
        told = ", ".join(f"T={t:g} x{peaks[t]:.1f}" for t in SHORT)
        detail = f"power over neighbours': {told}; elsewhere to x{elsewhere:.1f}"
        left = (waves.kept_lines(run) if kept else None) or {}
        if left:
            detail += f"; power over that before training: {', '.join(f'T={t:g} {r:.2f}' for t, r in left.items())}"
        real = {*outliers, *(t for t, ratio in left.items() if ratio >= KEPT)}
        return Measured(len(real) / len(SHORT), tested=True, detail=detail)

    return measure


def neighbours_alike(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How many times as often as by chance a number's nearest neighbour is of its size, of its last digit: the less.

    1 where one of the two is no more than random orders of the number line give (figure 5b).
    """
    found = neighbours(run)
    if found is None:
        return None
    told = [f"{name} {one.share:.0%} (chance {one.chance:.0%}, {p_value(one.p_value)})"
            for name, one in zip(("within a tenth of the range", "same last digit"), found, strict=True)]  # fmt: skip
    factors = [one.factor if one.p_value <= waves.LEVEL else 1.0 for one in found]
    return Measured(min(factors), tested=True, detail=", ".join(told))


def at(period: float) -> Callable[[Run], float]:
    """A period that is the same on every number line."""
    return lambda run: period
