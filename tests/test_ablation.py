"""The ablation table of a model that is built by hand: attention carries T = 2 alone, the MLP low waves alone.

The model says number s after the prompt "+ s", over a number line of p = 40. Its attention (block 0) adds
A cos(pi (n - s)) to the logit of n. Its MLP (block 1) adds B sum_k cos(2 pi k (n - s - 0.6) / p), k = 1, 2, 3: a bump
whose top lies at s + 0.6, so by itself it answers s + 1, one too many; parity puts that right. So, by hand:

    without the low waves, or the MLP's low waves   parity right, the number lost
    without the high waves, or the attention's      always s + 1: within 2, never right, parity always wrong
    without attention's low or the MLP's high       nothing happens: there is none
"""

import numpy as np
import pytest
import torch
from transformers import GPT2Config

from fourier_lightning.data.batches import Examples
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.instruments.base import View
from fourier_lightning.instruments.filter_ablation import FilterAblation
from fourier_lightning.instruments.knock_out import KnockOut
from fourier_lightning.instruments.single_component import SingleComponent
from fourier_lightning.models.module import AdditionModule

P, WIDTH, A, B, GAIN, EPS, SHIFT = 40, 28, 1.0, 1.0, 6.0, 1e-5, 0.6
LOW = (1, 2, 3)


def waves(x):
    """T = 2, then cosine and sine of each low k: (len(x), 7)."""
    angles = 2 * np.pi * np.outer(x, LOW) / P
    low = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(len(x), 6)
    return np.concatenate([np.cos(np.pi * np.asarray(x))[:, None], low], axis=1)


def pairs(values):
    """Each value beside its negative: a state without a mean, whatever the values are."""
    return np.stack([values, -values], axis=-1).reshape(*values.shape[:-1], -1)


def scale(*squares):
    return np.sqrt(sum(squares) / WIDTH + EPS)


class ByHand(Task):
    """Say the number again: it has an operand and no texts."""

    name, cyclic, commutative, size_key = "by hand", False, False, ""
    smallest, largest, p, templates = 0, P - 1, P, {}

    def operands(self):
        return torch.arange(P)[:, None]

    def answers(self, operands):
        return operands[:, 0]


