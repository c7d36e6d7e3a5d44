"""The ledger's claims and the numbers that decide them, on records made for each side of a bound."""

import numpy as np
import pytest

from fourier_lightning.claims import filtered, measures
from fourier_lightning.claims import waves as wave_claims
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from fourier_lightning.readings import waves
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run, find_runs


def test_the_ledger_is_complete():
    assert len({one.name for one in CLAIMS}) == len(CLAIMS) >= 25
    for one in CLAIMS:
        assert one.statement and one.where and one.paper and one.subject
        assert (one.measure and one.bound and not one.needs) or (one.needs and not one.measure)
    rows = [one for one in CLAIMS if one.name.startswith("table_1_")]
    assert len(rows) == 6  # the seventh, no filter, is fine_tuned_adds
    limits = {one.name.removeprefix("table_1_"): (one.bound.side, round(one.bound.limit, 3)) for one in rows}
    assert limits == {
        "attn_mlp_low": ("below", 0.53), "attn_low": ("above", 0.95), "mlp_low": ("below", 0.68),
        "attn_mlp_high": ("below", 0.636), "attn_high": ("below", 0.893), "mlp_high": ("above", 0.95),
    }  # fmt: skip
    for name in ("multiplication_periods", "prompted_errors", "closed_errors"):
        assert any(one.name == name and one.needs for one in CLAIMS)


def contrast(trained) -> list[Run]:
    """Two seeds with the pretrained table, and two from scratch."""
    runs = find_runs([trained])
    return [runs[index] for index in (0, 1, 5, 6)]


@pytest.fixture
def planted(dissected) -> Run:
    """A committed record whose tables a test may overwrite in memory, as if of a number line of 41."""
    run = find_runs([dissected / "4"])[0]
    run.info["p"] = 41
    return run


def put(run: Run, **tables) -> Run:
    run._read |= {f"tables/{name}": rows for name, rows in tables.items()}
    return run


def test_filter_measures_on_planted_tables(planted):
    def row(modules, removed, accuracy, mod_10, control=0.5, method="readout", refused=None):
        return {
            "modules": modules, "removed": removed, "accuracy": accuracy, "mod_10": mod_10, "method": method,
            "refused": refused, "control_accuracy_mean": control, "control_mod_10_mean": 0.55, "cutoff": 5, "loss": 1.0,
        }  # fmt: skip

    table = [
        row("none", "none", 0.8, 0.9, None), row("mlp", "low", 0.2, 0.6), row("attn", "low", 0.76, 0.8),
        row("mlp", "high", 0.7, 0.7), row("attn", "high", 0.4, 0.5),
        row("attn", "high", None, None, None, "projection", "no null space"),
        row("attn", "low", 0.1, 0.1, 0.1, "projection"),
    ]  # fmt: skip
    put(planted, filter_ablation=table)
    kept = filtered.kept_accuracy("mlp", "low")(planted, [])
    assert (kept.value, kept.control) == (pytest.approx(0.25), pytest.approx(0.625))
    assert filtered.kept_accuracy("attn", "low")(planted, []).value == pytest.approx(0.95)  # one method for all
    assert filtered.kept_accuracy("attn_mlp", "low")(planted, []) is None
    tens = filtered.tens_among_errors(planted, [])
    assert tens.value == pytest.approx(0.4 / 0.8) and tens.control == pytest.approx(0.1)
    harmless = filtered.kept_accuracy("attn", "low", harmless=0.95)
    assert harmless(planted, []).blunt and not filtered.kept_accuracy("mlp", "low")(planted, []).blunt
    table[2]["control_accuracy_mean"] = 0.78
    assert not harmless(planted, []).blunt  # random filters of this rank are harmless
    table[2]["control_accuracy_mean"] = 0.5
    labour = filtered.division_of_labour(planted, [])
    assert labour.value == pytest.approx(min(0.76 - 0.2, 0.7 - 0.4)) and labour.control == pytest.approx(0)
    assert not labour.blunt
    table[1]["control_accuracy_mean"] = 0.1
    assert "no room" in filtered.division_of_labour(planted, []).blunt
    histogram = [
        {"modules": m, "removed": "high", "method": "readout", "error": e, "count": c}
        for m, e, c in (("attn", 0, 90), ("attn", 5, 6), ("attn", -6, 3), ("attn", 40, 1), ("mlp", 40, 99))
    ]
    small = filtered.small_errors(put(planted, error_histogram=histogram), [])
    assert small.value == pytest.approx(0.6) and small.n == 10


