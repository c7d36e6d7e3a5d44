"""Verdicts: how seeds, controls, nulls and calibration make an outcome of numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fourier_lightning.calibration.table import markdown as calibration_table
from fourier_lightning.claims import calibrated, verdict
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from fourier_lightning.claims.verdict import Bound, Claim
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import Run

ROOT = Path(__file__).resolve().parents[1]
ABOVE = Bound(0.5, "above", "at least half")


def judge(claim, runs, rate=0.0):
    """The verdicts of a rule that was never wrong on models of known mechanism, where nothing else is said."""
    return verdict.judge(claim, runs, rate)


def claim(values, test=ABOVE, **more) -> Claim:
    """A claim about every run; run i measures values[i]."""
    found = iter(values)
    return Claim("x", "", "", "", "any", lambda run: True, "m", lambda run, peers: next(found), test, **more)


def runs(count: int, status: str = "finished", metrics=None, **arm) -> list[Run]:
    """Seeds of a model from scratch, or of another arm."""
    arm = {"body": "random", "table": "random", "frozen": False, **arm}
    info = {"status": status, "config": {"backbone": {"name": "small"}}, "task": {"name": "addition"}, "p": 41}
    made = [
        Run(Path(str(seed)), {**info, "arm": arm, "seed": seed, "metrics": dict(metrics or {})})
        for seed in range(count)
    ]
    for run in made:
        run.label = "scratch"
    return made


def several(*values, **more) -> list[Measured]:
    return [Measured(value, **more) for value in values]


@pytest.mark.parametrize(
    ("values", "outcome", "why"),
    [
        (several(0.9, 0.8, 0.85), "supported", "at least half"),
        (several(0.1, 0.2, 0.15), "not here", "not at least half"),
        (several(0.9, 0.2, 0.8), "undecided", "the interval covers the bound"),
        (several(0.9, 0.8), "undecided", "the interval covers the bound"),  # two seeds: t reaches 13 errors
        (several(0.9), "undecided", "one seed"),
        (several(0.55, n=20000), "undecided", "one seed"),  # of many examples: another seed may be another model
        (several(0.9, 0.9, 0.9, control=0.89), "supported", "at least half"),
        (several(0.9, 0.9, 0.9, control=0.9), "undecided", "not beyond its control"),
        (several(0.9, 0.9, 0.9, control=0.8, control_std=0.1, draws=3), "undecided", "not beyond its control"),
        (several(0.9, 0.9, 0.9, control=0.2, control_std=0.1, draws=3), "supported", "at least half"),
        (several(0.1, 0.1, control=0.1), "not here", "not at least half"),
        (several(0.1, 0.1, 0.1, control=0.1, blunt="any filter does"), "undecided", "any filter does"),
        ([Measured(0.1, blunt="any filter does"), Measured(0.1)], "not here", "not at least half"),
        (several(0.9, 0.9, blunt="any filter does"), "supported", "at least half"),
        (several(0.9, 0.9, incomparable="no complement"), "not comparable", "no complement (2 of 2 seeds)"),
        ([Measured(0.9, incomparable="collapse"), Measured(0.9)], "not comparable", "collapse (1 of 2 seeds)"),
        (several(0.9, incomparable="collapse"), "not comparable", "collapse"),
        (several(0.6, 1, 1, tested=True), "supported", "at least half"),  # each passed, whatever t reaches
        (several(0.4, 1, 1, tested=True), "undecided", "seeds differ"),
        (several(0.4, 0, 0, tested=True), "not here", "not at least half"),
        (several(1, 1, tested=True), "undecided", "3 have to agree"),
    ],
)
def test_verdicts(values, outcome, why):
    (found,) = judge(claim(values), runs(len(values)))
    assert (found.outcome, found.seeds) == (outcome, list(range(len(values)))) and why in found.why
    assert found.value == pytest.approx(np.mean([measured.value for measured in values]))


@pytest.mark.parametrize(
    ("one", "outcome"),
    [
        (Measured(0.55, n=20), "undecided"),  # Wilson's interval of 11 in 20
        (Measured(0.55, n=20000), "supported"),
        (Measured(0.55), "supported"),
        (Measured(0.45), "not here"),
        (Measured(1, tested=True), "supported"),
        (Measured(0.55, control=0.5, control_std=0.1, draws=3), "undecided"),
        (Measured(0.55, control=0.5, control_std=0.001, draws=3), "supported"),
        (Measured(0.55, control_std=0.1, draws=3), "undecided"),  # a difference to its control already
        (Measured(0.55, control_std=0.001, draws=3), "supported"),
    ],
)
def test_a_model_as_it_comes_is_all_there_is_of_it(one, outcome):
    assert judge(claim([one]), runs(1, body="pretrained", table="pretrained", trained=False))[0].outcome == outcome


def test_below_and_unspecific_claims():
    below = Bound(0.5, "below", "at most half")
    assert judge(claim(several(0.1, 0.1), below), runs(2))[0].outcome == "supported"
    assert judge(claim(several(0.1, 0.1, control=0.05), below), runs(2))[0].outcome == "undecided"
    assert judge(claim(several(0.1, 0.1, control=0.2), below), runs(2))[0].outcome == "supported"
    lenient = replace(ABOVE, specific=False)
    assert judge(claim(several(0.9, 0.9, control=0.9), lenient), runs(2))[0].outcome == "supported"


def test_no_verdict_without_a_finished_record():
    assert judge(claim([Measured(0.9)]), runs(1, "failed"))[0].outcome == "not measured"
    assert judge(claim([None, None]), runs(2))[0].outcome == "not measured"
    for one in CLAIMS:
        (found,) = judge(one, [])
        assert found.outcome == "not measured" and found.value is None and found.why


@pytest.mark.parametrize(
    ("about", "metrics", "why"),
    [
        ("learning", {"train/accuracy": 0.79}, "did not fit its training pairs (79%)"),
        ("learning", {"train/accuracy": 0.8}, ""),
        ("learning", {"train/accuracy": 1.0, "test/accuracy": 0.0}, ""),  # how little it learned is what is asked
        ("mechanism", {"train/accuracy": 0.79, "test/accuracy": 0.9}, "did not fit"),
        ("mechanism", {"train/accuracy": 1.0, "test/accuracy": 0.49}, "memorised its training pairs"),
        ("mechanism", {"train/accuracy": 1.0, "test/accuracy": 0.5}, ""),
        ("mechanism", {"train/accuracy": 1.0, "val/accuracy": 0.49}, "memorised"),
        ("mechanism", {"train/accuracy": 1.0, "test/accuracy": 0.5, "val/accuracy": 0.49}, ""),
        ("mechanism", {"val/accuracy": 0.49}, "it does not add"),
        ("table", {"train/accuracy": 1.0, "test/accuracy": 0.1}, "memorised"),
    ],
)
def test_a_run_that_did_not_learn_decides_nothing(about, metrics, why):
    (found,) = judge(claim(several(0.9, 0.9), about=about), runs(2, metrics=metrics))
    assert found.outcome == ("not comparable" if why else "supported") and why in found.why and found.value == 0.9


def test_a_frozen_table_is_what_it_is_however_the_model_learned():
    found = runs(2, table="pretrained", frozen=True, metrics={"train/accuracy": 0.1})
    assert judge(claim(several(0.9, 0.9), about="table"), found)[0].outcome == "supported"


def test_seeds_that_learned_nothing_are_left_out_and_counted():
    found = runs(4, metrics={"train/accuracy": 1.0, "test/accuracy": 0.9})
    found[3].info["metrics"]["test/accuracy"] = 0.1
    (one,) = judge(claim([*several(0.9, 0.9, 0.9), Measured(0.0)]), found)
    assert (one.outcome, one.value, one.seeds) == ("supported", pytest.approx(0.9), [0, 1, 2])
    assert "1 of 4 seeds left out: it memorised" in one.detail


def test_seeds_that_share_a_table_are_one():
    """The nulls of one table decide; rotated and scaled it is the same one."""
    rng = np.random.default_rng(0)
    table, other = rng.standard_normal((2, 41, 8))
    turned = 3 * table @ np.linalg.qr(rng.standard_normal((8, 8))).Q
    wider = np.hstack([turned, np.zeros((41, 5))])
    found, about = runs(3, table="pretrained", frozen=True), {"about": "table"}
    for run, rows in zip(found, (table, turned, wider), strict=True):
        run._read["arrays/number_embedding"] = rows.astype(np.float32)
    (one,) = judge(claim(several(1, 1, 1, tested=True), **about), found)
    assert (one.outcome, one.detail, one.low) == ("supported", "one table, shared by 3 seeds", None)
    found[2]._read["arrays/number_embedding"] = other.astype(np.float32)
    (one,) = judge(claim(several(1, 1, 1, tested=True), **about), found)
    assert one.outcome == "undecided" and "3 have to agree" in one.why  # two tables
    shuffled = table[rng.permutation(41)]
    found[0]._read["arrays/number_embedding"] = shuffled.astype(np.float32)
    assert judge(claim(several(1, 1, 1, tested=True), **about), found)[0].outcome == "supported"  # three
    for run in found:
        run._read["arrays/number_embedding"] = None  # of a frozen pretrained table the backbone says which it is
    assert "one table" in judge(claim(several(1, 1, 1, tested=True), **about), found)[0].detail
    for other in (runs(3), runs(3, table="pretrained")):  # trained, each by itself
        assert "one table" not in judge(claim(several(1, 1, 1, tested=True), **about), other)[0].detail


def test_a_rule_that_errs_on_known_mechanisms_decides_nothing(tmp_path, monkeypatch):
    """Mechanisms that it does not decide say nothing of how often it errs: they are no part of the rate."""
    most = {"true": 90, "false": 90}
    rows = [{"claim": "x", **most, "right_true": 12, "right_false": 7, "wrong": 1},
            {"claim": "y", **most, "right_true": 6, "right_false": 3, "wrong": 1},
            {"claim": "z", **most, "right_true": 2, "right_false": 2, "wrong": 0}]  # fmt: skip
    path = tmp_path / "calibration.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert calibrated.rates(path) == {"x": 0.05, "y": 0.1} and calibrated.rates(tmp_path / "none") == {}
    monkeypatch.setattr(calibrated, "CALIBRATION", path)
    values = several(0.9, 0.9, 0.9)
    assert judge(claim(values), runs(3), rate=None)[0].outcome == "supported"
    (found,) = judge(replace(claim(values), name="y"), runs(3), rate=None)
    assert (found.outcome, found.why) == (
        "not comparable",
        "its rule was wrong about 10% of the known mechanisms that it decided",
    )
    for name in ("z", "never tried"):  # of four mechanisms no rate is known
        for about in ("mechanism", "table"):
            (found,) = judge(replace(claim(values, about=about), name=name), runs(3), rate=None)
            assert found.outcome == "not comparable" and "did not decide 5 known mechanisms" in found.why
            assert found.value == pytest.approx(0.9)
        counted = replace(claim(values, about="learning"), name=name)  # how right a model is needs no such test
        assert judge(counted, runs(3), rate=None)[0].outcome == "supported"


def test_a_rule_that_was_never_right_to_give_one_of_its_answers_gives_none(monkeypatch):
    """What never said no may say yes to anything: a constant is right in all mechanisms of which the claim is true."""
    values = {"supported": several(0.9, 0.9, 0.9), "not here": several(0.1, 0.1, 0.1)}
    ways = {"supported": "right_true", "not here": "right_false"}
    for outcome, other in (("supported", "not here"), ("not here", "supported")):
        row = {"claim": "x", ways[outcome]: 0, ways[other]: 20}
        monkeypatch.setattr(verdict, "tried", lambda name, row=row: row)
        monkeypatch.setattr(verdict, "error_rate", lambda name: 0.0)
        (found,) = judge(claim(values[outcome]), runs(3), rate=None)
        assert found.outcome == "not comparable" and f"never right to say {outcome!r}" in found.why
        assert judge(claim(values[other]), runs(3), rate=None)[0].outcome == "not comparable"
        assert judge(claim(values[outcome]), runs(3), rate=0.0)[0].outcome == outcome  # while it is being tried
        assert judge(claim(values[outcome], about="learning"), runs(3), rate=None)[0].outcome == outcome


def test_every_claim_about_a_mechanism_has_been_tried():
    """A rule that decides has a committed rate; what the docs say of it is the same table.

    The models of known mechanism add: rules of other tasks have none. That of prompted models is another claim's, too.
    """
    for one in CLAIMS:
        if one.measure and one.about != "learning":
            assert (calibrated.tried(one.name) is not None) == (one.tasks == ("addition",)), one.name
    undecided = {one.name for one in CLAIMS if calibrated.tried(one.name) and calibrated.error_rate(one.name) is None}
    assert undecided == {"few_waves", "errors_multiples_of_10", "errors_small"}  # fewer than five mechanisms
    rows = read_jsonl(calibrated.CALIBRATION)
    assert all(row["low"] <= (calibrated.rate(row) or 0) <= row["high"] + 1e-3 for row in rows)
    page = (ROOT / "docs/calibration.md").read_text()
    table = page.split("<!-- calibration -->\n")[1].split("<!-- /calibration -->")[0]
    assert table == calibration_table(read_jsonl(calibrated.CALIBRATION))


def test_a_missing_package_costs_one_claim():
    def needy(run, peers):
        raise ImportError("no", name="sklearn")

    (found,) = judge(replace(claim([]), measure=needy), runs(1))
    assert found.outcome == "not measured" and found.why == "sklearn is not installed"
