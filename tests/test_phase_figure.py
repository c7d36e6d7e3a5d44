"""The picture of who writes which wave: stars, dots, and heights beside their controls."""

from fourier_lightning.figures import phases
from fourier_lightning.figures.chart import Bars, Points
from tests.test_figures import marks


def test_stars_are_where_a_module_writes_a_wave_of_the_answer():
    amounts = {2.0: 0.9, 10.0: 0.3, 3.0: 0.2, 7.0: 0.1}
    rows = [{"module": "mlp", "layer": layer, "period": t, "alignment": 0.8, "amount": amount, "p_value": 0.5 * layer,
             "bracket_amount": 0.05 if t > 8 else None}
            for layer in (0, 1) for t, amount in amounts.items()]  # fmt: skip
    chart = phases.answer_phase(rows)
    stars, dots = marks(chart, Points)
    assert [text.split()[0] for _, text in chart.panels[0].x.ticks] == ["T=2", "T=10", "T=3", "T=7"]
    assert (list(stars.x), list(stars.y), stars.star) == ([0], [0], True)  # T = 10: no more than twice the controls
    assert list(dots.x) == [1, 2, 3] and set(dots.y) == {0}
    (bars, _), (controls, _) = marks(chart, Bars, 1), marks(chart, Points, 1)
    assert (list(bars.y), list(controls.y)) == ([0.3], [0.2])  # T = 10 has brackets, T = 3 has more than these
    assert not phases.amounts([{**row, "bracket_amount": None} for row in rows])