def test_single_wave_measures_on_planted_tables(planted):
    rows = [{"period": t, "mod_2": 0.99, "accuracy": 0.1, "control_mod_2_mean": 0.5, "control_accuracy_mean": 0.2,
             "method": "readout"} for t in (2.0, 40.0)]  # fmt: skip
    put(planted, single_component=rows)
    parity = filtered.single_wave(lambda run: 2.0, "mod_2")(planted, [])
    assert (parity.value, parity.control) == (0.99, 0.5)
    wrong = filtered.single_wave(lambda run: run.p - 1.0, "accuracy", wrong=True)(planted, [])
    assert (wrong.value, wrong.control) == (0.9, 0.8)
    assert filtered.single_wave(lambda run: 7.0, "mod_2")(planted, []) is None
    errors = [{"period": 40.0, "error": e, "count": 10} for e in (-4, 0, 4, 5)]
    bell = filtered.longest_wave_near(put(planted, single_component_errors=errors), [])
    assert bell.value == 0.75 and bell.n == 40  # within 41 / 10


def layers(planted, lines, beyond=()):
    """A record of two layers whose MLPs and attentions have lines at these (module, layer, period)."""
    rng = np.random.default_rng(0)
    planted.info["p"] = 521
    rows = []
    for module in ("mlp", "attn"):
        rms = rng.uniform(0.9, 1.1, (2, 260))
        for name, layer, period in lines:
            if name == module:
                rms[layer, round(521 / period) - 1] = 4
        planted._read[f"arrays/layer_component_{module}_rms"] = rms
        rows += [
            {"module": module, "layer": layer, "period": t, "z": 1.0,
             "p_value": 0.01 if (module, layer, t) in beyond else 0.5}
            for layer in (0, 1) for t in SHORT
        ]  # fmt: skip
    return put(planted, layer_periods=rows)


def test_lines_of_layers_and_what_random_directions_show(planted):
    found = [("mlp", 0, 2.0), ("mlp", 1, 2.5), ("mlp", 1, 5.0), ("attn", 0, 5.0), ("attn", 1, 10.0)]
    layers(planted, found)
    measured = wave_claims.layer_outliers("mlp")(planted, [])
    assert (measured.value, measured.control) == (0.75, 0.75)  # all of it is the unembedding's own
    layers(planted, found, beyond={("mlp", 1, 5.0), ("mlp", 0, 2.0), ("mlp", 0, 10.0)})
    measured = wave_claims.layer_outliers("mlp")(planted, [])
    assert (measured.value, measured.control) == (0.75, 0.25)  # T = 10 is beyond them, but is no line
    both = wave_claims.layer_outliers("attn", periods=(5.0, 10.0))(planted, [])
    one = wave_claims.layer_outliers("attn", periods=(5.0, 10.0), together=True)(planted, [])
    assert (both.value, one.value) == (1.0, 0.5)  # in two layers, not in one
    del planted.table("layer_periods")[0]
    assert wave_claims.layer_outliers("mlp")(planted, []) is None  # not all periods were asked for
    assert wave_claims.layer_outliers("attn")(layers(planted, []), []).value == 0


