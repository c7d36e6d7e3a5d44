"""The data behind the figures: planted waves, identities on a real record, and what the committed spectra show."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fourier_lightning.figures import accuracy, errors, logits, spectra, vectors
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import (
    ARM_COLOURS,
    Axis,
    Band,
    Bars,
    Chart,
    Heatmap,
    Line,
    Panel,
    Points,
    Rule,
    colours,
)
from fourier_lightning.figures.comparisons import COMPARISONS, comparison
from fourier_lightning.figures.draw import draw
from fourier_lightning.figures.interactive import interactive
from fourier_lightning.figures.make import slug
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.readings.waves import clusters, strongest_layer
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import find_runs
from tests.committed import NARROW

ROOT = Path(__file__).resolve().parents[1]
P = 521


def marks(chart: Chart, kind: type, panel: int = 0) -> list:
    return [mark for mark in chart.panels[panel].marks if isinstance(mark, kind)]


def wave(period: float, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.cos(2 * np.pi * np.arange(P) / period)


def test_a_planted_line_carries_its_period():
    rng = np.random.default_rng(0)
    planted = 0.01 * rng.random((4, 260)) + 0.1
    planted[2, 103] = planted[3, 259] = 1.0  # k = 104 and 260: T = 5 and 2
    chart = spectra.layer_components({"MLP": (planted, planted, 0 * planted + 0.5)}, P)
    (heat,) = marks(chart, Heatmap)
    np.testing.assert_allclose(heat.z, np.log10(planted))
    assert list(heat.x) == list(range(1, 261)) and list(heat.y) == [0, 1, 2, 3]
    beyond, labels = marks(chart, Points)
    assert set(zip(beyond.x, beyond.y, strict=True)) == {(104, 2), (260, 3)}
    assert dict(zip(labels.x, labels.text, strict=True))[104] == "T=5"
    assert dict(zip(labels.x, labels.text, strict=True))[260] == "T=2"
    assert list(labels.x) == [104, 260]  # noise is not labelled
    same = spectra.layer_components({"a": (planted, None, None), "b": (planted / 9, None, None)}, P)
    assert marks(same, Heatmap)[0].limits == marks(same, Heatmap, 1)[0].limits  # one scale, to be compared
    assert "nothing here is beyond" in same.caption and "yellow dots" in chart.caption
    first = spectra.layer_components({"MLP": (planted, None, None)}, P, first=50)
    assert np.asarray(marks(first, Heatmap)[0].z).shape == (4, 50) and not first.panels[0].top


def test_the_layer_of_a_module_is_the_one_with_the_wave():
    quiet = np.stack([wave(100), wave(100) + wave(2, 0.5), wave(100)])
    assert strongest_layer(quiet, [2.0]) == 1
    both = {"mlp": (quiet, (2.0,)), "attn": (np.stack([wave(3), wave(5) + wave(10)]), (5.0, 10.0))}
    chart = spectra.module_spectra(both)
    assert [panel.title.split(" (")[0] for panel in chart.panels] == ["MLP of layer 1", "attention of layer 1"]
    assert "T=2" in marks(chart, Points)[0].text and {"T=5", "T=10"} <= set(marks(chart, Points, 1)[0].text)
    over = logits.module_over_numbers({"attn": both["attn"]}, answer=100)
    contribution, fit = marks(over, Line)
    np.testing.assert_allclose(fit.y, contribution.y, atol=1e-9)  # the layer is just these two waves


def test_embedding_spectra_mark_what_stands_out():
    magnitude = np.linspace(2, 1, 260)
    magnitude[51] = 3
    found = (("numbers", 52, 0.01), ("numbers", 60, 0.04), ("numbers", 70, 0.2), ("numbers", 104, 0.01),
             ("operands", 99, 0.01))  # fmt: skip
    rows = [{"line": line, "component": k, "p_value_detrended": p} for line, k, p in found]
    chart = spectra.embedding_spectra({"one": (magnitude, magnitude / 2, rows), "two": (magnitude, None, [])}, P)
    spectrum, limit = marks(chart, Line)
    assert list(spectrum.y) == list(magnitude) and limit.dashed and list(limit.y) == list(magnitude / 2)
    (dots,) = marks(chart, Points)
    assert list(dots.x) == [52] and list(dots.text) == ["T=10"]  # k = 60 and 104 are on the slope
    assert [text for _, text in chart.panels[1].top] == ["2", "2.5", "3.33", "5", "10"]
    assert len(chart.panels[1].marks) == 1


def test_waves_add_up_to_their_sum_in_a_real_record(tiny_runs):
    run = find_runs([tiny_runs / "0"])[0]
    chart = FIGURES["4a"].make(run)
    total = np.sum([line.y for line in marks(chart, Line)], axis=0)
    np.testing.assert_allclose(total, run.array("final_logits_topk_sum")[0], atol=1e-4)
    assert marks(chart, Rule)[0].value == run.table("final_logit_waves")[0]["answer"]
    longest = marks(FIGURES["14"].make(run), Line)[0]
    basis = fourier_basis(run.p)
    expected = torch.as_tensor(run.array("final_logits")[0]).double() @ basis.rows[1:3].T @ basis.rows[1:3]
    np.testing.assert_allclose(longest.y, expected, atol=1e-5)


def test_contributions_of_a_real_record_are_drawn_as_they_are(tiny_runs):
    run = find_runs([tiny_runs / "0"])[0]
    both = FIGURES["17"].make(run)
    for index, module in enumerate(("mlp", "attn")):
        (heat,) = marks(both, Heatmap, index)
        np.testing.assert_array_equal(heat.z, run.array(f"heatmap_{module}")[0])
        assert heat.diverging


def test_histograms_count_every_example():
    rows = [{"error": e, "count": c} for e, c in ((0, 50), (10, 30), (-20, 10), (3, 5), (200, 5))]
    chart = errors.error_histogram(rows, "")
    every, tens = marks(chart, Bars)
    assert sum(every.y) == 45 and dict(zip(tens.x, tens.y, strict=True))[10] == 30
    assert "50 of 100" in chart.caption and "90% of the errors are multiples of 10" in chart.caption
    assert "5 are off by more than 30" in chart.caption
    wide = errors.wide_histogram(rows, "", P)
    assert sum(marks(wide, Bars)[0].y) == 100 and "mean error 11.2" in wide.caption


def test_single_waves_and_table_1_show_their_controls():
    rows = [
        {"period": t, "mod_2": m, "control_mod_2_mean": 0.5, "control_mod_2_std": 0.1, "control_draws": 3}
        for t, m in ((2.0, 0.99), (520.0, 0.5))
    ]
    bars, control = errors.single_waves(rows, "mod_2").panels[0].marks[:2]
    assert list(bars.y) == [99, 50] and list(control.y) == [50, 50] and list(control.error) == [10, 10]
    row = {"method": "readout", "control_draws": 0, "control_accuracy_mean": None}
    table = [
        {**row, "modules": "none", "removed": "none", "accuracy": 1.0},
        {**row, "modules": "mlp", "removed": "low", "accuracy": 0.25, "control_draws": 3,
         "control_accuracy_mean": 0.75, "control_accuracy_std": None},
    ]  # fmt: skip
    chart = errors.table_1({"readout": table, "projection": table[:1]})
    assert len(chart.panels) == 1
    bars, control, paper = chart.panels[0].marks
    assert list(bars.y) == [100, 25] and list(bars.x) == [0, 3] and list(control.x) == [3] and list(control.y) == [75]
    np.testing.assert_allclose(paper.y, [99.74, 35.89])
    table[1] |= {"control_energy_accuracy_mean": 0.5, "control_energy_accuracy_std": 0.1}
    bars, energy, control, _ = errors.table_1({"readout": table}).panels[0].marks
    assert list(energy.y) == [50] and list(energy.error) == [10] and energy.x[0] > bars.x[1]


def test_curves_and_arms_are_means_over_seeds():
    curves = {"scratch": [([1, 2], [0.1, 0.3]), ([1, 2, 3], [0.3, 0.5, 0.9])], "x": [([1], [0.5])]}
    chart = accuracy.learning_curves(curves)
    faint, other, mean, *_ = marks(chart, Line)
    assert faint.faint and other.faint and list(other.y) == [30, 50, 90]
    np.testing.assert_allclose(mean.y, [20, 40])
    (band,) = marks(chart, Band)
    np.testing.assert_allclose(np.subtract(band.high, band.low), 2 * np.std([10, 30], ddof=1))
    values = {"a": {"test/accuracy": [0.5, 1.0]}, "b": {"test/accuracy": [0.25]}}
    panel = accuracy.arms(values).panels[0]
    assert [list(mark.y if isinstance(mark, Bars) else mark.x) for mark in panel.marks] == [[75], [50, 100], [25], [25]]
    assert [name for _, name in panel.y.ticks] == ["a", "b"]  # named, not numbered
    sizes = accuracy.data_efficiency({"a": {100: [0.5, 1.0], 10: [0.25]}})
    assert list(marks(sizes, Line)[0].x) == [10, 100] and list(marks(sizes, Line)[0].y) == [25, 75]


def test_lens_shows_every_module_in_order(tiny_runs):
    run = find_runs([tiny_runs / "0"])[0]
    chart, rows = FIGURES["1a"].make(run), run.table("lens_accuracy")
    exact = marks(chart, Line)[0]
    np.testing.assert_allclose(exact.y, [100 * row["accuracy"] for row in rows])
    assert [text for _, text in chart.panels[0].x.ticks] == ["embed", "0 attn", "0 mlp"]


def test_words_beside_points_never_cover_each_other():
    words = [f"T={n}" for n in range(12)]
    names = [f"an arm with a name of some length, {n}" for n in range(9)]
    shown = [Points([0.5] * 12, [0.5] * 12, "a", text=words), *(Points([0], [0], name) for name in names)]
    figure = draw(Chart("", [Panel("", Axis("x"), Axis("y"), shown)], "caption"))
    renderer = figure.canvas.get_renderer()
    texts = [t for t in figure.subfigs[0].axes[0].texts if t.get_visible()]
    boxes = [t.get_window_extent(renderer) for t in texts]
    assert 2 <= len(boxes) <= 4 and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    legend = figure.subfigs[1].legends[0].get_window_extent(renderer)
    assert legend.x1 <= figure.bbox.x1  # not clipped


def test_number_vectors_fall_into_the_planted_clusters():
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    centres = 10 * np.eye(10)[np.arange(60) // 6]
    found = clusters(centres + 0.01 * rng.standard_normal((60, 10)))
    assert len(set(found)) == 10 and all(len(set(found[6 * c : 6 * c + 6])) == 1 for c in range(10))
    unclear = rng.standard_normal((40, 2))  # another start ends elsewhere
    assert clusters(unclear).tolist() == KMeans(10, n_init=10, random_state=0).fit_predict(unclear).tolist()
    assert len(set(clusters(unclear[:7]))) == 7
    chart = vectors.number_map(centres + 0.01 * rng.standard_normal((60, 10)))
    *groups, names = chart.panels[0].marks
    assert sum(len(group.x) for group in groups) == 60 and list(names.text) == ["0", "10", "20", "30", "40", "50"]


def test_committed_spectra_have_their_labels():
    """Golden: the labels that a reader sees, from the arrays and rows of our own runs."""
    rows = [row for row in read_jsonl(NARROW / "dissect.jsonl") if row["table"] == "embedding_components"]
    expected = {
        "pretrained, as it is": ["T=10", "T=5", "T=3.33", "T=2.5", "T=2"],
        "pretrained, fine-tuned, 80 % of the pairs": ["T=10", "T=5"],
    }
    for arm, labels in expected.items():
        folder = NARROW / "arrays" / slug(f"{arm} seed0")
        spectrum = load_file(folder / "embedding_spectrum.safetensors")["embedding_spectrum"]
        mine = [row for row in rows if row["arm"] == arm and row["seed"] == 0]
        chart = spectra.embedding_spectra({arm: (spectrum, None, mine)}, P)
        assert [text for text in marks(chart, Points)[0].text if text] == labels
    maps = [load_file(folder / f"layer_component_mlp{s}.safetensors")[f"layer_component_mlp{s}"]
            for s in ("", "_rms", "_limit")]  # fmt: skip
    few = spectra.layer_components({"MLP": tuple(maps)}, P)
    assert [mark.name for mark in marks(few, Points)] == [
        "stands out from its neighbours"
    ]  # nothing beyond the control


@pytest.mark.parametrize("name", [name for name in (*FIGURES, *COMPARISONS) if name not in ("cutoffs", "bands")])
def test_every_figure_is_drawn_both_ways_from_real_runs(tiny_runs, name):
    runs = find_runs([tiny_runs])
    drawn_both_ways(comparison(name, runs) if name in COMPARISONS else FIGURES[name].make(runs[0]))


def drawn_both_ways(chart):
    """Both renderers draw every mark of a chart."""
    assert chart is not None and chart.caption and all(p.x.label and p.y.label for p in chart.panels)
    figure = draw(chart)
    assert len([a for sub in figure.subfigs for a in sub.axes]) >= len(chart.panels)
    drawn = sum(len(panel.marks) for panel in chart.panels)
    rules = sum(isinstance(mark, Rule) for panel in chart.panels for mark in panel.marks)
    page = interactive(chart)
    assert len(page.data) == drawn - rules and len(page.layout.shapes) == rules


def test_renderers_draw_the_numbers():
    chart = accuracy.learning_curves({"a": [([1, 2], [0.25, 0.5])]})
    axes = draw(chart).subfigs[0].axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[25, 50], [25, 50]]
    assert [list(trace.y) for trace in interactive(chart).data] == [[25, 50], [25, 50]]
    assert axes.get_ylabel() == interactive(chart).layout.yaxis.title.text == "validation accuracy, exact (%)"


def test_each_arm_keeps_its_colour():
    arms = {"scratch, 20 % of the pairs": "scratch", "scratch, 80 % of the pairs": "scratch", "b": "fine_tuned-frozen"}
    chosen = colours(["something else", *arms], arms)
    assert [chosen[label] == ARM_COLOURS[key] for label, key in arms.items()] == [True, False, True]
    assert len(set(chosen.values())) == 4 and chosen["something else"] not in ARM_COLOURS.values()
