"""How often a few waves of the final logits peak at the answer: by numpy's own Fourier transform, prompt by prompt."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.instruments import FinalLogits
from fourier_lightning.instruments.final_logits import peak_share
from tests.test_answer_phase import random_view


def asked():
    """A random model's view, of which one prompt is looked at closely."""
    view = random_view("gptj")
    return replace(view, prompts_of=lambda operands: view.examples[0][torch.tensor([0])])


def planted(view, monkeypatch, curve):
    """Makes the model say curve(x - answer) over the numbers x."""
    x, made = np.arange(41), []
    for group in view.examples:
        logits = torch.tensor(np.stack([curve(x - a) for a in group.answer.tolist()]))
        made.append(torch.nn.functional.pad(logits, (0, 19)))
    monkeypatch.setattr(type(view.decoder), "uncapped", lambda self, logits: made.pop(0)[: len(logits)])


@torch.no_grad()
def test_the_strongest_waves_against_a_transform_of_each_prompt():
    view, count = asked(), 5
    row = FinalLogits(prompts=[[1, 2]], top_k=count, draws=40, batch_size=7)(view).tables["few_waves"][0]
    exact, right = [], []
    for group in view.examples:
        logits = view.decoder.answer_logits(group.prompt)[:, :41].double().numpy()
        for signal, answer in zip(logits, group.answer.tolist(), strict=True):
            found = np.fft.rfft(signal)
            found[0] = 0
            found[np.argsort(-np.abs(found))[count:]] = 0
            exact.append(np.fft.irfft(found, 41).argmax() == answer)
            right.append(signal.argmax() == answer)
    assert (row["waves"], row["prompts"], row["control_draws"]) == (5, 90, 40)
    assert row["exact"] == pytest.approx(np.mean(exact)) and row["accuracy"] == pytest.approx(np.mean(right))
    few = FinalLogits(prompts=[[1, 2]], many=20)(view).tables["few_waves"][0]
    assert few["prompts"] == 20 and "few_waves" not in FinalLogits(prompts=[[1, 2]], many=0)(view).tables
    with pytest.raises(ConfigError, match="draws=1"):
        FinalLogits(draws=1)


def test_the_control_of_a_selection_is_selected_too(monkeypatch):
    """Logits made by hand. Any five of the strongest pairs hold a peak at the answer; only waves hold a wave.

    Five random pairs, not the strongest, were the control once: they missed the peak of a bump that five strongest
    pairs of any basis show (70.8 % where waves gave 65.8 on a trained model).
    """
    view = asked()

    def measured(curve):
        planted(view, monkeypatch, curve)
        return FinalLogits(batch_size=512)._few_waves(view)

    rng = np.random.default_rng(0)
    line = measured(lambda d: np.cos(2 * np.pi * d / 41) + 1e-3 * rng.standard_normal(41))
    assert line["exact"] == line["accuracy"] == 1 and line["control_exact_mean"] < 0.6
    peak = measured(lambda d: (d == 0) * 9.0)
    assert peak["accuracy"] == 1 and peak["control_exact_mean"] > 0.9  # as good as the waves
    mixed = measured(lambda d: np.cos(2 * np.pi * d / 10) + np.cos(2 * np.pi * d / 41) + np.cos(np.pi * d))
    assert mixed["exact"] == 1 and mixed["control_exact_mean"] < 0.7


def test_strongest_groups_of_any_rows_against_a_loop():
    rng, rows = torch.Generator().manual_seed(1), random_rows(12, 11, 3)
    logits, answers = torch.randn(30, 12, generator=rng, dtype=torch.float64), torch.arange(30) % 12
    group = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    right = 0
    for signal, answer in zip(logits, answers, strict=True):
        parts = [sum((signal @ row) * row for row in rows[group == g]) for g in range(6)]
        parts.sort(key=lambda part: -float(part.square().sum()))
        right += int((parts[0] + parts[1]).argmax() == answer)
    assert 0 < right < 30 and peak_share(logits, answers, rows, group, 2) == pytest.approx(right / 30)