def test_wave_measures_on_planted_records(planted):
    embedding = [{"line": "numbers", "period": t, "significant": t < 6, "share": 0.1} for t in (2.0, 2.5, 5.0, 10.0)]
    planted._read["arrays/embedding_spectrum"] = np.linspace(2, 1, 20)
    assert wave_claims.embedding_outliers(put(planted, embedding_periods=embedding), []).value == 0.75
    total = np.zeros((1, planted.p))
    total[0, 12] = 1
    planted._read["arrays/final_logits_topk_sum"] = total
    put(planted, final_logit_waves=[{"a": 4, "b": 5, "answer": 10, "band": "all", "period": 2.0}])
    assert wave_claims.wave_sum_error(planted, []).value == 2  # from what the record calls the answer
    put(planted, filter_ablation=[{"cutoff": 10}])
    planted._read["arrays/layer_component_mlp_rms"] = np.ones((2, 20))
    planted._read["arrays/layer_component_mlp_limit"] = np.repeat([[0.5] * 3 + [2.0] * 17], 2, axis=0)
    planted._read["arrays/layer_component_attn_rms"] = np.ones((2, 20))
    planted._read["arrays/layer_component_attn_limit"] = np.repeat([[2.0] * 17 + [0.5] * 3], 2, axis=0)  # high alone
    assert wave_claims.low_outliers(planted, []).value == 3
    planted._read["arrays/layer_component_attn_limit"][0, 4] = 0.5
    assert wave_claims.low_outliers(planted, []).value == 0  # the claim is that attention has none
    by_magnitude = np.eye(10)[np.arange(41) * 10 // 41] + 1e-3 * np.random.default_rng(0).standard_normal((41, 10))
    planted._read["arrays/number_embedding"] = by_magnitude
    assert wave_claims.cluster_order(planted, []).value < 0.1  # magnitude alone is not both


def test_near_before_exact_is_below_the_last_layer(planted):
    def row(layer, after, exact, near):
        return {"layer": layer, "after": after, "accuracy": exact, "within_10": near}

    rows = [row(-1, "embed", 0, 1), row(0, "attn", 0.1, 0.3), row(0, "mlp", 0.1, 0.6), row(1, "attn", 0, 0.9)]
    put(planted, lens_accuracy=[*rows, row(1, "mlp", 0.9, 1.0)])
    assert measures.lens_gap(planted, []).value == pytest.approx(0.5)
    put(planted, lens_accuracy=[*rows, row(1, "mlp", 0.2, 1.0)])
    assert measures.lens_gap(planted, []).blunt == "the model does not add"


def test_a_line_on_a_trend_stands_out_and_noise_does_not():
    k, rng = np.arange(1, 261), np.random.default_rng(0)
    trend = 1e3 / k**2 * rng.uniform(0.8, 1.25, 260)
    found, elsewhere = waves.lines(trend, 521)
    assert not any(waves.stands_out(value, elsewhere) for value in found.values())
    trend[103] *= 8  # k = 104, T = 5
    found, elsewhere = waves.lines(trend, 521)
    assert found[5.0] > 5 and elsewhere < 2.5  # a line is no control for itself
    assert [t for t in SHORT if waves.stands_out(found[t], elsewhere)] == [5.0]
    trend[130] *= 20  # T = 3.98 is no harmonic of 10
    found, elsewhere = waves.lines(trend, 521)
    assert not waves.stands_out(found[5.0], elsewhere)
    assert waves.lines(np.ones(21), 43)[0][2.0] == 1  # an odd largest operand: T = 2 is past the last component


def test_contrasts_compare_the_same_task(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
    gains = [measures.advantage("scratch")(run, found).value for run in found[:2]]
    np.testing.assert_allclose(gains, [0.6, 0.3])  # each against the scratch run of its own seed
    found[2].config["data"]["train_fraction"] = 0.5
    assert measures.advantage("scratch")(found[0], found).value == pytest.approx(0.4)  # only seed 1 is left
    found[3].info["p"] = 61
    assert measures.advantage("scratch")(found[0], found) is None
    found = contrast(trained)
    for run, curve in zip(found, ([0.1, 0.6], [0.1, 0.2], [0.1, 0.2], [0.6, 0.7]), strict=True):
        run._read["metrics"] = [{"epoch": e, "val/accuracy": value} for e, value in enumerate(curve)]
    faster = measures.speed("scratch")
    assert [faster(run, found).value for run in found[:2]] == [1.0, 1.0]
    found[0]._read["metrics"][0]["val/accuracy"] = 0.5
    assert faster(found[0], found).value == 0.5 and "never in 2" in faster(found[0], found).detail
    found[0]._read["metrics"] = [{"epoch": 0, "val/accuracy": 0.9}]
    assert faster(found[0], found) is None  # one epoch is no curve
    assert measures.speed("fine_tuned")(found[1], found) is None  # nobody to compare with
    for run in found:
        run._read["metrics"] = [{"epoch": e, "val/accuracy": 0.1} for e in range(3)]
    assert faster(found[0], found) is None  # neither ever gets there
    assert measures.speed("scratch", level=0.1)(found[0], found).detail == "1 epochs; the other 1"
    found[2]._read["metrics"][1]["val/accuracy"] = 0.5
    assert (faster(found[0], found).value, faster(found[0], found).detail) == (1.0, "never reaches 50%")


def test_a_contrast_says_what_else_differs(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
    assert measures.advantage("scratch")(found[0], found).detail == "90.00% against 30.00%"
    for group, key, value in (("model", "width", 7), ("model", "n_layer", 7), ("optimizer", "lr", 7.0),
                              ("trainer", "max_epochs", 7), ("model", "body", "other")):  # fmt: skip
        before = found[0].config[group][key]
        found[0].config[group][key] = value
        detail = measures.advantage("scratch")(found[0], found).detail
        assert detail == "90.00% against 30.00%, of another body or recipe", key
        found[0].config[group][key] = before
    for key, value in (("templates", ["plain"]), ("pairs", "ordered")):
        other = contrast(trained)
        other[0].config["data"][key] = value
        assert measures.matching(other[0], other, "scratch") == []
    del found[0].info["metrics"]["test/accuracy"]
    assert measures.advantage("scratch")(found[0], found) is None


def test_a_metric_is_a_proportion_of_its_splits_rows(planted):
    planted.info |= {"metrics": {"test/accuracy": 0.9}, "rows": {"test": 100, "val": 7}}
    assert measures.metric("test/accuracy")(planted, []) == Measured(0.9, n=100)
    assert measures.metric("val/accuracy")(planted, []) is None
    del planted.info["rows"]
    assert measures.metric("test/accuracy")(planted, []) == Measured(0.9)


def test_near_misses_are_of_the_wrong_answers(planted):
    planted.info["metrics"] = {"test/accuracy": 0.9, "test/within_2": 0.98}
    planted.info["rows"] = {"test": 100}
    found = measures.near_misses(planted, [])
    assert found.value == pytest.approx(0.8) and found.n == 10
    planted.info["metrics"] = {"test/accuracy": 1.0, "test/within_2": 1.0}
    assert measures.near_misses(planted, []) is None
