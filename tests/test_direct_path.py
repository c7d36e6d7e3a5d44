"""Waves on the direct path: the hand-built model's formula, numpy on real models, and what knock-outs may call real."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fourier_lightning.data.batches import Examples
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.instruments.base import View
from fourier_lightning.instruments.direct_path import DirectPath, knock_outs
from fourier_lightning.instruments.number_logits import NumberLogits
from fourier_lightning.models.decoder import Decoder
from tests import test_ablation as hand
from tests.tiny_models import VOCABULARY, tiny_model

module, view = hand.module, hand.view  # the fixtures of the model that is built by hand


def left_of_it(attn=1.0, low=hand.LOW):
    """Loss of the hand-built model with this part of attention's wave and these of the MLP's, the scale as it was."""
    n = np.arange(hand.P)[None, :] - np.arange(hand.P)[:, None]
    bump = sum((np.cos(2 * np.pi * k * (n - hand.SHIFT) / hand.P) for k in low), np.zeros(n.shape))
    whole = hand.scale(8, 2 * hand.A**2, 6 * hand.B**2)
    logits = hand.GAIN * (attn * hand.A * np.cos(np.pi * n) + hand.B * bump) / whole
    return (np.log(np.exp(logits).sum(axis=1) + 1) - np.diag(logits)).mean()  # the token "+" has logit 0


@torch.no_grad()
def test_the_table_is_the_one_derived_by_hand(view):
    found = DirectPath(FilterSettings(cutoff=10), periods=[2, 40])(view)
    rows = {(r["modules"], r["removed"], r["period"]): r for r in found.tables["direct_path"]}
    a, b = hand.A**2, 1.5 * hand.B**2  # powers over the number line of attention's wave, of the MLP's three
    expected = {  # loss, energy
        ("none", "none", None): (left_of_it(), 0),
        ("attn_mlp", "low", None): (left_of_it(low=()), b / (a + b)),
        ("attn", "low", None): (left_of_it(), 0),
        ("mlp", "low", None): (left_of_it(low=()), 1),
        ("attn_mlp", "high", None): (left_of_it(attn=0), a / (a + b)),
        ("attn", "high", None): (left_of_it(attn=0), 1),
        ("mlp", "high", None): (left_of_it(), 0),
        ("attn_mlp", "period", 2): (left_of_it(attn=0), a / (a + b)),
        ("attn", "period", 2): (left_of_it(attn=0), 1),
        ("mlp", "period", 2): (left_of_it(), 0),
        ("attn_mlp", "all but period", 2): (left_of_it(low=()), b / (a + b)),
        ("attn_mlp", "period", 40): (left_of_it(low=(2, 3)), b / 3 / (a + b)),
        ("attn", "period", 40): (left_of_it(), 0),
        ("mlp", "period", 40): (left_of_it(low=(2, 3)), 1 / 3),
        ("attn_mlp", "all but period", 40): (left_of_it(attn=0, low=(1,)), 1 - b / 3 / (a + b)),
    }
    assert rows.keys() == expected.keys()
    for case, (loss, energy) in expected.items():
        row = rows[case]
        assert row["loss"] == pytest.approx(loss, abs=1e-5), case
        assert row["energy"] == pytest.approx(energy, abs=1e-5), case
        assert (row["control_draws"], row["cutoff"]) == (0 if case[0] == "none" else 10, 10)
    whole, parity = rows["none", "none", None], rows["attn_mlp", "low", None]
    assert whole["accuracy"] == 1 and (whole["rank"], whole["control_loss_mean"]) == (0, None)
    assert parity["mod_2"] == 1 and parity["accuracy"] < 0.3 and parity["rank"] == 18
    errors = found.tables["direct_errors"]
    one_too_many = {r["error"]: r["count"] for r in errors if (r["modules"], r["removed"]) == ("attn", "high")}
    assert one_too_many == {1: 39, -39: 1}  # the bump alone says s + 1
    assert not [r for r in errors if r["removed"] == "period"]
    assert found.scalars["direct/attn_mlp/low_removed/accuracy"] == parity["accuracy"] and len(found.scalars) == 6


@torch.no_grad()
def test_knock_outs_by_hand(view):
    rows = DirectPath(FilterSettings(), periods=[])(view).tables["direct_knock_out"]
    assert [row["component"] for row in rows] == list(range(1, 21)) and rows[-1]["period"] == 2
    for row in rows:
        k = row["component"]
        loss = left_of_it(attn=k != 20, low=[low for low in hand.LOW if low != k])
        assert row["loss"] == pytest.approx(loss, abs=1e-5)
        assert row["loss_increase"] == pytest.approx(loss - left_of_it(), abs=1e-5)
    assert sum(row["energy"] for row in rows) == pytest.approx(1)
    assert rows[-1]["accuracy"] == 0 and rows[6]["accuracy"] == rows[6]["p_value"] == 1


def table_by_heart(seed, planted=0.0, p=41):
    """Every number's logits are its random vector against all numbers', and a wave k = 5 that peaks at the answer."""
    vectors = torch.randn(p, 60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x, none = torch.arange(p), torch.full((p,), -torch.inf)
    wave = planted * torch.cos(2 * torch.pi * 5 * (x - x[:, None]) / p)
    added = (vectors @ vectors.T / 10 + wave).float()
    return NumberLogits(added, added / 3, 2 * added / 3, none, none, x)


def brute_force(said, draws, seed):
    """Loss increases without each component, and the largest one under each rotation: softmaxes written out."""
    logits, p = said.logits.double().numpy(), said.logits.shape[1]

    def loss(removed):
        new = logits - logits @ removed
        return (np.log(np.exp(new).sum(1)) - np.diag(new)).mean()

    basis, intact = fourier_basis(p), loss(np.zeros((p, p)))
    rows_of = [basis.component[1:].numpy() == k for k in range(1, p // 2 + 1)]
    increases = lambda rows: [loss(rows[mine].T @ rows[mine]) - intact for mine in rows_of]  # noqa: E731
    own = increases(basis.rows[1:].numpy())
    return own, [max(increases(random_rows(p, p - 1, seed + draw).numpy())) for draw in range(draws)]


@torch.no_grad()
def test_the_maximum_statistic_finds_the_planted_wave_and_no_other(view):
    """``view`` says only that no logits are bent and that the task is no circle."""
    found = 0
    for seed in range(10):
        rows = knock_outs(view, table_by_heart(seed), fourier_basis(41), draws=20, seed=0)
        found += min(row["p_value"] for row in rows) <= 0.05
    assert found <= 2  # of 10, at a level of 5 %
    said = table_by_heart(0, planted=1.5)
    rows = knock_outs(view, said, fourier_basis(41), draws=20, seed=3)
    assert [row["component"] for row in rows if row["p_value"] <= 0.05] == [5]
    own, largest = brute_force(said, 20, seed=3)
    assert [row["loss_increase"] for row in rows] == pytest.approx(own, abs=1e-5)
    assert all(row["limit"] == pytest.approx(max(largest), abs=1e-5) for row in rows)
    beaten = [(1 + sum(value >= mine for value in largest)) / 21 for mine in own]
    assert [row["p_value"] for row in rows] == pytest.approx(beaten)


NUMBERS, P = torch.arange(10, 41), 31
PROMPT = torch.randint(VOCABULARY, (60, 5), generator=torch.Generator().manual_seed(0))
ANSWER = torch.randint(P, (60,), generator=torch.Generator().manual_seed(1))
# where each writes, the final norm, and what a norm's gain is
PLACES = {
    "gptj": ("attn", "mlp", "transformer.ln_f"),  # parallel, a bias in the head
    "gemma2": ("post_attention_layernorm", "post_feedforward_layernorm", "model.norm"),  # bent logits
}


def watch(net, attn, mlp, norm):
    """Logits, what attentions and MLPs add at the last position, and the stream that the norm reads: own hooks."""
    seen = {"attn": [], "mlp": [], "norm": []}
    first = lambda value: value[0] if isinstance(value, tuple) else value  # noqa: E731
    keep = lambda name: lambda _, inputs, output: seen[name].append(first(output)[:, -1].double().numpy())  # noqa: E731
    handles = [
        net.get_submodule(norm).register_forward_pre_hook(
            lambda _, x: seen["norm"].append(x[0][:, -1].double().numpy())
        )
    ]
    for path, part in net.named_modules():
        if path.endswith(f".{attn}") or path.endswith(f".{mlp}"):
            handles.append(part.register_forward_hook(keep("attn" if path.endswith(f".{attn}") else "mlp")))
    logits = net(PROMPT).logits[:, -1].double().numpy()
    for handle in handles:
        handle.remove()
    assert len(seen["attn"]) == len(seen["mlp"]) == net.config.num_hidden_layers
    return logits, sum(seen["attn"]), sum(seen["mlp"]), seen["norm"][0]


def direct_logits(name):
    """Logits of all tokens with so much less in the numbers' (a function), and what modules add to these, in numpy."""
    net = tiny_model(name)
    logits, *added, final = watch(net, *PLACES[name])
    norm, rows = (
        net.get_submodule(PLACES[name][2]),
        net.get_output_embeddings().weight[NUMBERS].detach().double().numpy(),
    )
    gain, cap = norm.weight.detach().double().numpy(), net.config.to_dict().get("final_logit_softcapping")
    if name == "gemma2":
        gain, scale = 1 + gain, np.sqrt((final**2).mean(1) + norm.eps)
    else:
        scale, added = np.sqrt(final.var(1) + norm.eps), [part - part.mean(1, keepdims=True) for part in added]
    attn, mlp = (part / scale[:, None] * gain @ rows.T for part in added)

    def less(removed):
        new, numbers = logits.copy(), logits[:, NUMBERS]
        new[:, NUMBERS] = numbers - removed if cap is None else cap * np.tanh(np.arctanh(numbers / cap) - removed / cap)
        return new

    return net, less, {"attn": attn, "mlp": mlp, "attn_mlp": attn + mlp, "none": 0 * attn}


