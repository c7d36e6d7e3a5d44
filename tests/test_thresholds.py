"""Both sides of every threshold that turns numbers into words, dots and verdicts."""

import numpy as np
import pytest
import torch

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from fourier_lightning.claims.verdict import decide
from fourier_lightning.figures import spectra
from fourier_lightning.figures.errors import knock_outs
from fourier_lightning.fourier.nulls import against_largest, compare
from fourier_lightning.fourier.spectrum import prominence
from fourier_lightning.readings import waves, words
from fourier_lightning.readings.filters import same
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.report import summary

E = 1e-6  # past a threshold by this much


@pytest.fixture
def run(dissected) -> Run:
    """A committed record (p = 521) whose tables a test may overwrite in memory."""
    return find_runs([dissected / "4"])[0]


def put(run: Run, **tables) -> Run:
    run._read |= {f"tables/{name}": rows for name, rows in tables.items()}
    return run


def test_an_arm_adds_from_a_half_on(run):
    """Below it, what breaks it says nothing: no line in the table, and no costliest wave."""
    rows = [
        {"modules": modules, "removed": removed, "method": "readout", "refused": None, "accuracy": 0.5, "mod_10": 0.5,
         "within_10": 0.5, "control_accuracy_mean": None, "control_draws": 0}
        for modules, removed in (("none", "none"), ("mlp", "low"))
    ]  # fmt: skip
    put(run, filter_ablation=rows, knock_out=[{"period": 5.0, "loss_increase": 1.0, "p_value": 0.01}])
    run.info["metrics"] = {"val/accuracy": 0.5}
    assert len(summary.filters_table({"x": [run]})) == 1 and words.costliest(run) == "T = 5"
    rows[0]["accuracy"], run.info["metrics"] = 0.5 - E, {"val/accuracy": 0.5 - E}
    assert summary.filters_table({"x": [run]}) == [] and words.costliest(run) == "it does not add"


def test_the_costliest_waves_cost_more_than_the_worst_of_as_many_random_directions(run):
    run.info["metrics"] = {"val/accuracy": 0.9}
    costs = [(20.0, 0.1, 0.05), (2.0, 0.9, 0.5), (5.0, 0.5, 0.05 + E), (10.0, 0.3, 0.05), (40.0, 0.2, 0.01)]
    put(run, knock_out=[{"period": t, "loss_increase": loss, "p_value": p} for t, loss, p in costs])
    assert words.costliest(run) == "T = 10, 40, 20" and words.costliest(run, count=2) == "T = 10, 40"
    put(run, knock_out=[{"period": 2.0, "loss_increase": 1.0, "p_value": 0.05 + E}])
    assert words.costliest(run) == "none more than random directions"
    put(run, knock_out=[{"period": 2.0, "loss_increase": 1.0, "z": 99.0}])  # an early record
    assert words.costliest(run) == "not measured"
    assert words.costliest(put(run, knock_out=[])) == "not measured"


def test_long_waves_end_below_the_cutoff(run):
    run._read["arrays/layer_component_mlp_rms"] = np.sqrt([[1.0, 2, 4, 8, 16], [1.0, 2, 4, 8, 16]])
    put(run, filter_ablation=[{"cutoff": 3}])
    assert waves.low_share(run, "mlp") == pytest.approx(3 / 31)  # k = 1 and 2


def test_the_cutoff_without_a_table_is_the_papers(run):
    assert waves.cutoff_of(put(run, filter_ablation=[])) == 50
    assert waves.cutoff_of(put(run, filter_ablation=[{"cutoff": 7}])) == 7
    run.info["config"]["data"]["max_operand"] = 100
    assert waves.cutoff_of(put(run, filter_ablation=[])) == 19  # the same period on a shorter line


def test_a_line_is_above_everything_elsewhere_and_twice_its_neighbours():
    assert waves.stands_out(2.0, 1.9) and not waves.stands_out(2 - E, 1.9)
    assert not waves.stands_out(3.0, 3.0) and waves.stands_out(3 + E, 3.0)


