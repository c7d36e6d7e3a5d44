"""What a filter does to an arm, in numbers and words: by hand, and both sides of every threshold."""

import numpy as np
import pytest

from fourier_lightning.console import print_findings
from fourier_lightning.readings import words
from fourier_lightning.readings.controls import opening
from fourier_lightning.readings.effects import Effect, Scores, effects, input_rows
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.terminal import terminal
from tests.records import run_of

E = 1e-6  # past a threshold by this much
NAMES = Scores._fields
WHOLE = (0.9, 0.92, 0.95)
APART = np.abs(np.add.outer(np.arange(261), np.arange(261))[np.triu_indices(261)][:, None] - np.arange(521))
LUCK = ((APART % 10 == 0).mean(), (APART <= 10).mean())


def row(removed: str, found, control=None, as_many=None, **more) -> dict:
    """A filter's row: exact, modulo 10 and within 10 with it, and under controls of equal energy and equal rank."""
    values = dict(zip(NAMES, found, strict=True))
    for kind, scores in (("control_energy", control), ("control", as_many)):
        values |= {f"{kind}_{name}_mean": value for name, value in zip(NAMES, scores or [None] * 3, strict=True)}
    named = {"modules": "mlp", "removed": removed, "method": "readout", "refused": None, "rank": 10}
    return {**named, "energy": 0.5, "comparable": "", "control_draws": 3, **values, **more}


def filtered(*rows: dict, whole=WHOLE) -> Run:
    """A model with these rows of Table 1."""
    return run_of(filter_ablation=[row("none", whole) | {"modules": "none"}, *rows])


def with_luck(scores):
    """Shares that are these beyond luck: guesses are right of sums 0..520 modulo 10, and to 10, in so many of cases."""
    return scores and (scores[0], *(luck + share * (1 - luck) for luck, share in zip(LUCK, scores[1:], strict=True)))


def reading(*shares, **more) -> str:
    """What a row of these shares, beyond luck, is said to mean."""
    (found,) = effects([filtered(row("low", *map(with_luck, shares), **more), whole=with_luck(WHOLE))])
    return found.reading


ALL, HALF = (0.9, 0.9, 0.9), (0.5, 0.5, 0.5)
DIGIT, NEAR = (0.05 / (1 - luck) for luck in LUCK)  # what is no more than alike, beyond luck
DIGIT_SURVIVES = "the last digit survives, the magnitude is lost"
SIZE_SURVIVES = "the magnitude survives, the last digit is lost"


def often(digit: str, magnitude: str) -> str:
    return f"compared with random directions, the last digit is right {digit} often and the magnitude {magnitude} often"


@pytest.mark.parametrize(
    ("found", "control", "said"),
    [
        ((0.95 * 0.9, 0.0, 0.9), ALL, "harmless"),
        ((0.9, 0.9, 0.9), None, "harmless"),
        ((0.5, 0.9, 0.5), None, "damaging; no control of equal energy was measured"),
        # what survives is right more often than under random directions, what is lost less often
        ((0.5, 0.8, 0.3), (0.5, 0.8 - DIGIT - E, 0.3 + NEAR + E), DIGIT_SURVIVES),
        ((0.5, 0.8, 0.3), (0.5, 0.8 - DIGIT + E, 0.3 + NEAR + E), often("as", "less")),
        ((0.5, 0.8, 0.3), (0.5, 0.8 - DIGIT - E, 0.3 + NEAR - E), often("more", "as")),
        ((0.5, 0.3, 0.8), (0.5, 0.3 + DIGIT + E, 0.8 - NEAR - E), SIZE_SURVIVES),
        ((0.5, 0.3, 0.8), (0.5, 0.3 + DIGIT - E, 0.8 - NEAR - E), often("as", "more")),
        ((0.5, 0.3, 0.8), (0.5, 0.3 + DIGIT + E, 0.8 - NEAR + E), often("less", "as")),
        ((0.5, 0.3, 0.9), (0.5, 0.9, 0.9), often("less", "as")),  # both leave all of the magnitude
        # and the one outlives the other by 0.1, which the whole model's gap of 0.03 is no part of
        ((0.5, 0.5 + E, 0.4), (0.5, 0.3, 0.6), DIGIT_SURVIVES),
        ((0.5, 0.5 - E, 0.4), (0.5, 0.3, 0.6), often("more", "less")),
        ((0.5, 0.4, 0.53 + E), (0.5, 0.6, 0.3), SIZE_SURVIVES),
        ((0.5, 0.4, 0.53 - E), (0.5, 0.6, 0.3), often("less", "more")),
        # both the same way
        ((0.5, 0.9, 0.7), (0.2, 0.4, 0.5), "less damaging than random directions"),
        ((0.2, 0.3, 0.4), (0.5, 0.6, 0.7), "more damaging than random directions"),
        ((0.5, 0.5, 0.5), (0.55 + E, 0.5, 0.5), "more damaging than random directions"),
        ((0.5, 0.5, 0.5), (0.55 - E, 0.5, 0.5), "as damaging as random directions"),
        ((0.5, 0.5, 0.5), (0.45 + E, 0.5, 0.5), "as damaging as random directions"),
        ((0.5, 0.5, 0.5), (0.45 - E, 0.5, 0.5), "less damaging than random directions"),
    ],
)
def test_what_a_filter_breaks_is_said_beside_equal_energy(found, control, said):
    assert reading(found, control, ALL) == said


