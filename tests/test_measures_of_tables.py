"""The ledger's measures of token tables, module spectra and phases, on records made for each side of a bound."""

import numpy as np
import pytest

from fourier_lightning.claims import measures
from fourier_lightning.claims import waves as wave_claims
from fourier_lightning.readings import waves
from fourier_lightning.readings.neighbours import enrichment, nearest
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.files import write_jsonl
from tests.planted import embedding, phases, put


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ((0.5, 2.0, 0.05), True),
        ((0.5 - 1e-6, 2.0, 0.05), False),  # it does not point at the answer
        ((0.5, 2.0 - 1e-6, 0.05), False),  # not twice what T = 3 and 7 have
        ((0.5, 2.0, 0.05 + 1e-6), False),  # not beyond the nulls
    ],
)
def test_a_wave_is_written_if_real_aligned_and_more_than_meaningless_ones(planted, row, written):
    found = wave_claims.writes("mlp", periods=(2.0,))(phases(planted, {("mlp", 1, 2.0): row}), [])
    assert (found.value >= 1, found.tested) == (written, False) and found.value == pytest.approx(
        {2.0: 0 if row[0] < 0.5 or row[2] > 0.05 else 1}.get(round(row[1], 3)), abs=1e-5
    )
    assert wave_claims.writes("attn", periods=(2.0,))(planted, []).value <= 0


def test_a_bump_is_no_period(planted):
    """T = 10 that stands over T = 3 and 7 and not over T = 9 and 11: what a trained scratch arm has."""
    row = {("mlp", 1, 10.0): (0.9, 2.0, 0.01)}
    for beside, written in ((0.0, True), (1.0, True), (1.0 + 1e-6, False), (2.0, False), (None, True)):
        found = wave_claims.writes("mlp", periods=(10.0,))(phases(planted, row, beside=beside), [])
        assert (found.value >= 1) == written, beside
    for old in planted.table("answer_phase"):
        del old["bracket_amount"]
    assert wave_claims.writes("mlp", periods=(10.0,))(planted, []) is None  # of before there were brackets


def test_layers_that_write_waves(planted):
    real = (0.9, 5.0, 0.01)
    keys = [("mlp", 0, 2.0), ("mlp", 1, 2.5), ("mlp", 1, 5.0), ("attn", 0, 5.0), ("attn", 1, 10.0), ("mlp", 0, 40.0)]
    phases(planted, dict.fromkeys(keys, real))
    found = wave_claims.writes("mlp", needed=4)(planted, [])
    assert found.value <= 0 and "mlp 1 T=5 (alignment 0.90, 5.0 times its controls)" in found.detail
    five = pytest.approx(np.log2(5))
    assert [wave_claims.writes("mlp", needed=n)(planted, []).value for n in (1, 2, 3)] == [five] * 3
    both = wave_claims.writes("attn", periods=(5.0, 10.0), needed=2)(planted, [])
    single = wave_claims.writes("attn", periods=(5.0, 10.0), needed=2, together=True)(planted, [])
    assert both.value == five and single.value <= 0  # in two layers, not in one
    assert wave_claims.writes("mlp", "attn", needed=4)(planted, []).value == five
    assert wave_claims.longest_in_mlp_alone(planted, []).value == 1
    phases(planted, dict.fromkeys([*keys, ("attn", 0, 40.0)], real))
    assert wave_claims.longest_in_mlp_alone(planted, []).value == 0
    by_heart = {(m, layer, t): (1.0, 5.0, 0.01) for m in ("mlp", "attn") for layer in (0, 1) for t in SHORT}
    alike = wave_claims.writes("mlp")(phases(planted, by_heart, control=4.0), [])
    assert alike.value == pytest.approx(np.log2(5 / 4)) and alike.detail == "none written"  # all periods alike
    assert wave_claims.writes("mlp")(phases(planted, by_heart, control=-1.0), []).value == 4  # 16 times: enough
    planted.table("answer_phase").pop(0)
    assert wave_claims.writes("mlp")(planted, []) is None  # not all periods were asked for


def test_an_outlier_is_beyond_a_null(planted):
    assert wave_claims.embedding_outliers()(embedding(planted), []).value == 0.75  # standing out is not enough
    assert wave_claims.embedding_outliers()(embedding(planted, p_value_detrended=0.05), []).value == 1
    assert wave_claims.embedding_outliers()(embedding(planted, p_value_detrended=0.06), []).value == 0.75
    planted._read["arrays/embedding_spectrum"] = np.ones(260)
    assert wave_claims.embedding_outliers()(put(embedding(planted, p_value_detrended=0.05),
           embedding_periods=[]), []) is None  # fmt: skip


