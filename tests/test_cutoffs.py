"""Filters by cut-off: the points, from one run or from many, the picture and the table in the terminal."""

import html
import io
from itertools import product

import pytest
from rich.console import Console

from fourier_lightning.console import print_cutoffs
from fourier_lightning.figures import cutoffs as figure
from fourier_lightning.figures.chart import Band, Line, Points, Rule
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.figures.draw import draw
from fourier_lightning.figures.interactive import interactive
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.selection import usual_cutoffs
from fourier_lightning.readings import cutoffs
from fourier_lightning.readings.cutoffs import grids
from fourier_lightning.record.runs import find_runs
from tests.planted import trial
from tests.records import run_of
from tests.test_figures import drawn_both_ways

SHARED = {"method": "readout", "positions": "last", "basis": "orthonormal"}
WHOLE = trial({"keep": "all", "modules": "none", **SHARED}, (0.9, 0.95, 0.92, 0.99)) | {"cutoff": None}


def filtered(keep, modules, cutoff, values=(0.2, 0.5, 0.3, 0.4), control=(0.1, 0.5, 0.2, 0.3), **more):
    return trial({"keep": keep, "modules": modules, **SHARED}, values, control, **{"cutoff": cutoff, **more})


def measured(*rows, model="a", split="val"):
    """A run of p = 201 with these rows."""
    info = {"p": 201, "id": model, "seed": 0, "config": {"split": split}}
    return run_of(info, filter_grid=list(rows))


@pytest.fixture(scope="module")
def grid():
    """Two cut-offs in each band and set of modules; one filter has no control, two say nothing."""
    rows = [filtered(keep, modules, cutoff) for keep, modules, cutoff in
            product(("high", "low"), ("mlp", "attn_mlp", "attn"), (20, 5))]  # fmt: skip
    rows[0] |= {"control_energy_accuracy_mean": None, "control_energy_accuracy_std": None}
    rows[1]["comparable"] = "collapse: 3 % of the predictions distinct"
    rows[2] |= {"energy": 0.97, "rank": 190}
    (found,) = grids([measured(WHOLE, *rows)])
    return found


def test_one_grid_and_many_single_filters_give_the_same_points():
    rows = [filtered("low", "mlp", k, (k / 100,) * 4) for k in (20, 5)] + [filtered("high", "mlp", 7)]
    (together,) = grids([measured(WHOLE, *rows)])
    (apart,) = grids([measured(WHOLE, row) for row in rows])
    assert together.outcomes == apart.outcomes and len(apart.outcomes) == 3
    assert together.whole == pytest.approx((0.9, 0.92, 0.99)) == apart.whole
    points = together.curve("low", "mlp")
    assert [(p.cutoff, p.period, p.found.accuracy, p.seeds) for p in points] == [
        (5, 40.2, 0.05, 1),
        (20, 10.05, 0.2, 1),
    ]
    assert together.cutoffs == [5, 7, 20] and points[0].control == pytest.approx((0.1, 0.2, 0.3))


def test_models_are_averaged_and_spreads_are_those_of_a_models_draws():
    one = filtered("low", "mlp", 5, (0.2,) * 4, (0.1,) * 4, std=0.03)
    other = filtered("low", "mlp", 5, (0.4,) * 4, (0.5,) * 4, std=0.04)
    (found,) = grids([measured(WHOLE, one), measured(WHOLE, other, model="b")])
    (point,) = found.outcomes
    assert point.seeds == 2 and point.found.accuracy == pytest.approx(0.3)
    assert point.control.accuracy == pytest.approx(0.3) and point.spread.accuracy == pytest.approx((0.0025 / 2) ** 0.5)


def test_splits_methods_and_bases_are_grids_of_their_own():
    rows = [filtered("low", "mlp", 5), filtered("low", "mlp", 5) | {"basis": "paper"}]
    rows.append(filtered("low", "mlp", 5, method="projection"))
    found = grids([measured(*rows), measured(rows[0], split="test")])
    assert [(g.split, g.method, g.length) for g in found] == [
        ("val", "readout", 201), ("val", "readout", 200), ("val", "projection", 201), ("test", "readout", 201),
    ]  # fmt: skip


def test_a_filter_that_could_not_be_made_is_no_point_and_says_why():
    row = {**filtered("low", "mlp", 5, (None,) * 4), "refused": "the null space is empty"}
    (found,) = grids([measured(WHOLE, row, filtered("low", "mlp", 20))])
    assert [p.invalid for p in found.outcomes] == ["the null space is empty", ""]
    assert [p.cutoff for p in found.curve("low", "mlp")] == [20] and found.cutoffs == [20]