@pytest.mark.parametrize("removed", ["low", "high"])
@pytest.mark.parametrize(
    ("whole", "control", "value"),  # each: what should stay, what should go
    [
        ((0.9, 0.9), (0.5, 0.5), 0.7),
        ((0.9, 0.5), (0.5, 0.5), 0.3),  # the whole model has a gap of 0.4 already
        ((0.9, 0.5), (0.5, 0.2), 0.3),  # the control's gap is less than that
        ((0.9, 0.5), (0.7, 0.1), 0.1),  # it opens 0.2 of its own, beyond the whole model's
        ((0.9, 0.9), (0.7, 0.1), 0.1),
        ((0.5, 0.9), (0.7, 0.1), 0.1),  # a gap the other way is no credit, to the filter or to its control
        ((0.5, 0.9), (0.1, 0.7), 0.7),
    ],
)
def test_how_far_a_filter_opens_a_gap_by_hand(removed, whole, control, value):
    """Shares beyond luck: with the filter 0.8 of what should stay, 0.1 of what should go."""

    def scores(stays, goes):
        return with_luck((0.5, stays, goes) if removed == "low" else (0.5, goes, stays))

    opened = opening(row("none", scores(*whole)), row(removed, scores(0.8, 0.1), scores(*control)), removed, 521)
    assert opened == pytest.approx(value)


def test_no_magnitude_survives_that_random_directions_keep_as_often():
    """Five committed seeds without short waves in attention: modulo 10 32 % (random 58), within 10 54 % (random 67)."""
    (effect,) = effects([filtered(row("high", (0.14, 0.32, 0.54), (0.39, 0.58, 0.67)), whole=(0.98, 0.98, 1.0))])
    assert effect.reading == "more damaging than random directions"
    (effect,) = effects([filtered(row("high", (0.16, 0.322, 0.586), (0.35, 0.565, 0.63)), whole=(0.98, 0.98, 1.0))])
    assert effect.reading == often("less", "as")


def test_what_one_more_draw_of_the_control_may_reach_is_alike():
    """Three draws: 95 % of further ones are within 4.30 * sqrt(4 / 3) standard deviations of their mean."""
    found, control = (0.5, 0.8, 0.3), (0.5, 0.4, 0.6)
    reach = 4.302653 * (4 / 3) ** 0.5
    for apart, said in ((1.01, DIGIT_SURVIVES), (0.99, often("more", "as"))):
        spread = {"control_energy_within_10_std": (0.6 - 0.3) / reach / apart, "control_energy_mod_10_std": 0.0}
        (effect,) = effects([filtered(row("low", found, control, **spread))])
        assert effect.reading == said
    wide = {f"control_energy_{name}_std": 0.06 for name in ("mod_10", "within_10")}  # of the gap: 0.44 of 0.48
    (effect,) = effects([filtered(row("low", (0.5, 0.8, 0.3), (0.5, 0.45, 0.62), **wide))])
    assert effect.reading == often("more", "less")


def test_a_filter_that_takes_nearly_all_is_held_against_equal_rank():
    """As many random directions as hold nearly all of it are the whole of it, too."""
    gone, found, half = (0.0, 0.0, 0.0), (0.2, 0.8, 0.3), (0.5, 0.6, 0.6)
    assert reading(found, gone, half, energy=0.8 + E) == DIGIT_SURVIVES
    same = (0.7, 0.8, 0.3)
    assert reading(found, gone, same, energy=0.8 + E) == "more damaging than random directions"
    assert reading(found, gone, same, energy=0.8) == "less damaging than random directions"
    (one,) = effects([filtered(row("low", found, gone, same, energy=0.9))])
    assert (one.equal, one.control) == ("rank", same)
    assert words.beside(one) == "20 / 80 / 30 % (random directions of equal rank: 70 / 80 / 30 %)"
    most = 0.8 * 520
    assert reading(found, gone, same, energy=0.9, rank=most) == "more damaging than random directions"
    said = "not comparable: it takes 90% of what these modules write, as any control would"
    assert reading(found, gone, same, energy=0.9, rank=most + 1) == said
    assert reading((0.9,) * 3, gone, same, comparable="no complement") == "not comparable: no complement"


