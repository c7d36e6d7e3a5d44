"""All that each measure says of a record: number, control, spread, draws, examples, why it decides nothing, words."""

import numpy as np
import pytest

from fourier_lightning.claims import filtered, measures, waves
from fourier_lightning.claims.measures import Measured
from fourier_lightning.readings.neighbours import neighbours
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run
from tests.records import run_of

NAMES = ("accuracy", "mod_2", "mod_10", "within_10")
SAID = "energy 30%, control of equal energy: accuracy {:.0%} (30%), mod 10 {:.0%} (40%), within 10 {:.0%} (60%)"


def row(*right, **more):
    """A row of a table of trials: what is right with a filter, and under random directions, which spread unlike."""
    columns = {"comparable": "", "energy": 0.3, "rank": 8, "control_draws": 5, "period": None, **more}
    for name, value, control, std in zip(NAMES, right, (0.3, 0.5, 0.4, 0.6), (0.01, 0.02, 0.03, 0.04), strict=True):
        columns |= {name: value, f"control_energy_{name}_mean": control, f"control_energy_{name}_std": std}
    return columns


def flow(rows):
    """Rows as those of a filter in the flow have more: by which method."""
    return [{**one, "method": "readout", "refused": None} for one in rows]


# Sums of 0..20 on 0..40, and how often a guess is right of them modulo 10, and to 10.
OFF = np.array([[abs(a + b - n) for n in range(41)] for a in range(21) for b in range(a, 21)])
LUCK = {"mod": (OFF % 10 == 0).mean(), "near": (OFF <= 10).mean()}
MIDDLE = OFF[:, 20]


def sure(share, kind):
    """A share less what a guess has of it, 1 for all right."""
    return max(0.0, (share - LUCK[kind]) / (1 - LUCK[kind]))


def apart(mod, near):
    """How far the residue outlives the size."""
    return sure(mod, "mod") - sure(near, "near")


SPREAD = np.hypot(0.03 / (1 - LUCK["mod"]), 0.04 / (1 - LUCK["near"]))
LONG = apart(0.9, 0.3) - max(0.0, apart(0.4, 0.6))
SHORT_GONE = -apart(0.25, 0.9) + apart(0.92, 0.99) - max(0.0, -apart(0.4, 0.6) + apart(0.92, 0.99))
LABOUR = (apart(0.9, 0.3), -apart(0.25, 0.9) + apart(0.92, 0.99))  # the other module's rows open nothing
INTACT = row(0.9, 0.95, 0.92, 0.99, modules="none", removed="none")
TABLE = [
    INTACT,
    row(0.2, 0.9, 0.9, 0.3, modules="mlp", removed="low"),
    row(0.81, 0.9, 0.88, 0.98, modules="attn", removed="low"),
    row(0.2, 0.5, 0.25, 0.9, modules="attn", removed="high"),
    row(0.84, 0.9, 0.92, 0.99, modules="mlp", removed="high"),
]
HISTOGRAM = [{"modules": "attn", "removed": "high", "method": "readout", "error": error, "count": count}
             for error, count in ((0, 90), (5, 6), (-6, 3), (40, 1))]  # fmt: skip
ALONE = [row(0.1, 0.99, 0.2, 0.3, comparable="collapse") | {"period": t} for t in (2.0, 40.0)]
BELL = [{"period": 40.0, "error": error, "count": 10} for error in (-4, 0, 4, 5)]
INPUT = [{**row(0.9, 0.95, 0.92, 0.99, removed="none"), "line": "numbers"},
         {**row(0.2, 0.5, 0.25, 0.9, removed="short"), "line": "numbers"}]  # fmt: skip
KEPT = {"modules": "attn_mlp", "removed": "all but period"}
TABLES = {"filter_ablation": flow(TABLE), "error_histogram": HISTOGRAM, "single_component": flow(ALONE),
          "single_component_errors": BELL, "input_waves": INPUT,
          "direct_path": [*TABLE, *({**one, **KEPT} for one in ALONE)],
          "direct_errors": [{**one, **KEPT} for one in BELL]}  # fmt: skip
