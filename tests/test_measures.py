"""The ledger's claims and the numbers that decide them, on records made for each side of a bound."""

import numpy as np
import pytest

from fourier_lightning.claims import contrasts, filtered, measures
from fourier_lightning.claims import waves as wave_claims
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from fourier_lightning.readings import waves
from fourier_lightning.readings.contrasts import unequal_arms
from fourier_lightning.readings.neighbours import enrichment, nearest
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.files import write_jsonl
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.report import summary


def test_the_ledger_is_complete():
    assert len({one.name for one in CLAIMS}) == len(CLAIMS) >= 25
    for one in CLAIMS:
        assert one.statement and one.where and one.paper and one.subject
        assert bool(one.measure) == bool(one.bound) and (one.measure or one.needs)
    rows = [one for one in CLAIMS if one.name.startswith("table_1_")]
    assert len(rows) == 6  # the seventh, no filter, is fine_tuned_adds
    limits = {one.name.removeprefix("table_1_"): (one.fact, one.bound.limit) for one in rows}
    assert limits == {
        "attn_mlp_low": ("dissociates(attn_mlp, long)", 0.1), "attn_low": ("spares(attn, long)", 0.95),
        "mlp_low": ("dissociates(mlp, long)", 0.1), "attn_mlp_high": ("dissociates(attn_mlp, short)", 0.1),
        "attn_high": ("dissociates(attn, short)", 0.1), "mlp_high": ("spares(mlp, short)", 0.95),
    }  # fmt: skip
    for one in CLAIMS:  # what a model of known mechanism can't tell is how right a model is, and how soon
        told = one.about != "learning" and not one.needs
        assert bool(one.fact) == (told and one.tasks == ("addition",)), one.name  # the models of known mechanism add
    for name in ("prompted_errors", "closed_errors"):
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


METRICS = ("accuracy", "mod_2", "mod_10", "within_10")


def trial(columns, values, control=None, std=0.01, **more):
    """A row of a table of trials: accuracy, mod_2, mod_10, within_10 with a filter, and under equal energy."""
    row = {
        **columns,
        **dict(zip(METRICS, values, strict=True)),
        "energy": 0.3,
        "comparable": "",
        "control_draws": 5,
        "rank": 8,
    }
    for name, value in zip(METRICS, control or (None,) * 4, strict=True):
        row |= {f"control_energy_{name}_mean": value, f"control_energy_{name}_std": None if value is None else std}
    return {**row, "method": "readout", "refused": None, "cutoff": 5, "loss": 1.0, **more}


def table_1(**rows):
    """Table 1 by "modules_removed": (values, control, more); the whole model is right in 90 %."""
    table = [trial({"modules": "none", "removed": "none", "period": None}, (0.9, 0.95, 0.92, 0.99))]
    for name, (values, control, more) in rows.items():
        modules, removed = name.rsplit("_", 1)
        table.append(trial({"modules": modules, "removed": removed, "period": None}, values, control, **more))
    return table


RANDOM = (0.3, 0.5, 0.4, 0.6)  # what is right under random directions
GUESSES = [[abs(a + b - n) for n in range(41)] for a in range(21) for b in range(a, 21)]
LUCK = {"mod": np.mean(np.array(GUESSES) % 10 == 0), "near": np.mean(np.array(GUESSES) <= 10)}


def sure(share, kind):
    """A share less what a guess has of it, 1 for all right."""
    return max(0.0, (share - LUCK[kind]) / (1 - LUCK[kind]))