def test_the_picture_has_six_panels_each_with_its_control_and_the_unfiltered_model(grid):
    chart = figure.cutoffs({"": grid})
    assert [panel.title for panel in chart.panels] == [
        f"{keep}-pass, {modules}" for keep in ("low", "high") for modules in ("attention", "MLPs", "attention and MLPs")
    ]
    assert chart.columns == 3 and all(panel.x.log for panel in chart.panels)
    for panel in chart.panels:
        rules = [mark.value for mark in panel.marks if isinstance(mark, Rule)]
        assert rules == pytest.approx([90, 92, 99])
        lines = {mark.name: mark for mark in panel.marks if isinstance(mark, Line) and not mark.dashed}
        assert {name: list(line.x) for name, line in lines.items()} == {
            name: [5, 20] for name in ("exact", "modulo 10", "within 10")
        }
        assert list(lines["within 10"].y) == pytest.approx([40, 40])
    (band, *_) = [mark for mark in chart.panels[0].marks if isinstance(mark, Band)]
    assert (band.name, band.low, band.high) == (
        "exact, random directions of equal energy", pytest.approx([9, 9]), pytest.approx([11, 11])
    )  # fmt: skip
    assert [(at, text) for at, text in chart.panels[0].top] == [(pytest.approx(201 / 20), "20")]
    assert "a filter in every layer" in chart.caption.lower() and "Dotted: nothing filtered" in chart.caption


def test_a_filter_that_says_nothing_is_hollow_with_its_reason(grid):
    chart = figure.cutoffs({"": grid})
    mlp, both = chart.panels[4], chart.panels[5]
    hollow = [m for panel in (mlp, both) for m in panel.marks if isinstance(m, Points) and m.hollow]
    assert len(hollow) == 6 and [list(mark.x) for mark in hollow] == [[5]] * 3 + [[20]] * 3
    assert hollow[0].hover == ["k >= 5 (T <= 40.2): collapse: 3 % of the predictions distinct"]
    assert hollow[3].hover == ["k >= 20 (T <= 10.1): it takes 97% of what these modules write, as any control would"]
    assert "Hollow: not comparable (collapse: 3 % of the predictions distinct; it takes 97%" in chart.caption
    (alone,) = [m for m in mlp.marks if isinstance(m, Points) and m.name.startswith("exact, random")]
    assert (list(alone.x), alone.error) == ([5], pytest.approx([1]))  # the other filter has no control: no band


def test_both_renderers_show_hollow_points_reasons_and_periods(grid):
    chart = figure.cutoffs({"": grid})
    shown = interactive(chart)
    (first, *_) = [trace for trace in shown.data if trace.marker.symbol == "circle-open"]
    assert [html.unescape(word) for word in first.hovertext] == [
        "k >= 5 (T <= 40.2): collapse: 3 % of the predictions distinct"
    ]
    (period,) = {note.x for note in shown.layout.annotations if note.text == "20"}
    assert period == pytest.approx(1.0021660617565078)  # log10 of 201 / 20: the axis is logarithmic
    axes = draw(chart).subfigs[0].axes
    faces = {line.get_markerfacecolor() for line in axes[4].lines}
    assert axes[4].get_xscale() == "log" and "white" in faces


def test_the_figure_of_a_real_grid(grid_run, command, tmp_path):
    drawn_both_ways(comparison("cutoffs", find_runs([grid_run.dir])))
    done = command("figures", grid_run.dir, "--output", tmp_path)
    assert done.code == 0 and (tmp_path / "cutoffs.png").is_file()  # without being asked for


def test_the_table_names_the_control_and_fits_80_columns(grid):
    lines = io.StringIO()
    print_cutoffs(Console(file=lines, width=80), grid)
    text = lines.getvalue()
    assert "random directions" in text and "of equal energy, ± sd" in text
    assert "│ all: no filter " in text and " 90 / 92 / 99 " in text
    assert "low-pass in MLPs" in text and "high-pass in attention " in text and "high-pass in both" in text
    (row,) = [line for line in text.splitlines() if "k < 5 " in line and "T > 40.2" in line][:1]
    assert "20 / 30 / 40" in row and "10±1 / 20±1 / 30±1" in row
    assert "a: not comparable: collapse: 3 % of the predictions distinct" in text
    assert "b: not comparable: it takes 97% of what these modules write, as any control would" in text
    assert max(map(len, text.splitlines())) <= 82 and "…" not in text


def test_reasons_are_told_apart_by_kind_not_by_number():
    rows = [
        filtered("low", "mlp", k, comparable=f"much else is lost ({k / 100:.2f}); collapse: {k} % of x") for k in (3, 7)
    ]
    (found,) = grids([measured(WHOLE, *rows)])
    assert cutoffs.reasons(found.outcomes) == {
        "much else is lost (#)": ("a", "much else is lost (0.03 to 0.07)"),
        "collapse: # % of x": ("b", "collapse: 3 to 7 % of x"),
    }


def test_usual_cutoffs_fit_every_number_line_and_have_the_papers():
    assert usual_cutoffs(fourier_basis(201)) == [2, 3, 4, 6, 8, 12, 17, 19, 24, 34, 49, 70, 100]
    for p in (3, 5, 41, 522):
        ks = usual_cutoffs(fourier_basis(p))
        assert ks == sorted(set(ks)) and ks[0] >= 1 and ks[-1] == p // 2 and len(ks) <= 13
    assert 50 in usual_cutoffs(fourier_basis(521, "paper"))