@pytest.fixture(scope="module")
def module():
    """d = 28: the first half holds the waves of the token, the second half is what the unembedding reads."""
    shape = GPT2Config(vocab_size=P + 1, n_embd=WIDTH, n_layer=2, n_head=1, n_positions=2, n_inner=12,
                       tie_word_embeddings=False, bos_token_id=None, eos_token_id=None)  # fmt: skip
    built = AdditionModule(
        network=shape.to_dict(), token_ids=list(range(P + 1)), numbers=list(range(P)), freeze_table=False,
        optimizer={"name": "adamw", "lr": 1e-3},
    )  # fmt: skip
    net = built.net
    for parameter in net.parameters():
        parameter.data.zero_()
    for norm in (m for m in net.modules() if isinstance(m, torch.nn.LayerNorm)):
        norm.weight.data.fill_(1.0)
    net.transformer.ln_f.weight.data.fill_(GAIN)
    put = lambda parameter, values: parameter.data.copy_(torch.tensor(values))  # noqa: E731
    token = np.zeros((P + 1, WIDTH))
    token[:P, :14] = pairs(waves(np.arange(P)))
    put(net.transformer.wte.weight, token)
    reads = np.zeros((P + 1, WIDTH))
    reads[:P, 14:] = pairs(waves(np.arange(P))) / 2
    put(net.lm_head.weight, reads)
    first, second = net.transformer.h
    # Attention looks at both tokens alike, and "+" has nothing to say: twice the half.
    first.attn.c_attn.weight.data[0, 2 * WIDTH] = 2 * A * scale(8)
    put(first.attn.c_proj.weight[0, 14:16], [1.0, -1.0])
    # The MLP is linear: gelu(u) - gelu(-u) = u.
    angles = 2 * np.pi * np.array(LOW) * SHIFT / P
    turn = np.zeros((6, 6))
    for i, angle in enumerate(angles):
        turn[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    put(second.mlp.c_fc.weight[2:14:2], np.concatenate([turn, -turn], axis=1) * B * scale(8, 2 * A**2))
    put(second.mlp.c_proj.weight[:, 16:], np.concatenate([pairs(np.eye(6)), -pairs(np.eye(6))]))
    return built.eval()


def by_hand(attn=True, mlp=True):
    """Loss and likeliest errors of the model with these parts, from the formula alone."""
    a = A if attn else 0.0
    b = B * scale(8, 2 * A**2) / scale(8, 2 * a**2) if mlp else 0.0  # the MLP's LayerNorm sees attention go
    n = np.arange(P)[None, :] - np.arange(P)[:, None]
    bump = sum(np.cos(2 * np.pi * k * (n - SHIFT) / P) for k in LOW)
    logits = GAIN * (a * np.cos(np.pi * n) + b * bump) / scale(8, 2 * a**2, 6 * b**2)
    others = np.log(np.exp(logits).sum(axis=1) + 1)  # the token "+" has logit 0
    return (others - np.diag(logits)).mean()


@pytest.fixture
def view(module):
    prompt = torch.stack([torch.full((P,), P), torch.arange(P)], dim=1)
    numbers = torch.arange(P)
    examples = Examples(prompt, numbers, numbers[:, None], torch.ones(P, 1, dtype=torch.long))
    none = torch.empty(0, dtype=torch.long)
    vocabulary = Vocabulary(torch.arange(P + 1), numbers, operands=none, operand_values=none)
    return View(module.decoder, ByHand(), vocabulary, [examples], prompts_of=lambda operands: examples)


@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize("fold_ln", [True, False])
@torch.no_grad()
def test_the_table_is_the_one_derived_by_hand(view, positions, fold_ln):
    settings = FilterSettings(cutoff=10, positions=positions, fold_ln=fold_ln)
    found = FilterAblation(settings)(view)
    rows = found.tables["filter_ablation"]
    expected = {
        ("none", "none"): by_hand(),
        ("attn_mlp", "low"): by_hand(mlp=False),
        ("attn", "low"): by_hand(),
        ("mlp", "low"): by_hand(mlp=False),
        ("attn_mlp", "high"): by_hand(attn=False),
        ("attn", "high"): by_hand(attn=False),
        ("mlp", "high"): by_hand(),
    }
    assert len(rows) == 1 + 6 * 2 and {row["method"] for row in rows} == {"readout", "projection"}
    for row in rows:
        case = row["modules"], row["removed"]
        assert row["loss"] == pytest.approx(expected[case], abs=1e-4), case
        assert row["refused"] is None and row["cutoff"] == 10
        if case in {("none", "none"), ("attn", "low"), ("mlp", "high")}:
            assert row["accuracy"] == row["mod_2"] == 1
        elif case[1] == "low":  # twenty numbers of the right parity, all alike
            assert row["mod_2"] == 1 and row["accuracy"] < 0.3
        else:  # s + 1, and 39 + 1 is 0
            assert row["accuracy"] == row["mod_2"] == 0 and row["within_2"] == pytest.approx(39 / 40)
        if case != ("none", "none"):
            assert row["rank"] == (6 if case[1] == "low" else 1) if row["method"] == "projection" else True
            assert row["control_draws"] == 3 and row["control_accuracy_std"] is not None
    histogram = found.tables["error_histogram"]
    without_high = {r["error"]: r["count"] for r in histogram if (r["modules"], r["removed"]) == ("attn", "high")}
    assert without_high == {1: 39, -39: 1}
    assert {r["count"] for r in histogram if r["modules"] == "none"} == {40}


@torch.no_grad()
def test_single_components_and_knock_outs_by_hand(view):
    settings = FilterSettings(cutoff=10)
    single = SingleComponent(settings, periods=[2, 40], components=[20])(view)
    parity, longest, grid = single.tables["single_component"]
    for row in (parity, grid):  # at even p, T = 2 is k = 20 exactly
        assert row["mod_2"] == 1 and row["loss"] == pytest.approx(by_hand(mlp=False), abs=1e-4)
    assert longest["mod_2"] == 0 and longest["within_2"] == pytest.approx(39 / 40)  # a wide bump at s + 0.6
    knocked = KnockOut(settings)(view).tables["knock_out"]
    rows = {row["component"]: row for row in knocked}
    assert len(rows) == 20
    for k, row in rows.items():
        used = k in (*LOW, 20)
        assert (abs(row["loss_increase"]) > 1e-3) == used and (row["power"] > 1e-6) == used
    assert rows[20]["accuracy"] == 0 and rows[20]["loss"] == pytest.approx(by_hand(attn=False), abs=1e-4)
    assert rows[7]["accuracy"] == 1
    # a long wave and the shortest cost more than any random pair; without k = 1 or 2 the bump still has its top
    assert {k for k, row in rows.items() if row["p_value"] <= 0.05} == {3, 20}
    assert [rows[k]["energy"] for k in (1, 2, 3, 7, 20)] == pytest.approx([0.2, 0.2, 0.2, 0, 0.4], abs=1e-6)