def test_what_stays_and_goes_without_waves(planted):
    """Long waves gone: the residue outlives the size. The whole model's gap and the control's are taken off.

    A whole model that is bad at residues has no residue that stays, though the gap closes (the last rows).
    """
    low = table_1(mlp_low=((0.2, 0.9, 0.9, 0.3), RANDOM, {}), attn_low=((0.9, 0.9, 0.92, 0.99), RANDOM, {}))
    put(planted, filter_ablation=low, direct_path=low)
    for path in ("flow", "direct"):
        found = filtered.dissociation("mlp", "low", path)(planted, [])
        control = sure(0.4, "mod") - sure(0.6, "near")  # the size that is left in 30 % is luck
        assert found.value == pytest.approx(sure(0.9, "mod") - control) and found.control is None
        assert found.control_std == pytest.approx(0.01 * np.hypot(1 / (1 - LUCK["mod"]), 1 / (1 - LUCK["near"])))
        assert found.draws == 5 and not found.incomparable
        harmless = filtered.dissociation("attn", "low", path)(planted, [])
        assert harmless.value == pytest.approx(sure(0.92, "mod") - sure(0.99, "near") - control)
        assert filtered.dissociation("attn_mlp", "low", path)(planted, []) is None
    assert filtered.dissociation("mlp", "low")(planted, []).detail == (
        "readout, energy 30%, control of equal energy: accuracy 20% (30%), mod 10 90% (40%), within 10 30% (60%)"
    )
    put(planted, filter_ablation=table_1(mlp_low=((0.2, 0.9, 0.9, 0.3), (0.3, 0.5, 0.8, 0.5), {})))
    found = filtered.dissociation("mlp", "low")(planted, [])
    assert found.value == pytest.approx(sure(0.9, "mod") - (sure(0.8, "mod") - sure(0.5, "near")))
    high = table_1(attn_high=((0.2, 0.5, 0.2, 0.9), RANDOM, {"comparable": "collapse"}))
    found = filtered.dissociation("attn", "high")(put(planted, filter_ablation=high), [])
    whole = sure(0.99, "near") - sure(0.92, "mod")
    assert found.value == pytest.approx(sure(0.9, "near") - sure(0.2, "mod") - whole)
    assert sure(0.6, "near") - sure(0.4, "mod") < whole and found.incomparable == "collapse"
    both = table_1(mlp_low=((0.0, 0.5, 0.15, 0.31), (0.3, 0.5, 0.4, 0.99), {}))
    both[0] |= {"mod_10": 0.4}
    found = filtered.dissociation("mlp", "low")(put(planted, filter_ablation=both), [])
    assert found.value == pytest.approx(sure(0.15, "mod"))  # the gap of 0.6 that closed is no credit
    old = table_1(mlp_low=((0.2, 0.9, 0.9, 0.3), None, {}))
    assert filtered.dissociation("mlp", "low")(put(planted, filter_ablation=old), []) is None  # no control of energy


WHOLE = {
    "energy": 0.81,
    **{f"control_{name}_{stat}": v for name in METRICS for stat, v in (("mean", 0.9), ("std", 0.03))},
}


def test_a_filter_that_takes_all_is_held_against_equal_rank(planted):
    """Random directions of as much energy are all that a module writes, too; of as many rows they are not, if few."""
    row = (0.2, 0.9, 0.9, 0.3), (0.2, 0.9, 0.9, 0.3)
    for energy, value, control in ((0.8, 0.0, "energy"), (0.81, sure(0.9, "near"), "rank")):
        put(planted, filter_ablation=table_1(mlp_low=(*row, {**WHOLE, "energy": energy, "rank": 8})))
        found = filtered.dissociation("mlp", "low")(planted, [])
        assert found.value == pytest.approx(value)
        assert f"control of equal {control}" in found.detail and not found.incomparable
    for rank, said in ((32, ""), (33, "it takes 81% of what these modules write, as any control would")):  # of 40
        put(planted, filter_ablation=table_1(mlp_low=(*row, {**WHOLE, "rank": rank})))
        assert filtered.dissociation("mlp", "low")(planted, []).incomparable == said
        assert filtered.tens_among_errors(planted, []).incomparable == said
    assert filtered.tens_among_errors(planted, []).control == pytest.approx(0)


def test_labour_that_is_not_divided_one_way_is_not_divided(planted):
    """Though the other way can't be told; if it is divided the one way, all hangs on the other."""
    blind = ((0.2, 0.5, 0.2, 0.9), RANDOM, {"comparable": "collapse"})
    stays, residue = ((0.9, 0.9, 0.92, 0.99), RANDOM, {}), ((0.2, 0.9, 0.9, 0.3), RANDOM, {})
    for mlp, attn, told in ((residue, stays, False), (stays, residue, True), (stays, stays, True)):
        rows = {"mlp_low": mlp, "attn_low": attn, "attn_high": blind, "mlp_high": stays}
        found = filtered.division_of_labour()(put(planted, filter_ablation=table_1(**rows)), [])
        assert bool(found.incomparable) != told and (found.value < 0.1 or not told)


def test_a_harmless_filter_leaves_the_accuracy(planted):
    put(planted, filter_ablation=table_1(attn_low=((0.81, 0.9, 0.9, 0.9), (0.86, 0.5, 0.4, 0.6), {}),
                                         mlp_high=((0.81, 0.9, 0.9, 0.9), (0.8, 0.5, 0.4, 0.6), {})))  # fmt: skip
    found = filtered.kept_accuracy("attn", "low")(planted, [])
    assert (found.value, found.control, found.blunt) == (pytest.approx(0.9), pytest.approx(0.86 / 0.9), "")
    assert filtered.kept_accuracy("mlp", "high")(planted, []).blunt  # random directions leave less than 95 %, too


