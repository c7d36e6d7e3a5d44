"""Readings of spectra on records that are made up by hand: lines, outliers, cut-offs, clusters, in words too."""

import numpy as np
import pytest

from fourier_lightning.readings import waves, words
from tests.records import run_of

P = 521


def magnitudes(*layers: dict[int, float]) -> np.ndarray:
    """(layers, 260): one, and other magnitudes at some k."""
    values = np.ones((len(layers), 260))
    for row, peaks in zip(values, layers, strict=True):
        for k, value in peaks.items():
            row[k - 1] = value
    return values


def test_lines_are_prominence_at_the_papers_periods_and_the_most_elsewhere():
    power = magnitudes({52: 9.0, 104: 4.0, 260: 16.0, 80: 3.0, 5: 99.0})[0]
    assert waves.lines(power, P) == ({2.0: 16.0, 2.5: 1.0, 5.0: 4.0, 10.0: 9.0}, 3.0)
    assert waves.lines(power, P, (10.0, 100.2)) == ({10.0: 9.0, 100.2: 99.0}, 3.0)
    assert waves.lines(np.ones(10), 21)[1] == np.inf  # there is no elsewhere


def test_lines_of_layers():
    rms = magnitudes({52: 3.0, 104: 1.2}, {52: 2.0, 260: 3.0, 80: 2.5}, {})  # magnitudes: their squares are compared
    run = run_of(arrays={"layer_component_mlp_rms": rms, "layer_component_attn_rms": magnitudes({})})
    assert waves.layer_lines(run, "mlp") == [{10.0: 9.0}, {2.0: 9.0}, {}]
    assert waves.layer_lines(run, "mlp", (10.0,)) == [{10.0: 9.0}, {}, {}]
    assert waves.lines_of(run, "mlp") == [2.0, 10.0] and waves.lines_of(run, "attn") == []
    assert words.lines(run, "mlp") == "T = 2, 10" and words.lines(run, "attn") == "none"
    assert waves.layer_lines(run_of(), "mlp") is waves.lines_of(run_of(), "mlp") is None
    assert words.lines(run_of(), "mlp") == "-"


def test_what_is_beyond_random_directions():
    found = (("mlp", 0, 10.0, 0.5), ("mlp", 1, 10.0, 0.05), ("mlp", 0, 10 / 3, 0.01), ("mlp", 1, 2.0, 0.06),
             ("attn", 0, 5.0, 0.01), ("attn", 0, 7.0, 0.3))  # fmt: skip
    rows = [{"module": module, "layer": layer, "period": t, "p_value": p} for module, layer, t, p in found]
    run = run_of(layer_periods=rows)
    assert waves.against_random(run, "attn") == {(0, 5.0): rows[4], (0, 7.0): rows[5]}
    assert waves.beyond_random(run, "mlp") == ([10 / 3, 10.0], [2.0, 10 / 3, 10.0])
    assert words.beyond_random(run, "mlp") == "T = 3.33, 10"
    rows[4]["p_value"] = 1.0
    assert words.beyond_random(run, "attn") == "none of T = 5, 7"


def test_what_lies_below_the_cutoff():
    rms = magnitudes({3: 3.0, 9: 2.0}, {3: 2.0, 5: 2.0})
    run = run_of(arrays={"layer_component_mlp_rms": rms}, filter_ablation=[{"cutoff": 10}, {"cutoff": 3}])
    assert waves.cutoff_of(run) == 10
    assert waves.low_share(run, "mlp") == pytest.approx((9 + 4 + 4 + 4 + 14) / (9 + 4 + 4 + 4 + 516))
    lacking = run_of(arrays={"layer_component_mlp_rms": rms})
    assert waves.low_share(lacking, "mlp") is waves.low_share(run, "attn") is None  # no table; no array


def test_lines_of_an_embedding_stand_out_or_are_beyond_all_nulls():
    found = (("operands", 10.0, True), ("numbers", 3.0, True), ("numbers", 2.0, False), ("numbers", 2.5, True),
             ("numbers", 5.0, False), ("numbers", 10.0, False))  # fmt: skip
    shared = {"step": 7, "p_value_detrended": 0.05}
    rows = [{**shared, "line": line, "period": t, "significant": beyond} for line, t, beyond in found]
    arrays = {"embedding_spectrum": magnitudes({52: 3.0, 104: 2.0, 80: 2.0})[0]}
    run = run_of(arrays=arrays, embedding_periods=rows)
    peaks = {2.0: 1.0, 2.5: 1.0, 5.0: 4.0, 10.0: 9.0}
    assert waves.embedding_lines(run) == (peaks, 4.0, [2.5, 10.0])  # T = 5 is no more than what is elsewhere
    assert waves.embedding_periods(run) == ([3.0, 2.5], [3.0, 2.0, 2.5, 5.0, 10.0])
    assert waves.embedding_lines(run_of(embedding_periods=rows)) is None
    assert waves.embedding_lines(run_of(arrays=arrays, embedding_periods=rows[:-1])) is None


def test_dots_are_peaks_among_the_numbers_components():
    magnitude = magnitudes({20: 3.0, 22: 2.0, 40: 3.0, 60: 3.0})[0]
    rows = [{"line": line, "component": k, "p_value_detrended": p}
            for line, k, p in (("numbers", 20, 0.05), ("numbers", 22, 0.01), ("numbers", 40, 0.06),
                               ("operands", 60, 0.01))]  # fmt: skip
    assert waves.embedding_peaks(magnitude, rows) == [20]
    assert waves.is_peak(magnitude, 22, reach=1) and waves.is_peak(magnitude, 18, reach=1)
    assert waves.is_peak(np.array([1.0, 2.0]), 2) and not waves.is_peak(np.array([1.0, 2.0]), 1)


def test_the_labelled_periods_have_a_component_each():
    found = {k: waves.nearest_labelled(k, P) for k in range(1, 261)}
    assert {k: t for k, t in found.items() if t} == {52: 10, 104: 5, 156: 10 / 3, 208: 2.5, 260: 2}


def test_the_strongest_layer_has_the_largest_share_of_its_power_there():
    x = np.arange(100)
    wave = lambda t: np.cos(2 * np.pi * x / t)  # noqa: E731
    layers = np.stack([9 * wave(10) + 9 * wave(7) + 50, wave(10) + 0.1 * wave(7), wave(5), 0 * x])
    assert waves.strongest_layer(layers, [10.0]) == 1 and waves.strongest_layer(layers, [5.0, 10.0]) == 2
    assert waves.strongest_layer(layers[:1], [10.0]) == 0


def test_waves_of_final_logits():
    found = (("all", 521.0), ("all", 10.0), ("low", 521.0), ("all", 2.0))
    rows = [{"a": 5, "b": b, "answer": 5 + b, "band": band, "period": t} for b in (3, 4) for band, t in found]
    run = run_of(final_logit_waves=rows)
    assert waves.first_prompt(run) == rows[:4] and waves.first_prompt(run_of()) == []
