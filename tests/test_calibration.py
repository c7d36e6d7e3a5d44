"""Models of known mechanism: that they do what they are built to do, seen from outside; and the rules held to them."""

import json

import numpy as np
import pytest
import torch

from fourier_lightning.calibration import cases, judging, measure
from fourier_lightning.calibration.mechanisms import MECHANISMS
from fourier_lightning.calibration.models import MAX_OPERAND, Case, P, plant
from fourier_lightning.calibration.tables import long_periods
from fourier_lightning.calibration.trained import Checked, Trained, check, prompts, targets, train
from fourier_lightning.calibration.truth import holds
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import Site, capture, intervene

SHORT = (2.0, 2.5, 5.0, 10.0)
OPERANDS = torch.cartesian_prod(torch.arange(MAX_OPERAND + 1), torch.arange(MAX_OPERAND + 1))
SUMS = OPERANDS.sum(dim=1)
PROMPTS = prompts(OPERANDS)
EVERY = [(name, ("wide", "narrow")[i % 2], ("low", "high")[i // 2 % 2]) for i, name in enumerate(MECHANISMS)]


def right(logits):
    """Exact, modulo 10 and within 10: shares of all prompts."""
    error = logits[:, :P].argmax(dim=1) - SUMS
    exact = logits.argmax(dim=1) == SUMS
    return [float(x.float().mean()) for x in (exact, error % 10 == 0, error.abs() <= 10)]


def wave(period):
    """Cosine and sine over the number line, orthonormalised by hand: (m, p)."""
    angle = 2 * np.pi * np.arange(P) / period
    rows = np.stack([np.cos(angle), np.sin(angle)][: 1 if period == 2 else 2])
    return np.linalg.qr((rows - rows.mean(axis=1, keepdims=True)).T)[0].T


def aligned(written, period):
    """Height (n,) of the wave of a period in (n, p) logits at the answer, less its mean over prompts."""
    angle = 2 * np.pi * np.arange(P) / period
    found = written @ np.exp(1j * angle) * 2 / P
    found = found - found.mean()
    return float((found * np.exp(-2j * np.pi * SUMS.numpy() / period)).real.mean())


@pytest.fixture(scope="module")
def seen():
    """Each mechanism once: its model, its logits, and what attention and MLPs add to the number logits."""
    models = {}
    for name, width, noise in EVERY:
        case = Case(name, width, noise)
        decoder = Decoder(plant(case, seed=0))
        sites = [*decoder.contributions(), decoder.final]
        with torch.no_grad(), capture(decoder, sites) as states:
            logits = decoder.answer_logits(PROMPTS)
        models[name] = (case, decoder, logits, states)
    return models


def written(decoder, states, module):
    """What a module class adds to the number logits (n, p), from weights and states alone."""
    total = sum(state for site, state in states.items() if site.name in (module, f"{module}_out"))
    scale = (states[decoder.final].square().mean(dim=1, keepdim=True) + decoder.norm.variance_epsilon).sqrt()
    return (total * decoder.norm.weight / scale @ decoder.head.weight[:P].T).numpy()


@pytest.mark.parametrize("name", MECHANISMS)
@torch.no_grad()
def test_a_planted_model_answers_by_its_mechanism(seen, name):
    case, decoder, logits, states = seen[name]
    exact, residue, near = right(logits)
    if MECHANISMS[name].exact:  # without a complement writing one line spills into others
        assert exact > (0.95 if case.width == "wide" else 0.7 if "edges" in name else 0.9)
    elif name == "residues":
        assert exact < 0.3 and residue > 0.99 and near < 0.7
    else:
        assert near > 0.99 and (exact > 0.9 or case.noise == "high")
    torch.testing.assert_close(decoder.answer_logits(PROMPTS, decoder.prefix(PROMPTS)), logits, atol=2e-4, rtol=1e-4)
    parts = sum(state for site, state in states.items() if site != decoder.final)
    torch.testing.assert_close(parts, states[decoder.final], atol=1e-4, rtol=1e-4)
    whole = sum(written(decoder, states, module) for module in ("attn", "mlp", "embed"))
    np.testing.assert_allclose(whole, logits[:, :P], atol=1e-3)


@pytest.mark.parametrize("name", MECHANISMS)
def test_facts_are_what_the_contributions_show(seen, name):
    case, decoder, _, states = seen[name]
    for module in ("attn", "mlp"):
        shown = written(decoder, states, module)
        asked = (*SHORT, *case.facts.periods, 3.0, 7.0, *long_periods(P))
        heights = {period: aligned(shown, period) for period in asked}
        controls = max(abs(heights[3.0]), abs(heights[7.0]))
        short = min(heights[t] for t in case.facts.periods)
        long = np.mean([heights[t] for t in long_periods(P)])
        if name == "bump" and module == "mlp":  # all waves, the longer the more
            assert long > heights[10.0] > heights[7.0] > heights[5.0] > heights[3.0] > heights[2.0] - 0.01
            continue
        assert (short > 3 * controls + 0.1) == (module in case.facts.residues_in), (module, heights)
        assert (long > 3 * controls + 0.1) == (module in case.facts.magnitude_in), (module, heights)
        by_heart = not {"heart", "edges"}.isdisjoint(getattr(MECHANISMS[name], module))
        assert (0.1 < controls < 3 * short) == by_heart, (module, heights)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("paper", {"short": (0, 0, 1), "long": (0, 1, 0)}), ("swapped", {"short": (0, 0, 1), "long": (0, 1, 0)}),
     ("memory", {"2": (1, 1, 1)})],
)  # fmt: skip
@torch.no_grad()
def test_waves_go_at_the_input_and_what_they_carry_goes(seen, name, kept):
    _, decoder, _, _ = seen[name]
    for which, expected in kept.items():
        periods = {"short": SHORT, "long": long_periods(P), "2": (2.0,)}[which]
        rows = np.linalg.qr(np.concatenate([wave(period) for period in periods]).T)[0].T
        table = decoder.input_rows().clone()
        table[:P] -= torch.tensor(rows.T @ rows @ table[:P].double().numpy(), dtype=torch.float32)
        with intervene(decoder, {Site("embed"): lambda _, rows=table[PROMPTS]: rows}, positions="all"):
            found = right(decoder.answer_logits(PROMPTS))
        for share, is_kept in zip(found, expected, strict=True):
            assert (share > 0.9) if is_kept else (share < 0.75), (which, found)


SHARED = {"both", "attn_alone", "mlp_alone", "size_shared", "residues_shared"}
BLOCKS = {"bump", "digits", "uneven"}  # of which it is not known what a filter leaves
ANSWERS = {  # of which mechanisms a fact is true, and of which it has no answer
    "writes(mlp, 2)": ({"swapped", "both", "mlp_alone", "residues_shared"}, set()),
    "not writes(any, short)": ({"bump", "thirds",
        *(n for n in MECHANISMS if {"magnitude", "memory", "edges"} & set(n.split("_")))}, set()),
    "writes_in_one(attn, 5+10)": ({"paper", "residues", "residues_shared", "digits", "uneven"},
                                  {"both", "attn_alone", "size_shared"}),
    "needs(attn_mlp, long)": ({"paper", "swapped", "thirds", "magnitude", "decoy_magnitude", *SHARED},
                              {"residues", *BLOCKS}),
    "near_first": ({"swapped"}, {"magnitude", "decoy_magnitude", *BLOCKS}),
    "left_over(attn, short)": ({"paper", "thirds", "attn_alone", "size_shared"},
        set(MECHANISMS) - {"paper", "thirds", "attn_alone", "size_shared", "edges", "decoy_edges"}),
    "left_over(mlp, long)": ({"paper", "thirds", "mlp_alone", "residues_shared"},
        set(MECHANISMS) - {"paper", "thirds", "mlp_alone", "residues_shared", "magnitude", "decoy_magnitude"}),
    "dissociates(attn, short)": ({"paper", "thirds", "attn_alone", "size_shared"},
                                 {"residues", "memory", "memory_split", "decoy_memory", *BLOCKS}),
    "carries(longest, near)": ({"paper", "thirds", "swapped", *SHARED},
        {*BLOCKS, *(n for n in MECHANISMS if {"magnitude", "memory", "edges"} & set(n.split("_")))}),
    "carries(2, parity)": ({"paper", "swapped", "residues", "digits", "uneven", *SHARED},
                           {n for n in MECHANISMS if {"memory", "edges"} & set(n.split("_"))}),
    "few_waves": (set(), set(MECHANISMS) - {"memory", "memory_split", "decoy_memory"}),
    "uses_input(long)": ({"paper", "swapped", "thirds", *SHARED}, {"residues", *BLOCKS}),
    "uses_input(short)": ({"paper", "swapped", *SHARED}, {"residues", "thirds", *BLOCKS}),
    "division_of_labour": ({"paper", "thirds"}, {"digits", "uneven"}),
}  # fmt: skip


@pytest.mark.parametrize("fact", ANSWERS)
def test_a_fact_has_an_answer_for_every_mechanism(fact):
    answers = {name: holds(fact, Case(name, "wide", "low").facts) for name in MECHANISMS}
    true, open_ = ({name for name, answer in answers.items() if answer is asked} for asked in (True, None))
    assert (true, open_) == ANSWERS[fact]


def test_residues_that_nothing_needs_are_no_truth_about_needs():
    """The magnitude that a model is trained to is exact: answers stay without the residues that attention writes."""
    facts, size = Trained("paper").facts, targets(("magnitude",))
    assert (size.argmax(dim=1) == torch.arange(P)).all() and (targets(("residues",)).argmax(dim=1) < 10).all()
    known = {"writes(attn, short)": True, "needs(mlp, long)": True, "dissociates(attn, short)": False,
             "spares(attn_mlp, short)": True, "left_over(attn, short)": None, "uses_input(short)": None,
             "division_of_labour": None, "carries(longest, near)": None, "carries(longest, size)": True,
             "writes_in_one(attn, 5+10)": None, "near_first": None, "writes(mlp, 2)": None,
             "long_in_mlp_alone": None, "not writes(any, short)": False}  # fmt: skip
    assert {fact: holds(fact, facts) for fact in known} == known
    assert not Trained("memory").facts.spare_residues
    assert holds("long_in_mlp_alone", Trained("swapped").facts) is False  # attention writes them: that is known
    with pytest.raises(ValueError, match="no fact"):
        holds("wriets(mlp, 2)", Case("paper", "wide", "low").facts)


def test_the_ledger_asserts_known_facts():
    for claim in CLAIMS:
        if claim.fact:
            answers = {holds(claim.fact, case.facts) for case in cases.CASES}
            assert answers & {True, False}, claim.name


def test_the_command_counts_what_the_rules_say(command, monkeypatch, tmp_path):
    monkeypatch.setattr(
        cases, "CASES", (Case("paper", "narrow", "low", 31), Case("decoy_memory", "narrow", "high", 31))
    )
    monkeypatch.setattr(measure, "SETTINGS", [*measure.SETTINGS, "instruments=[embedding_spectrum]"])
    asked = ["calibrate", "--seeds", 2, "--first-seed", 7]
    asked += ["--records", tmp_path / "kept", "--output", tmp_path / "rows.jsonl"]
    done = command(*asked)
    assert done.code == 0 and "paper, p 63, narrow, low noise" in done.out
    assert {path.name for path in (tmp_path / "kept").glob("paper*/*")} == {"7", "8"}
    first = (tmp_path / "rows.jsonl").read_text()
    monkeypatch.setattr(cases, "plant", None)  # what is in the records is not made again
    assert command(*asked).code == 0 and (tmp_path / "rows.jsonl").read_text() == first
    rows = {row["claim"]: row for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())}
    outliers, plain, filtered = (rows[n] for n in ("embedding_outliers", "scratch_embedding_plain", "table_1_mlp_low"))
    assert outliers["kinds"] == 2 and plain["kinds"] == 2
    assert (filtered["kinds_right"], filtered["kinds_wrong"]) == (0, 0) and (filtered["low"], filtered["high"]) == (
        0,
        1,
    )
    for row in rows.values():
        assert row["kinds_right"] + row["kinds_wrong"] + row["kinds_nothing"] == row["kinds"]
        assert len(row["wrong_in"]) == row["kinds_wrong"] and row["right_true"] <= row["true"]
    assert "rules; right in" in done.out


