"""The ledger's claims and the numbers that decide them, on records made for each side of a bound."""

import numpy as np
import pytest

from fourier_lightning.claims import filtered, measures
from fourier_lightning.claims import waves as wave_claims
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from tests.planted import LUCK, METRICS, RANDOM, put, sure, table_1, trial


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
        told = one.about != "learning" and one.tasks == ("addition",)  # the models of known mechanism add
        assert bool(one.fact) == told, one.name
    for name in ("prompted_errors", "closed_errors"):
        assert any(one.name == name and one.needs for one in CLAIMS)


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


@pytest.mark.parametrize(("mod_10", "within_10"), [(0.99, 0.8), (0.6, 0.99)])
def test_what_the_whole_model_lacks_is_no_labour_of_a_module(planted, mod_10, within_10):
    """The other modules' filters break everything, so that no difference to them takes the whole model's own gap away.

    Of a model that is better at residues anyway, MLPs without long waves open so much less; of one that is better at
    the size, attention without short ones.
    """
    residue, size, neither = (0.2, 0.9, 0.9, 0.3), (0.2, 0.5, 0.2, 0.9), (0.0, 0.5, 0.05, 0.1)
    rows = {"mlp_low": (residue, RANDOM, {}), "attn_low": (neither, RANDOM, {}), "attn_high": (size, RANDOM, {}),
            "mlp_high": (neither, RANDOM, {})}  # fmt: skip
    table = table_1(**rows)
    table[0] |= {"mod_10": mod_10, "within_10": within_10}
    labour = filtered.division_of_labour()(put(planted, filter_ablation=table), [])
    assert sure(0.05, "mod") == sure(0.1, "near") == 0
    own = sure(mod_10, "mod") - sure(within_10, "near")
    low, high = sure(0.9, "mod") - sure(0.3, "near"), sure(0.9, "near") - sure(0.2, "mod")
    assert labour.value == pytest.approx(min(low - max(0, own), high - max(0, -own))) and abs(own) > 0.2
    assert labour.value < min(low, high) - 0.05 and not labour.incomparable


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

    found = filtered.at_the_input("short", "high")(put(planted, input_waves=rows("numbers")), [])
    whole = sure(0.99, "near") - sure(0.92, "mod")
    assert found.value == pytest.approx(sure(0.9, "near") - sure(0.2, "mod") - whole)
    other = [{**row, "mod_10": 0.9} for row in rows("operands")]
    found = filtered.at_the_input("short", "high")(put(planted, input_waves=[*rows("numbers"), *other]), [])
    whole = sure(0.99, "near") - sure(0.9, "mod")
    assert found.value == pytest.approx(sure(0.9, "near") - sure(0.9, "mod") - whole)
    assert filtered.at_the_input("short", "high")(put(planted, input_waves=[]), []) is None


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
