"""What counts in the calibration: mechanisms, not kinds; decisions, not silence; both answers."""

from dataclasses import replace

import pytest

from fourier_lightning.calibration import cases, judging, measure
from fourier_lightning.calibration.judging import Said, by_mechanism, rows_of, rules
from fourier_lightning.calibration.models import Case
from fourier_lightning.claims import calibrated, verdict
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.measures import Measured
from fourier_lightning.readings.seeds import wilson
from fourier_lightning.record.files import write_jsonl

SAYS = {"supported": (True, "right"), "not here": (False, "right")}


def call(mechanism, truth, outcome, claim="mlp_outliers", noise="low", tuned=False):
    return Said(claim, f"{mechanism}, {noise} noise", mechanism, tuned, truth, outcome, None, None, "")


def test_a_mechanism_counts_once_and_silence_is_no_part_of_the_rate():
    said = [call("a", True, "supported"), call("a", True, "undecided", noise="high"),  # right: it decided once
            call("b", True, "supported"), call("b", True, "not here", noise="high"),  # wrong: in one of its kinds
            call("c", False, "not here"), call("d", False, "not comparable"), call("e", False, "undecided"),
            call("f", False, "supported", tuned=True)]  # fmt: skip
    (row,) = rows_of(said)
    assert (row["true"], row["false"], row["right_true"], row["right_false"], row["wrong"]) == (2, 3, 1, 1, 1)
    assert (row["kinds"], row["kinds_right"], row["kinds_wrong"], row["kinds_nothing"]) == (7, 3, 1, 3)
    assert row["wrong_in"] == ["b, high noise"] and calibrated.rate(row) == pytest.approx(1 / 3)
    assert (row["low"], row["high"]) == pytest.approx(wilson(1 / 3, 3), abs=1e-3)  # of the three that were decided
    assert by_mechanism([call("a", True, "supported"), call("a", False, "supported")]) == {
        ("a", True): "right", ("a", False): "wrong",
    }  # fmt: skip
    assert rows_of([call("f", False, "supported", tuned=True)]) == []


def test_claims_that_ask_the_same_are_one_rule():
    """About one fact, with the same calls in every kind; the opposite that decides otherwise is another."""
    same = ("rescue_layers", "format_task", "prompted_layers")
    said = [call("a", True, "supported", claim) for claim in (*same, "mlp_outliers", "embedding_outliers",
            "other_embeddings")] + [call("a", False, "undecided", "scratch_embedding_plain")]  # fmt: skip
    assert [counted.claim for counted in rules(said)] == [
        "rescue_layers", "mlp_outliers", "embedding_outliers", "scratch_embedding_plain",
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "never"), [(9.0, "not here"), (-9.0, "supported")])
def test_a_rule_that_always_says_the_same_is_caught(monkeypatch, tmp_path, value, never):
    """A constant put through the calibration as a rule, on built models: right wherever it is true, worth nothing."""
    monkeypatch.setattr(measure, "SETTINGS", [*measure.SETTINGS, "instruments=[embedding_spectrum]"])
    claim = next(claim for claim in CLAIMS if claim.name == "mlp_outliers")
    constant = replace(claim, measure=lambda run, peers: Measured(value))
    monkeypatch.setattr(judging, "CLAIMS", [constant])
    names = ("paper", "swapped", "residues_shared", "mlp_alone", "memory", "digits")
    kinds = [cases.Kind(Case(name, "narrow", "low", 31), range(2)) for name in names]
    said = [call for calls, _ in judging.try_kinds(kinds, tmp_path) for call in calls]
    (row,) = rows_of(said)
    assert row["wrong"] == 3 and {row["right_true"], row["right_false"]} == {0, 3}  # half are wrong, and that is seen
    fitting = [call for call in said if call.call == "right"]  # and if the mechanisms had all been of one answer
    write_jsonl(tmp_path / "rows.jsonl", [{**rows_of(fitting * 2)[0], "right_true": 9 * (value > 0),
                                           "right_false": 9 * (value < 0)}])  # fmt: skip
    monkeypatch.setattr(calibrated, "CALIBRATION", tmp_path / "rows.jsonl")
    cfg = measure.settings(31)
    runs = [judging.look(kinds[0], seed, cfg, measure.data_of(cfg), tmp_path / str(seed)) for seed in (5, 6)]
    (found,) = verdict.judge(replace(constant, of=lambda run: True), runs)
    assert found.outcome == "not comparable" and f"never right to say {never!r}" in found.why