def test_labour_is_divided_only_both_ways(planted):
    stays, size, residue = (0.9, 0.9, 0.92, 0.99), (0.2, 0.5, 0.2, 0.9), (0.2, 0.9, 0.9, 0.3)
    rows = {"mlp_low": (residue, RANDOM, {}), "attn_low": (stays, RANDOM, {}), "attn_high": (size, RANDOM, {}),
            "mlp_high": (stays, RANDOM, {})}  # fmt: skip
    found = filtered.division_of_labour()(put(planted, filter_ablation=table_1(**rows)), [])
    size_stays = sure(0.9, "near") - sure(0.2, "mod") - (sure(0.99, "near") - sure(0.92, "mod"))
    assert found.value == pytest.approx(min(sure(0.9, "mod"), size_stays)) and found.control_std is None
    rows["mlp_high"] = (size, RANDOM, {"comparable": "collapse"})
    found = filtered.division_of_labour()(put(planted, filter_ablation=table_1(**rows)), [])
    assert found.value == pytest.approx(0) and found.incomparable == "collapse"
    rows["mlp_high"] = (size, RANDOM, {})
    found = filtered.division_of_labour()(put(planted, filter_ablation=table_1(**rows)), [])
    assert found.value == pytest.approx(0) and not found.incomparable
    assert filtered.division_of_labour("direct")(planted, []) is None


def test_errors_without_waves(planted):
    low = ((0.2, 0.9, 0.6, 0.3), RANDOM, {})
    tens = filtered.tens_among_errors(put(planted, filter_ablation=table_1(mlp_low=low)), [])
    assert tens.value == pytest.approx(0.4 / 0.8) and tens.control == pytest.approx(0.1 / 0.7)
    assert tens.control_std == pytest.approx(0.01 * 2**0.5 / 0.7) and not tens.incomparable
    for accuracy, said in ((0.885, "no errors to look at"), (0.88 - 1e-9, "")):
        put(planted, filter_ablation=table_1(mlp_low=((accuracy, 0.9, 0.9, 0.9), RANDOM, {})))
        assert said in filtered.tens_among_errors(planted, []).incomparable
        assert bool(said) == bool(filtered.tens_among_errors(planted, []).incomparable)
    histogram = [
        {"modules": m, "removed": "high", "method": "readout", "error": e, "count": c}
        for m, e, c in (("attn", 0, 90), ("attn", 5, 6), ("attn", -6, 3), ("attn", 40, 1), ("mlp", 40, 99))
    ]
    high = table_1(attn_high=((0.2, 0.5, 0.2, 0.9), RANDOM, {}))
    small = filtered.small_errors(put(planted, error_histogram=histogram, filter_ablation=high), [])
    assert small.value == pytest.approx(0.6) and small.n == 10 and small.control == pytest.approx(0.3 / 0.7)


def test_single_waves(planted):
    rows = [trial({"period": t}, (0.1, 0.99, 0.2, 0.3), (0.2, 0.5, 0.2, 0.2)) for t in (2.0, 40.0)]
    put(planted, single_component=rows)
    kept = [trial({"modules": m, "removed": r, "period": 2.0}, (0.1, v, 0.2, 0.3), (0.2, 0.5, 0.2, 0.2))
            for m, r, v in (("attn_mlp", "period", 0.1), ("attn", "all but period", 0.2),
                            ("attn_mlp", "all but period", 0.8))]  # fmt: skip
    put(planted, direct_path=kept)
    for path, value in (("flow", 0.99), ("direct", 0.8)):
        parity = filtered.single_wave(wave_claims.at(2.0), "mod_2", path)(planted, [])
        assert (parity.value, parity.control, parity.control_std, parity.draws) == (value, 0.5, 0.01, 5)
        assert filtered.single_wave(wave_claims.at(7.0), "mod_2", path)(planted, []) is None
    errors = [{"period": 40.0, "error": e, "count": 10} for e in (-4, 0, 4, 5)]
    bell = filtered.longest_wave()(put(planted, single_component_errors=errors), [])
    assert bell.value == 0.5 and bell.n == 40  # wrong, and within 41 / 10
    direct = [{**one, "modules": "attn_mlp", "removed": "all but period"} for one in errors[1:]]
    put(planted, direct_errors=direct, direct_path=[{**kept[2], "period": 40.0}])
    assert filtered.longest_wave("direct")(planted, []).value == pytest.approx(1 / 3)
    with_exact = filtered.longest_wave("direct", exact=True)(planted, [])
    assert with_exact.value == pytest.approx(2 / 3)
    sums = [a + b for a in range(21) for b in range(a, 21)]
    assert bell.control == pytest.approx(np.mean([0 < abs(s - 20) <= 4.1 for s in sums]))
    assert with_exact.control == pytest.approx(np.mean([abs(s - 20) <= 4.1 for s in sums]))