BLUNT = "random directions of equal energy break it as well"
MEASURES = {  # made in the test; the metrics that need a fair control, the row that has it, and what is said
    "long waves of MLPs": (
        lambda: filtered.dissociation("mlp", "low"), ("mod_10", "within_10"), ("filter_ablation", 1),
        Measured(LONG, None, SPREAD, 5, detail="readout, " + SAID.format(0.2, 0.9, 0.3)),
    ),
    "short waves of attention, directly": (
        lambda: filtered.dissociation("attn", "high", "direct"), ("mod_10", "within_10"), ("direct_path", 3),
        Measured(SHORT_GONE, None, SPREAD, 5, detail="direct path, " + SAID.format(0.2, 0.25, 0.9)),
    ),
    "labour": (
        lambda: filtered.division_of_labour(), ("mod_10", "within_10"), ("filter_ablation", 4),
        Measured(min(LABOUR), detail="readout: low {:+.3f}, high {:+.3f}".format(*LABOUR)),
    ),
    "labour, directly": (
        lambda: filtered.division_of_labour("direct"), ("mod_10", "within_10"), ("direct_path", 2),
        Measured(min(LABOUR), detail="direct path: low {:+.3f}, high {:+.3f}".format(*LABOUR)),
    ),
    "harmless": (
        lambda: filtered.kept_accuracy("attn", "low"), NAMES[:1] + NAMES[2:], ("filter_ablation", 2),
        Measured(0.9, 1 / 3, blunt=BLUNT, detail="readout, " + SAID.format(0.81, 0.88, 0.98)),
    ),
    "tens": (
        lambda: filtered.tens_among_errors, NAMES[:1] + NAMES[2:], ("filter_ablation", 1),
        Measured(0.875, 1 / 7, 0.001**0.5 / 0.7, 5, detail="readout, 80% wrong"),
    ),
    "small errors": (
        lambda: filtered.small_errors, NAMES[:1] + NAMES[2:], ("filter_ablation", 3),
        Measured(0.6, 3 / 7, 0.0017**0.5 / 0.7, 5, n=10, detail="readout, 10 errors"),
    ),
    "parity": (
        lambda: filtered.single_wave(waves.at(2.0), "mod_2"), ("mod_2",), ("single_component", 0),
        Measured(0.99, 0.5, 0.02, 5, incomparable="collapse", detail="T=2 kept; readout"),
    ),
    "parity, directly": (
        lambda: filtered.single_wave(waves.at(2.0), "mod_2", "direct"), ("mod_2",), ("direct_path", 5),
        Measured(0.99, 0.5, 0.02, 5, incomparable="collapse", detail="T=2 kept; direct path"),
    ),
    "bell": (
        lambda: filtered.longest_wave(), (), ("single_component", 1),
        Measured(0.5, ((MIDDLE > 0) & (MIDDLE <= 4.1)).mean(), n=40, incomparable="collapse",
                 detail="mean error 1; readout"),
    ),
    "bell, directly": (
        lambda: filtered.longest_wave("direct", exact=True), (), ("direct_path", 6),
        Measured(0.75, (MIDDLE <= 4.1).mean(), n=40, incomparable="collapse", detail="mean error 1; direct path"),
    ),
    "input": (
        lambda: filtered.at_the_input("short", "high"), ("mod_10", "within_10"), ("input_waves", 1),
        Measured(SHORT_GONE, None, SPREAD, 5, detail="input rows, " + SAID.format(0.2, 0.25, 0.9)),
    ),
}  # fmt: skip


def nearly(expected: Measured) -> Measured:
    """With its numbers to within rounding."""
    numbers = ("value", "control", "control_std")
    return Measured(**{key: value if key not in numbers or value is None else pytest.approx(value)
                       for key, value in vars(expected).items()})  # fmt: skip


def record(**changed) -> Run:
    return run_of({"p": 41}, **{**TABLES, **changed})


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_measured_of_filters(name):
    make, needed, (table, index), expected = MEASURES[name]
    measure = make()
    assert measure(record(), []) == nearly(expected)
    assert measure(record(**{table: []}), []) is None
    if table != "single_component" and not expected.incomparable:  # nor without the whole model
        assert measure(record(**{table: TABLES[table][1:]}), []) is None
    for metric in needed:  # each without its fair control says nothing
        rows = list(TABLES[table])
        rows[index] = {**rows[index], f"control_energy_{metric}_mean": None}
        assert measure(record(**{table: rows}), []) is None


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "input"])
def test_a_filter_that_tells_nothing_says_why(name):
    make, _, (table, index), _ = MEASURES[name]
    rows = list(TABLES[table])
    rows[index] = {**rows[index], "comparable": "no complement"}
    assert make()(record(**{table: rows}), []).incomparable == "no complement"


def test_nothing_is_measured_of_a_model_that_is_never_right_or_never_wrong():
    none = [{**INTACT, "accuracy": 0.0}, *TABLE[1:]]
    assert filtered.kept_accuracy("attn", "low")(record(filter_ablation=flow(none)), []) is None
    perfect = [INTACT, {**TABLE[1], "accuracy": 1}]
    assert filtered.tens_among_errors(record(filter_ablation=flow(perfect)), []) is None
    right = [one for one in HISTOGRAM if not one["error"]]
    assert filtered.small_errors(record(error_histogram=right), []) is None
    assert filtered.single_wave(waves.at(2.0), "mod_2")(record(single_component=[{**flow(ALONE)[0], "mod_2": None}]),
                                                        []) is None  # fmt: skip


def test_few_errors_of_the_control_have_no_share():
    """From 2 % of wrong answers on."""
    for wrong, control in ((0.02, pytest.approx(0.5)), (0.0199, None)):
        rows = [INTACT, {**TABLE[1], "control_energy_accuracy_mean": 1 - wrong,
                         "control_energy_mod_10_mean": 1 - wrong / 2}]  # fmt: skip
        found = filtered.tens_among_errors(record(filter_ablation=flow(rows)), [])
        assert found.control == control and (found.control_std is None) == (control is None)