def test_effects_are_means_over_seeds_in_the_order_in_which_they_are_told():
    low, high = ((0.1, 0.5, 0.2), (0.3, 0.9, 0.4)), (0.88, 0.9, 0.92)
    runs = [filtered({**row("high", high, ALL), "modules": "attn"}, row("low", found, HALF, energy=energy),
                     row("low", ALL, ALL) | {"modules": "attn_mlp"})
            for found, energy in zip(low, (0.2, 0.6), strict=True)]  # fmt: skip
    for run in runs:
        rows = [
            row(name, found, control, line="numbers")
            for name, found, control in (("none", WHOLE, None), ("short", high, ALL), ("low", low[0], ALL))
        ]
        run._read["tables/input_waves"] = rows
    entering, short, mlp, attn = effects(runs)
    assert [(e.modules, e.removed, e.method) for e in (entering, short, mlp, attn)] == [
        ("input", "low", ""), ("input", "short", ""), ("mlp", "low", "readout"), ("attn", "high", "readout")
    ]  # fmt: skip
    assert mlp.found == pytest.approx((0.2, 0.7, 0.3)) and mlp.energy == pytest.approx(0.4) and mlp.equal == "energy"
    assert mlp.control == pytest.approx(HALF) and mlp.reading == DIGIT_SURVIVES
    assert attn.reading == short.reading == "harmless" and entering.found == pytest.approx(low[0])
    early = filtered(row("low", low[0]))  # a seed without controls of equal energy
    (mixed,) = effects([runs[0], early])[2:3]
    assert mixed.control is None and mixed.equal == "" and words.beside(mixed) == "10 / 50 / 20 %"
    assert effects([]) == effects([run_of()]) == []


def test_an_arm_below_a_half_is_not_told_of():
    half, less = (0.5, 0.6, 0.7), (0.5 - E, 0.6, 0.7)
    assert [len(effects([filtered(row("low", half, ALL), whole=whole)])) for whole in (half, less)] == [1, 0]


def test_waves_at_the_input_are_on_the_operands_own_line():
    rows = [{"line": line, "removed": name, "at": (line, name)} for line in ("numbers", "operands")
            for name in ("none", "low", "period")]  # fmt: skip
    assert [row["at"] for row in input_rows(run_of(input_waves=rows)).values()] == [
        ("operands", "none"),
        ("operands", "low"),
    ]
    assert input_rows(run_of(input_waves=rows[:3]))["low"] == rows[1] and input_rows(run_of()) == {}


def test_a_filter_in_words():
    told = {("mlp", "low"): "long waves from MLP", ("attn_mlp", "high"): "short waves from attention and MLP",
            ("input", "short"): "T = 2, 2.5, 3.33, 5, 10 from the input"}  # fmt: skip
    for (modules, removed), said in told.items():
        assert words.removed(Effect(modules, removed, "", None, Scores(0, 0, 0), None, "", "")) == said
    assert words.triple(Scores(0.125, 0.5, 1.0)) == "12 / 50 / 100 %" and words.triple(None) == "-"


def phases(**written: tuple[float, ...]) -> Run:
    """A model whose modules write these periods."""
    rows = [{"module": module, "layer": 0, "period": t, "alignment": 0.9, "p_value": 0.01, "amount": 1 + 2 * (t in ts),
             "bracket_amount": 0.5}
            for module, ts in written.items() for t in (2.0, 2.5, 3.0, 5.0, 7.0, 10.0, 520.0)]  # fmt: skip
    return run_of(answer_phase=rows)


def test_heights_stand_beside_their_highest_control():
    run = phases(mlp=(2.0,))
    assert words.beside_periods(run, "mlp").startswith("T = 2 3.00 (1.00), T = 2.5 1.00 (1.00)")
    assert words.beside_periods(run, "attn") == words.beside_periods(run_of(), "mlp") == ""


def test_which_waves_modules_write_is_counted_over_seeds():
    runs = [phases(mlp=(2.0, 5.0, 520.0)), phases(mlp=(2.0, 520.0)), run_of(), phases(mlp=(2.0,), attn=())]
    assert words.written(runs, "mlp") == "T = 2 in each of 3 seeds; T = 520 in 2 of 3 seeds; T = 5 in 1 of 3 seeds"
    assert words.written(runs[:1], "mlp") == "T = 2, 5, 520" and words.written(runs[3:], "attn") == "none"
    assert (
        words.written([runs[3]] * 2, "attn") == "none in any of 2 seeds"
        and words.written([run_of()], "mlp") == "not measured"
    )


def test_the_terminal_holds_the_paper_regimes_filters_against_equal_energy(mechanism, capsys):
    """Committed numbers: without long waves at the input modulo 10 stays at 100 %, within 10 falls to 29 %."""
    print_findings(terminal(width=200), find_runs([mechanism / "0"])[0])
    said = capsys.readouterr().out
    for line in (
        "MLPs write of the answer's waves: T = 2, 2.5, 5, 10, 200",
        "height at the answer in logits (highest control): T = 2 0.16 (0.05), T = 2.5 0.29 (0.00), T = 5 0.22 (0.00), ",
        "Accuracy with waves removed: exact / modulo 10 / within 10",
        "long waves from the input: 9 / 100 / 29 % (random directions of equal energy: 34 / 59 / 74 %): "
        f"{DIGIT_SURVIVES}\n",
        "long waves from MLP: 33 / 94 / 50 % (random directions of equal energy: 4 / 23 / 36 %): "
        f"{often('more', 'as')} (readout)",
    ):
        assert line in said, line
    assert "rank" not in said