def test_what_the_input_needs(planted):
    def rows(line):
        return [trial({"line": line, "removed": "none"}, (0.9, 0.95, 0.92, 0.99)),
                trial({"line": line, "removed": "short"}, (0.2, 0.5, 0.2, 0.9), RANDOM)]  # fmt: skip

    found = filtered.input_short(put(planted, input_waves=rows("numbers")), [])
    whole = sure(0.99, "near") - sure(0.92, "mod")
    assert found.value == pytest.approx(sure(0.9, "near") - sure(0.2, "mod") - whole)
    other = [{**row, "mod_10": 0.9} for row in rows("operands")]
    found = filtered.input_short(put(planted, input_waves=[*rows("numbers"), *other]), [])
    whole = sure(0.99, "near") - sure(0.9, "mod")
    assert found.value == pytest.approx(sure(0.9, "near") - sure(0.9, "mod") - whole)
    assert filtered.input_short(put(planted, input_waves=[]), []) is None


def phases(planted, written, layers=2, control=1.0):
    """A record in which these (module, layer, period): (alignment, amount, p_value) are written, and nothing else."""
    rows = []
    for module in ("mlp", "attn"):
        for layer in range(layers):
            for t in (*SHORT, 40.0, 3.0, 7.0):
                nothing = (0.9, control, 0.01) if t in (3.0, 7.0) else (0.1, 0.5, 0.5)
                one = dict(
                    zip(("alignment", "amount", "p_value"), written.get((module, layer, t), nothing), strict=True)
                )
                rows.append({"module": module, "layer": layer, "period": t, **one})
    return put(planted, answer_phase=rows)


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
    assert (found.value, found.tested) == (float(written), True)
    assert wave_claims.writes("attn", periods=(2.0,))(planted, []).value == 0


def test_layers_that_write_waves(planted):
    real = (0.9, 5.0, 0.01)
    keys = [("mlp", 0, 2.0), ("mlp", 1, 2.5), ("mlp", 1, 5.0), ("attn", 0, 5.0), ("attn", 1, 10.0), ("mlp", 0, 40.0)]
    phases(planted, dict.fromkeys(keys, real))
    found = wave_claims.writes("mlp")(planted, [])
    assert found.value == 0.75 and "mlp 1 T=5 (alignment 0.90, 5.0 times T = 3, 7)" in found.detail
    both = wave_claims.writes("attn", periods=(5.0, 10.0))(planted, [])
    one = wave_claims.writes("attn", periods=(5.0, 10.0), together=True)(planted, [])
    assert (both.value, one.value) == (1.0, 0.5)  # in two layers, not in one
    assert wave_claims.writes("mlp", "attn")(planted, []).value == 1
    assert wave_claims.longest_in_mlp_alone(planted, []).value == 1
    phases(planted, dict.fromkeys([*keys, ("attn", 0, 40.0)], real))
    assert wave_claims.longest_in_mlp_alone(planted, []).value == 0
    by_heart = {(m, layer, t): (1.0, 5.0, 0.01) for m in ("mlp", "attn") for layer in (0, 1) for t in SHORT}
    assert wave_claims.writes("mlp")(phases(planted, by_heart, control=4.0), []).value == 0  # all periods alike
    assert wave_claims.writes("mlp")(phases(planted, by_heart, control=-1.0), []).value == 1
    planted.table("answer_phase").pop(0)
    assert wave_claims.writes("mlp")(planted, []) is None  # not all periods were asked for


def embedding(planted, **columns):
    """A table that is beyond all nulls at T = 2, 2.5 and 5, with one component that stands out, at T = 10."""
    rows = [{"line": "numbers", "period": t, "significant": t < 6, "share": 0.1, "step": 9, **columns} for t in SHORT]
    planted.info["p"] = 521
    spectrum = np.ones(260)
    spectrum[51] = 3
    planted._read["arrays/embedding_spectrum"] = spectrum
    return put(planted, embedding_periods=rows)


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