def test_built_models_go_through_the_instruments_that_filter(monkeypatch, tmp_path):
    settings = ["instruments=[filter_ablation,direct_path,input_waves]", "filter.draws=1"]
    monkeypatch.setattr(measure, "SETTINGS", [*measure.SETTINGS, *settings])
    kind = cases.Kind(Case("paper", "wide", "low"), range(1))
    ((said, why),) = judging.try_kinds([kind], tmp_path)
    tables = {path.stem for path in tmp_path.glob("*/0/record/tables/*.jsonl")}
    assert {"filter_ablation", "direct_path", "input_waves"} <= tables and said and not why


@pytest.mark.parametrize(("exchanged", "followed", "counted"), [(0.9, 0.9, True), (0.899, 1, False), (1, 0.899, False)])
def test_models_count_where_their_mechanism_is_known(monkeypatch, tmp_path, exchanged, followed, counted):
    """Trained ones are judged if every seed of them is beyond the bar; rates are told apart."""
    monkeypatch.setattr(measure, "SETTINGS", [*measure.SETTINGS, "instruments=[embedding_spectrum]"])
    kind = cases.Kind(Trained("swapped", 1), range(2))
    checks = iter([Checked(1, 1), Checked(exchanged, followed)])
    monkeypatch.setattr(cases, "check", lambda *args: next(checks))
    ((said, why),) = judging.try_kinds([kind], tmp_path)
    assert bool(said) == counted and ("not counted" in why) != counted and f"{exchanged:.0%} exchanged" in why
    asked = {call.claim for call in said}
    assert not counted or ("mlp_outliers" in asked and "near_then_exact" not in asked)  # of layers nothing is known
    assert judging.rows_of(said) == []  # the rules were made with this kind


def test_the_check_of_a_trained_model_tells_mechanisms_apart():
    """A look-up in the MLPs has what training to it would give, and nothing of another mechanism."""
    net = plant(Case("memory", "wide", "low"), seed=0)
    assert check(net, MECHANISMS["memory"]).known and check(net, MECHANISMS["memory"]).exchanged == 1
    for name in ("swapped", "memory_split"):
        assert not check(net, MECHANISMS[name]).known
    fresh = train(Trained("memory", 1), seed=0)
    found = check(fresh, MECHANISMS["memory"])
    assert found.exchanged < 0.5 and found.followed < 0.5 and not found.known


def test_training_ties_waves_to_modules():
    heights = []
    for steps in (1, 30):
        decoder = Decoder(train(Trained("swapped", steps), seed=0))
        with torch.no_grad(), capture(decoder, [*decoder.contributions(), decoder.final]) as states:
            decoder.answer_logits(PROMPTS)
        heights.append(aligned(written(decoder, states, "attn"), P))
    assert heights[1] > heights[0] + 0.5