def phases(*written) -> Run:
    """A record of two layers in which these (module, layer, period) are written, and nothing else."""
    rows = []
    for module, layer in (("mlp", 0), ("mlp", 1), ("attn", 0), ("attn", 1)):
        for t in (*SHORT, 40.0, 3.0, 7.0):
            amount = 4.0 if (module, layer, t) in written else 1.0
            rows.append({"module": module, "layer": layer, "period": t, "alignment": 0.9, "amount": amount,
                         "p_value": 0.01, "bracket_amount": 0.5})  # fmt: skip
    return run_of({"p": 41}, answer_phase=rows)


def test_what_is_measured_of_waves():
    few = {"waves": 5, "prompts": 500, "accuracy": 0.9, "exact": 0.7, "control_exact_mean": 0.2,
           "control_exact_std": 0.05, "control_draws": 20}  # fmt: skip
    found = waves.few_waves(run_of(few_waves=[few]), [])
    assert found == Measured(0.7, 0.2, 0.05, 20, 500, detail="5 waves, 500 prompts, 90% right with all")
    written = phases(("mlp", 0, 5.0), ("mlp", 0, 2.0), ("attn", 1, 2.5), ("mlp", 1, 40.0))
    told = ["mlp 0 T=2 (alignment 0.90, 4.0 times its controls)", "mlp 0 T=5 (alignment 0.90, 4.0 times its controls)",
            "attn 1 T=2.5 (alignment 0.90, 4.0 times its controls)"]  # fmt: skip
    assert waves.writes("mlp", "attn", needed=3)(written, []) == Measured(2.0, detail=", ".join(told))
    assert waves.writes("mlp", "attn", needed=4)(written, []).value == 0
    assert waves.writes("attn", periods=(2.0,))(written, []) == Measured(0.0, detail="none written")
    assert waves.writes("mlp", "head")(written, []) is None
    detail = "T=40: 1 of 2 MLPs, 0 of 2 attentions"
    assert waves.longest_in_mlp_alone(written, []) == Measured(1.0, tested=True, detail=detail)
    neither, both = phases(), phases(("mlp", 0, 40.0), ("mlp", 1, 40.0), ("attn", 0, 40.0))
    detail = "T=40: {} of 2 MLPs, {} of 2 attentions"
    for run, counts in ((neither, (0, 0)), (both, (2, 1))):
        assert waves.longest_in_mlp_alone(run, []) == Measured(0.0, tested=True, detail=detail.format(*counts))
    mlp = [row for row in neither.table("answer_phase") if row["module"] == "mlp"]
    assert waves.longest_in_mlp_alone(run_of({"p": 41}, answer_phase=mlp), []) is None


def test_what_is_measured_of_tables():
    rows = [{"line": "numbers", "period": t, "significant": t < 5, "step": 9} for t in SHORT]
    spectrum = np.ones(260)
    spectrum[51] = 3
    found = waves.embedding_outliers()(run_of(arrays={"embedding_spectrum": spectrum}, embedding_periods=rows), [])
    detail = "power over neighbours': T=2 x1.0, T=2.5 x1.0, T=5 x1.0, T=10 x9.0; elsewhere to x1.0"
    assert found == Measured(0.5, tested=True, detail=detail)
    x = np.arange(200)
    both = np.hstack([np.eye(10)[x % 10], np.eye(10)[x * 10 // 200]])
    both = both + 0.1 * np.random.default_rng(0).standard_normal(both.shape)
    found = waves.neighbours_alike(run_of(arrays={"number_embedding": both}), [])
    size, digit = found.detail.split("), ")
    assert size.startswith("within a tenth of the range 100% (chance ") and size.endswith(", p = 0.001")
    assert digit == "same last digit 100% (chance 9%, p = 0.001)"


@pytest.mark.parametrize(("count", "apart", "share"), [(200, 20, 1), (200, 21, 0), (60, 10, 1), (60, 11, 0)])
def test_like_size_is_within_a_tenth_of_the_range_and_within_ten(count, apart, share):
    """Number rows that lie in pairs, so many numbers apart."""
    x = np.arange(count)
    pair = x // (2 * apart) * apart + x % apart
    table = np.eye(count)[pair] + 1e-3 * np.eye(count)[x]
    whole = count // (2 * apart) * 2 * apart  # what is left over has no partner
    assert neighbours(run_of(arrays={"number_embedding": table[:whole]}))[0].share == share


def test_what_is_measured_of_learning():
    def layer(number, after, exact, near):
        return {"layer": number, "after": after, "accuracy": exact, "within_10": near}

    rows = [layer(0, "attn", 0.1, 0.3), layer(0, "mlp", 0.1, 0.6)]
    found = [measures.lens_gap(run_of(lens_accuracy=[*rows, layer(1, "mlp", exact, 1.0)]), []) for exact in (0.5, 0.4)]
    assert found[0] == Measured(0.5, detail="after layer 0 mlp")
    assert found[1] == Measured(0.0, blunt="the model does not add", detail="40% exact at its end")
    metrics = {"test/accuracy": 0.9, "test/within_2": 0.98}
    found = measures.near_misses(run_of({"metrics": metrics, "rows": {"test": 100}}), [])
    assert found == Measured(pytest.approx(0.8), n=10, detail="10 errors of 100")