def test_contrasts_compare_the_same_task(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
    gains = [contrasts.advantage("scratch")(run, found).value for run in found[:2]]
    np.testing.assert_allclose(gains, [0.6, 0.3])  # each against the scratch run of its own seed
    found[2].config["data"]["train_fraction"] = 0.5
    contrasts.by_question.cache_clear()  # records don't change; this one did
    assert contrasts.advantage("scratch")(found[0], found).value == pytest.approx(0.4)  # only seed 1 is left
    found[3].info["p"] = 61
    contrasts.by_question.cache_clear()
    assert contrasts.advantage("scratch")(found[0], found) is None
    found = contrast(trained)
    for run, curve in zip(found, ([0.1, 0.6], [0.1, 0.2], [0.1, 0.2], [0.6, 0.7]), strict=True):
        run._read["metrics"] = [{"epoch": e, "val/accuracy": value} for e, value in enumerate(curve)]
    faster = contrasts.speed("scratch")
    assert [faster(run, found).value for run in found[:2]] == [1.0, 1.0]
    found[0]._read["metrics"][0]["val/accuracy"] = 0.5
    assert faster(found[0], found).value == 0.5 and "never in 2" in faster(found[0], found).detail
    found[0]._read["metrics"] = [{"epoch": 0, "val/accuracy": 0.9}]
    assert faster(found[0], found) is None  # one epoch is no curve
    assert contrasts.speed("fine_tuned")(found[1], found) is None  # nobody to compare with
    for run in found:
        run._read["metrics"] = [{"epoch": e, "val/accuracy": 0.1} for e in range(3)]
    assert faster(found[0], found) is None  # neither ever gets there
    assert contrasts.speed("scratch", level=0.1)(found[0], found).detail == "1 epochs; the other 1"
    found[2]._read["metrics"][1]["val/accuracy"] = 0.5
    assert (faster(found[0], found).value, faster(found[0], found).detail) == (1.0, "never reaches 50%")


def test_a_contrast_needs_equal_bodies_budgets_and_data(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
        run.info["steps"] = 1000
    gain = contrasts.advantage("scratch")
    assert (gain(found[0], found).detail, gain(found[0], found).incomparable) == ("90.00% against 30.00%", "")
    for group, key, value in (("model", "width", 7), ("model", "n_layer", 7), ("model", "dropout", 0.7),
                              ("data", "split_seed", 7)):  # fmt: skip
        before = found[0].config[group][key]
        found[0].config[group][key] = value
        assert gain(found[0], found).incomparable == f"{group}.{key}={value} against {before}"
        found[0].config[group][key] = before
    for steps, fair in ((1020, True), (1021, False), (500, False)):
        found[0].info["steps"] = steps
        assert bool(gain(found[0], found).incomparable) != fair
    found[0].config["data"]["batch_size"] *= 2
    assert gain(found[0], found).incomparable == ""  # as many pairs, in half as many steps
    found[0].info["steps"], size = 100, found[1].config["data"]["batch_size"]
    assert gain(found[0], found).incomparable == f"100 steps of {2 * size} against 1000 of {size}"
    del found[0].info["steps"]
    found[0].config["trainer"]["max_epochs"] = 7
    assert gain(found[0], found).incomparable.startswith("trainer.max_epochs=7 against ")
    found = contrast(trained)
    for run in found:  # the backbone's sizes by default are as good as named ones
        run.info["parameters"] = [{"part": "blocks", "parameters": 9}]
    found[0].config["model"]["width"] = None
    assert contrasts.advantage("scratch")(found[0], found).incomparable == ""
    found[2].info["parameters"] = [{"part": "blocks", "parameters": 8}]
    assert contrasts.advantage("scratch")(found[0], found).incomparable.startswith("model.width=None against ")
    found[2].info["parameters"] = found[0].info["parameters"]
    found[2].info["metrics"]["train/accuracy"] = 0.5
    assert (
        contrasts.advantage("scratch")(found[0], found).incomparable == "the other did not fit its training pairs (50%)"
    )
    for key, value in (("templates", ["plain"]), ("pairs", "ordered")):
        other = contrast(trained)
        other[0].config["data"][key] = value
        assert contrasts.matching(other[0], other, "scratch") == []
    del found[0].info["metrics"]["test/accuracy"]
    assert contrasts.advantage("scratch")(found[0], found) is None


def test_arms_that_are_ranked_say_what_else_differs(trained):
    found = contrast(trained)
    assert unequal_arms(found) == ""
    found[0].config["model"]["width"] = 7
    assert unequal_arms(found).startswith("scratch + frozen pretrained table and scratch: model.width=7 against ")
    assert unequal_arms(found[1:]) == ""
    (sentence, *_) = summary.winner(found)
    assert "these two differ in more than the arm (model.width=7 against " in sentence


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