@pytest.mark.parametrize(
    ("k", "elsewhere"),
    [(10, False), (11, True), (49, True), (50, False), (54, False), (55, True), (101, True), (102, False),
     (158, False), (159, True), (206, False), (211, True), (258, False), (260, False)],
)  # fmt: skip
def test_elsewhere_is_above_ten_and_away_from_the_harmonics_of_ten(k, elsewhere):
    """At p = 521 the harmonics are k = 52, 104, 156, 208 and 260."""
    power = np.ones(260)
    power[k - 1] = 100
    assert (waves.lines(power, 521)[1] > 50) == elsewhere


def test_prominence_looks_three_to_ten_away():
    """Against a loop of its own, on noise: another window has another median nearly everywhere."""
    power = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for k, found in enumerate(prominence(power).tolist()):
        around = sorted(float(power[j]) for j in range(60) if 3 <= abs(j - k) <= 10)
        assert found == pytest.approx(float(power[k]) / around[(len(around) - 1) // 2])
    assert prominence(torch.ones(3)).tolist() == [1, 1, 1]  # no neighbour at all


def test_a_labelled_outlier_has_twice_its_neighbours_power_and_room():
    values = np.ones((2, 260))
    values[1, [59, 159, 164, 259]] = np.sqrt([2.0, 3.0, 2.5, 2 - E])  # k = 60, 160, 165, 260
    assert waves.outliers(values) == [60, 160]  # 165 is too near the larger 160
    apart = 260 // 14
    for distance, found in ((apart - 1, [100]), (apart, [100, 100 + apart])):
        values = np.ones((1, 260))
        values[0, [99, 99 + distance]] = 3.0, 2.0
        assert waves.outliers(values) == found
    many = np.ones((1, 520))
    many[0, 19::40] = np.linspace(2, 3, 13)
    assert len(waves.outliers(many)) == 10 and waves.outliers(many, 2) == [460, 500]


def test_dots_on_an_embedding_are_peaks_beyond_the_detrended_null():
    assert waves.beyond_trend({"p_value_detrended": 0.05}) and not waves.beyond_trend({"p_value_detrended": 0.05 + E})
    assert not waves.beyond_trend({"p_value_detrended": None}) and not waves.beyond_trend({})
    slope = np.linspace(2, 1, 30)
    slope[9] = slope[6] - E  # k = 10 against k = 7, three away
    assert not waves.is_peak(slope, 10)
    slope[9] = slope[6] + E
    assert waves.is_peak(slope, 10) and waves.is_peak(slope, 1) and not waves.is_peak(slope, 2)


def test_labels_and_periods_are_matched_closely():
    assert same(2.0, 2.0) and same(2 + 1e-6, 2.0) and not same(2 + 3e-6, 2.0) and not same(None, 2.0)
    assert waves.nearest_labelled(52, 521) == 10 and waves.nearest_labelled(53, 521) is None
    assert spectra.period_label(53, 521) == "T=9.83" and spectra.period_label(52, 521) == "T=10"


@pytest.mark.parametrize("level", [0.05, 0.05 + E])
def test_five_percent_is_significant(run, level):
    rows = [{"module": module, "layer": 0, "period": t, "p_value": level, "z": 1.0, "share": 0.1, "expected": 0.1}
            for module in ("mlp", "attn") for t in SHORT]  # fmt: skip
    put(run, layer_periods=rows)
    assert (words.beyond_random(run, "mlp") == "T = 2, 2.5, 5, 10") == (level <= 0.05)
    stars = [mark for panel in spectra.layer_periods(rows).panels for mark in panel.marks if "5 %" in mark.name]
    assert bool(stars) == (level <= 0.05)


def test_the_spread_of_a_null_is_that_of_groups_as_large():
    """Ratios of two-row groups scatter less: pooled with the others, z and limit of both are wrong."""
    rng = np.random.default_rng(0)
    counts, expected = np.array([1.0, 2, 1, 2]), np.array([0.1, 0.2, 0.1, 0.2])
    shares = expected * (1 + np.array([1.0, 0.3, 1, 0.3]) * rng.standard_normal((99, 4)))
    share = np.array([0.2, 0.4, 0.1, 0.2])
    found = compare(*(torch.tensor(values) for values in (share, shares, expected, counts)))
    ratios = shares / expected - 1
    spread = np.array([np.sqrt(np.mean(ratios[:, counts == n] ** 2)) for n in counts])
    np.testing.assert_allclose(found.z, (share / expected - 1) / spread)
    largest = (ratios / spread).max(axis=1)
    np.testing.assert_allclose(found.limit, expected * (1 + spread * np.sort(largest)[-5]))
    np.testing.assert_allclose(found.p_value, [(1 + (largest >= z).sum()) / 100 for z in found.z.numpy()])
    np.testing.assert_allclose(found.p_single, (1 + (shares >= share).sum(axis=0)) / 100)
    least = compare(*(torch.tensor(values) for values in (share, shares[:2], expected, counts)))
    assert least.p_single.min() >= 1 / 3
    with pytest.raises(ValueError, match="draws=1: a null needs 2 or more"):
        compare(*(torch.tensor(values) for values in (share, shares[:1], expected, counts)))


@pytest.mark.parametrize(("draws", "place"), [(5, 1), (19, 1), (38, 1), (39, 2), (98, 4), (99, 5)])
def test_the_limit_is_the_draw_that_a_twentieth_reaches(draws, place):
    assert against_largest(torch.zeros(1), torch.arange(float(draws)))[1] == draws - place


def test_knock_outs_name_the_six_costliest_and_draw_two_deviations():
    rows = [{"period": float(t), "power": 1.0, "loss": 1 + t, "loss_increase": float(t), "control_loss_mean": 1.5,
             "control_loss_std": 0.25} for t in range(2, 10)]  # fmt: skip
    rest, worst, random, limit = knock_outs(rows).panels[0].marks
    assert list(rest.y) == [2, 3] and list(worst.text) == ["T=9", "T=8", "T=7", "T=6", "T=5", "T=4"]
    assert (random.value, limit.value) == (0.5, 1.0)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.bound], ids=lambda claim: claim.name)