def scored(logits):
    """Loss, exact, modulo 10, within 10 of the whole vocabulary's logits."""
    n = np.arange(len(logits))
    loss = np.log(np.exp(logits).sum(1)) - logits[n, NUMBERS[ANSWER]]
    error = logits[:, NUMBERS].argmax(1) - ANSWER.numpy()
    exact = logits.argmax(1) == NUMBERS[ANSWER].numpy()
    return [part.mean() for part in (loss, exact, error % 10 == 0, abs(error) <= 10)], error


def removed_by(row):
    """A projection over the number line (P, P), by least squares: fit, and see what the fit takes."""
    x = np.arange(P)
    constant = np.ones((P, 1))
    if row["period"] is None:
        ks = {"none": [], "low": range(1, 4), "high": range(4, P // 2 + 1)}[row["removed"]]
        waves = [f(2 * np.pi * k * x / P) for k in ks for f in (np.sin, np.cos)]
    else:
        waves = [f(2 * np.pi * x / row["period"]) for f in (np.sin, np.cos)]
    design = np.concatenate([constant, np.stack(waves, axis=1)], axis=1) if waves else constant
    fit = design @ np.linalg.pinv(design, rcond=1e-9) - np.full((P, P), 1 / P)
    return fit if row["removed"] != "all but period" else np.eye(P) - 1 / P - fit


@pytest.mark.parametrize("name", PLACES)
@torch.no_grad()
def test_rows_errors_and_controls_are_those_of_numpy(name):
    net, less, added = direct_logits(name)
    none = torch.empty(0, dtype=torch.long)
    words = Vocabulary(torch.arange(VOCABULARY), NUMBERS, none, none)
    examples = [Examples(PROMPT, ANSWER, ANSWER[:, None], ANSWER[:, None])]
    view = View(Decoder(net), SimpleNamespace(p=P, cycle=None), words, examples, prompts_of=lambda operands: None)
    found = DirectPath(FilterSettings(cutoff=4, seed=5), draws=3, batch_size=25)(view)
    rows = found.tables["direct_path"]
    assert len(rows) == 7 + 7 * 4 and {row["period"] for row in rows} == {None, 2, 2.5, 5, 10, 30, 3, 7}
    metrics, effects = ("loss", "accuracy", "mod_10", "within_10"), set()
    for row in rows:
        case, change, onto = (row["modules"], row["removed"], row["period"]), added[row["modules"]], removed_by(row)
        own, error = scored(less(change @ onto))
        assert [row[m] for m in metrics] == pytest.approx(own, abs=2e-5), case
        assert row["rank"] == round(np.trace(onto))
        effects.add(round(own[0], 3))
        if row["removed"] != "period":
            told = {r["error"]: r["count"] for r in found.tables["direct_errors"]
                    if (r["modules"], r["removed"], r["period"]) == case}  # fmt: skip
            assert told == {int(e): int((error == e).sum()) for e in np.unique(error)}
        if row["rank"]:
            centred = change - change.mean(1, keepdims=True)
            power = lambda x: (x**2).sum()  # noqa: E731
            assert row["energy"] == pytest.approx(power(centred @ onto) / power(centred), abs=1e-6)
            expected, sizes = controls(less, centred, row["rank"], row["energy"])
            for kind, values in expected.items():
                for index, metric in enumerate(metrics):
                    drawn = [value[index] for value in values]
                    assert row[f"{kind}_{metric}_mean"] == pytest.approx(np.mean(drawn), abs=2e-5), case
                    assert row[f"{kind}_{metric}_std"] == pytest.approx(np.std(drawn, ddof=1), abs=2e-5), case
            assert row["control_energy_rows"] == pytest.approx(np.mean(sizes))
    assert len(effects) > 20  # the rows differ


def controls(less, centred, rank, energy):
    """Scores with three random subspaces of this rank, and of this energy, and how many rows the latter took."""
    found, sizes = {"control": [], "control_energy": []}, []
    for draw in range(3):
        rows = random_rows(P, P - 1, 5 + draw).numpy()
        held = np.array([((centred @ rows[:m].T) ** 2).sum() for m in range(1, P)]) / (centred**2).sum()
        sizes.append(1 + abs(held - energy).argmin())
        for kind, size in (("control", rank), ("control_energy", sizes[-1])):
            found[kind].append(scored(less(centred @ rows[:size].T @ rows[:size]))[0])
    return found, sizes