def short_beside_long(d):
    """A long wave whose top is on the next number, and a short one of half its height that puts it right."""
    return np.cos(2 * np.pi * (d - 0.6) / 41) + 0.5 * np.cos(2 * np.pi * 20 * d / 41)


@pytest.mark.parametrize("constant", [100.0, -100.0])
def test_a_constant_is_no_wave(monkeypatch, constant):
    """Two waves are the two strongest, whatever all logits have in common, and however much stronger that is.

    The controls of a model with and without it are the same: no random pair of directions holds a constant.
    """
    view, rows = asked(), []
    for added in (0.0, constant):
        planted(view, monkeypatch, lambda d, added=added: added + short_beside_long(d))
        rows.append(FinalLogits(top_k=2, draws=4)._few_waves(view))
    assert rows[1]["exact"] == rows[1]["accuracy"] == 1 and rows[0] == rows[1]
    planted(view, monkeypatch, lambda d: constant + short_beside_long(d))
    assert FinalLogits(top_k=1, draws=4)._few_waves(view)["exact"] == 0  # either of them alone would not do


@pytest.mark.parametrize("constant", [0.0, 100.0])
def test_waves_of_single_prompts_are_never_the_constant(monkeypatch, constant):
    """In each band: by numpy's own Fourier transform, without its first coefficient."""
    view = asked()
    answer = int(view.examples[0].answer[0])
    planted(view, monkeypatch, lambda d: constant + short_beside_long(d))
    shown = FinalLogits(prompts=[[1, 2]], top_k=3, many=0)(view)
    signal = shown.arrays["final_logits"][0].numpy()
    assert signal.mean() == pytest.approx(constant) and signal.argmax() == answer
    sizes = np.abs(np.fft.rfft(signal))[1:] * 2 / 41
    for band, ks in (("all", range(1, 21)), ("low", range(1, 4)), ("high", range(4, 21))):  # 50 / 521 of 41: k below 4
        rows = [row for row in shown.tables["final_logit_waves"] if row["band"] == band]
        assert len(rows) == 3 and {row["component"] for row in rows} <= set(ks)
        assert rows[0]["component"] == max(ks, key=lambda k: sizes[k - 1])
        assert [row["amplitude"] for row in rows] == pytest.approx([sizes[row["component"] - 1] for row in rows])
    topk = shown.arrays["final_logits_topk_sum"][0]
    assert float(topk.mean()) == pytest.approx(0, abs=1e-9) and int(topk.argmax()) == answer
    planted(view, monkeypatch, lambda d: constant + short_beside_long(d))
    every = FinalLogits(prompts=[[1, 2]], top_k=50, many=0)(view).tables["final_logit_waves"]
    assert sorted(row["component"] for row in every if row["band"] == "all") == list(range(1, 21))


def test_the_spread_of_random_bases_is_that_of_a_sample():
    """By numpy from shares counted prompt by prompt: the strongest three of twenty pairs of random directions."""
    view, shares = asked(), []
    row = FinalLogits(top_k=3, draws=3, seed=5)._few_waves(view)
    logits = torch.cat([view.decoder.answer_logits(group.prompt)[:, :41] for group in view.examples]).detach().double()
    answers = np.concatenate([group.answer.numpy() for group in view.examples])
    for draw in range(3):
        pairs = random_rows(41, 40, 5 + draw).numpy().reshape(20, 2, 41)
        parts = np.einsum("np,kcp,kcq->nkq", logits.numpy(), pairs, pairs)
        power = (parts**2).sum(axis=2)
        kept = np.argsort(-power, axis=1)[:, :3]
        shares.append((np.take_along_axis(parts, kept[:, :, None], 1).sum(axis=1).argmax(axis=1) == answers).mean())
    assert row["control_exact_mean"] == pytest.approx(np.mean(shares)) and len(set(shares)) > 1
    assert row["control_exact_std"] == pytest.approx(np.std(shares, ddof=1))
