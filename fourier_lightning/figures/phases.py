"""Which module writes which wave of the answer: alignments of phases (ours)."""

from collections.abc import Sequence
from typing import Any

from fourier_lightning.figures.chart import BLACK, BLUE, GREY, ORANGE, Axis, Bars, Chart, Heatmap, Panel, Points
from fourier_lightning.readings.phase import MEANINGLESS, heights, written_in
from fourier_lightning.readings.waves import LEVEL

NAMES = {"embed": "embedding", "attn": "attention", "mlp": "MLP", "resid": "stream after"}


def answer_phase(rows: Sequence[dict[str, Any]]) -> Chart:
    """Alignment of each module's waves with the answer, module by period; stars where it writes the period.

    Args:
        rows: of the table ``answer_phase``.
    """
    places = list(dict.fromkeys((row["module"], row["layer"]) for row in rows))
    periods = sorted({row["period"] for row in rows}, key=lambda t: (t in MEANINGLESS, t))
    found = {(row["module"], row["layer"], row["period"]): row for row in rows}
    z = [[found[*place, t]["alignment"] for t in periods] for place in places]
    stars, dots = [], []
    for y, place in enumerate(places):
        mine = [found[*place, t] for t in periods]
        asked = [t for t in periods if t not in MEANINGLESS]
        told = written_in(mine, asked) or {}
        for x, (t, row) in enumerate(zip(periods, mine, strict=True)):
            if t in told:
                stars.append((x, y))
            elif row["p_value"] <= LEVEL:
                dots.append((x, y))
    marks: list[Any] = [Heatmap(range(len(periods)), range(len(places)), z, "alignment", True, (-1.0, 1.0))]
    for chosen, name, colour, star in ((stars, "written", BLACK, True), (dots, "real, not specific", GREY, False)):
        if chosen:
            marks.append(Points(*zip(*chosen, strict=True), name, colour, size=9 if star else 4, star=star))
    controls = [(float(i), f"T={t:.3g}" + ("\ncontrol" if t in MEANINGLESS else "")) for i, t in enumerate(periods)]
    every = max(1, len(places) // 20)
    names = [(float(i), f"{NAMES[m]} {layer}" if layer >= 0 else NAMES[m]) for i, (m, layer) in enumerate(places)]
    y = Axis("module, layer", ticks=names[::every], limits=(len(places) - 0.5, -0.5))
    return Chart(
        "Who writes which wave of the answer",
        [Panel("", Axis("period", ticks=controls), y, marks), *amounts(rows)],
        "Alignment 1: the wave that a module adds to the number logits always peaks at the answer (mean over prompts "
        "removed). A star: beyond permuted answers and random directions (5 %, corrected), aligned by half at least, "
        "and twice as high as at T = 3 and 7, which mean nothing, and at the periods just beside T. A dot: beyond the "
        "nulls, but no more than those. Right: how high, in the layer that has most (blue: "
        "MLPs, orange: attention), beside the highest of these controls (grey).",
        columns=2,
        height=2.2 + 0.22 * min(len(places), 40),
        width=11,
    )


def amounts(rows: Sequence[dict[str, Any]]) -> list[Panel]:
    """How high each module's waves stand at the answer, beside the periods that bracket them; none without these."""
    marks: list[Any] = []
    periods: list[float] = []
    for module, colour, aside in (("mlp", BLUE, -0.2), ("attn", ORANGE, 0.2)):
        found = heights(rows, module)
        periods = periods or [height.period for height in found]
        x = [index + aside for index in range(len(found))]
        marks.append(Bars(x, [height.amount for height in found], NAMES[module], colour, 0.38))
        marks.append(Points(x, [height.control for height in found], "highest control", GREY, size=6))
    ticks = [(float(i), f"T={t:.3g}") for i, t in enumerate(periods)]
    height = Axis("height at the answer (logits)")
    return [Panel("in the layer with most of it", Axis("period", ticks=ticks), height, marks)] if periods else []