def test_the_bound_of_a_claim_has_two_sides(run, claim):
    limit, outside = claim.bound.limit, -E if claim.bound.side == "above" else E

    def outcome(value, control=None):
        return decide(claim, "x", [(run, Measured(value, control=control))] * 2, rate=0.0).outcome

    assert outcome(limit) == "supported" and outcome(limit + outside) == "not here"
    assert outcome(limit, limit) == ("undecided" if claim.bound.specific else "supported")
    assert outcome(limit, limit + outside) == "supported"


BOUNDS = {
    "fine_tuned_adds": 0.9874, "near_then_exact": 0.3, "mlp_parity": 1, "attention_tens": 1, "mlp_outliers": 1,
    "attention_outliers": 1, "mlp_low_outliers": 1, "few_waves": 0.5, "division_of_labour": 0.1,
    "direct_attn_mlp_low": 0.1, "direct_attn_mlp_high": 0.1, "direct_division_of_labour": 0.1, "parity_alone": 0.75,
    "direct_parity_alone": 0.75, "longest_wave_bell": 0.5, "direct_longest_wave": 0.5, "errors_multiples_of_10": 0.5,
    "errors_small": 0.95, "input_short": 0.1, "input_long": 0.1,
    "embedding_outliers": 0.75, "embedding_outliers_kept": 0.75,
    "embedding_clusters": 2, "scratch_embedding_plain": 0, "scratch_layers_plain": 1, "scratch_near_misses": 0.95,
    "scratch_behind": -0.02, "rescue": 0.23, "rescue_perfect": 0.98, "rescue_speed": 0.5, "rescue_layers": 1,
    "format_task": 1, "other_embeddings": 0.75, "multiplication_accuracy": 0.7358, "multiplication_periods": 1,
    "prompted_layers": 1, "prompted_errors": 0.5, "closed_errors": 0.5,
}  # fmt: skip
BELOW = {"scratch_embedding_plain", "scratch_layers_plain", "scratch_behind", "rescue_speed"}


def test_the_bounds_are_those_that_were_written_down():
    """Of the rows of Table 1: tests/test_measures.py."""
    found = {claim.name: claim.bound for claim in CLAIMS if claim.bound and not claim.name.startswith("table_1")}
    assert {name: bound.limit for name, bound in found.items()} == BOUNDS
    assert {name for name, bound in found.items() if bound.side == "below"} == BELOW
    assert {name for name, bound in found.items() if not bound.specific} == {
        "scratch_embedding_plain", "scratch_layers_plain"
    }  # fmt: skip
