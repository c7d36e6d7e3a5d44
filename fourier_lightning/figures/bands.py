"""What a model learns from a frozen table with some of its waves, beside each table's controls (ours)."""

from collections.abc import Sequence
from dataclasses import replace

from fourier_lightning.figures.accuracy import arms
from fourier_lightning.figures.chart import BLUE, GREY, Chart
from fourier_lightning.readings.bands import Table, uncontrolled


def bands(groups: Sequence[Sequence[Table]]) -> Chart:
    """Exact, modulo 10 and within 10, table by table, each followed by its controls.

    Args:
        groups: of ``readings.bands``.
    """
    values, palette = {}, {}
    for group in groups:
        for table in group:
            values[table.words], palette[table.words] = table.values, GREY if table.control else BLUE
    without = uncontrolled(groups)
    note = f" No control of equal rank and energy among these runs: {'; '.join(without)}." if without else ""
    caption = f"Bars: means. Dots: seeds. Blue: frozen tables. Grey: the controls of the table above them.{note}"
    return replace(arms(values, palette), title="What a model learns from some waves of its table", caption=caption)