@pytest.mark.parametrize(("power", "value"), [(0.5, 1.0), (0.5 - 1e-6, 0.5), (2.0, 1.0)])
def test_a_line_is_kept_with_half_of_its_power(planted, tmp_path, power, value):
    """Of two periods that are outliers still, and two whose shares fell because others' power grew."""
    start = {"line": "numbers", "significant": True, "step": -1, "epoch": -1, "power": 3.0}
    first = [{**start, "period": t} for t in SHORT]
    later = [{**row, "step": 1, "epoch": 0, "power": 9.0} for row in first]  # what an epoch made of it is no start
    last = [{**row, "step": 9, "epoch": 1, "power": 3 * power, "significant": row["period"] < 3} for row in first]
    planted._read["arrays/embedding_spectrum"] = np.ones(20)
    planted.dir = tmp_path
    (tmp_path / "record" / "tables").mkdir(parents=True)
    write_jsonl(tmp_path / "record" / "tables" / "embedding_periods.jsonl", [*first, *later, *last])
    found = wave_claims.embedding_outliers(kept=True)(planted, [])
    assert found.value == value and found.tested
    told = ", ".join(f"T={t:g} {power:.2f}" for t in SHORT)
    assert told in found.detail
    assert wave_claims.embedding_outliers()(planted, []).value == 0.5
    del planted._read["tables/embedding_periods"]
    write_jsonl(tmp_path / "record" / "tables" / "embedding_periods.jsonl", [*later, *last])
    assert wave_claims.embedding_outliers(kept=True)(planted, []).value == 0.5  # nothing of the start


def test_neighbours_of_like_size_and_last_digit(planted):
    """A table of digits and tenths has both, either alone has one, and a random one none."""
    rng, x = np.random.default_rng(0), np.arange(200)
    digits, tenths = np.eye(10)[x % 10], np.eye(10)[x * 10 // 200]
    noise = 0.1 * rng.standard_normal((200, 10))

    def measured(table):
        planted._read["arrays/number_embedding"] = table
        return wave_claims.neighbours_alike(planted, [])

    assert measured(np.hstack([digits, tenths]) + 0.1 * rng.standard_normal((200, 20))).value > 3
    waves = [f(2 * np.pi * x / t) for t in (10, 5, 2.5, 100) for f in (np.sin, np.cos)]
    short = np.stack(waves, axis=1)[:61]  # of 61 numbers the nearest of the same last digit are ten away
    assert measured(short + 0.01 * rng.standard_normal(short.shape)).value > 2
    strong = np.hstack([digits, 0.15 * x[:, None]]) + 0.01 * rng.standard_normal((200, 11))
    assert np.abs(nearest(strong) - x).max() <= 2 and measured(strong).value > 2  # the next number hides no digit
    for table in (digits + noise, tenths + noise, noise):
        assert measured(table).value <= 1.5 and measured(table).tested
    planted._read["arrays/number_embedding"] = None
    assert wave_claims.neighbours_alike(planted, []) is None


def test_enrichment_is_against_random_orders():
    neighbour = nearest(np.arange(60)[:, None] ** 1.01)
    assert set(np.abs(neighbour - np.arange(60))) == {1}  # the nearest other number, never itself
    assert set(np.abs(nearest(np.arange(60)[:, None] ** 1.01, 5) - np.arange(60))) == {6}
    size = enrichment(np.arange(60) * 10 // 60, neighbour)
    assert size.share > 0.8 and size.chance == pytest.approx(5 / 59, abs=0.01) and size.p_value == 1 / 1000
    digit = enrichment(np.arange(60) % 10, neighbour)
    assert (digit.share, digit.p_value) == (0, 1)


def test_few_waves_against_random_ones(planted):
    row = {"waves": 5, "prompts": 500, "accuracy": 0.9, "exact": 0.7, "control_exact_mean": 0.2,
           "control_exact_std": 0.05, "control_draws": 20}  # fmt: skip
    found = wave_claims.few_waves(put(planted, few_waves=[row]), [])
    assert (found.value, found.control, found.control_std, found.draws, found.n) == (0.7, 0.2, 0.05, 20, 500)
    assert wave_claims.few_waves(put(planted, few_waves=[]), []) is None


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
