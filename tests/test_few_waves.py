"""How often a few waves of the final logits peak at the answer: by numpy's own Fourier transform, prompt by prompt."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments import FinalLogits
from tests.test_answer_phase import random_view


def asked():
    """A random model's view, of which one prompt is looked at closely."""
    view = random_view("gptj")
    return replace(view, prompts_of=lambda operands: view.examples[0][torch.tensor([0])])


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


def test_random_waves_do_it_for_a_peak_and_not_for_lines(monkeypatch):
    """Logits made by hand: a peak at the answer holds all waves alike; a line is one wave."""
    view, x = asked(), np.arange(41)

    def measured(curve):
        made = iter(torch.tensor(np.stack([curve(x - a) for a in group.answer.tolist()])) for group in view.examples)
        logits = [torch.nn.functional.pad(part, (0, 19)) for part in made]
        monkeypatch.setattr(type(view.decoder), "answer_logits", lambda self, prompt, **how: logits.pop(0))
        return FinalLogits(batch_size=512)._few_waves(view)

    rng = np.random.default_rng(0)
    line = measured(lambda d: np.cos(2 * np.pi * d / 41) + 1e-3 * rng.standard_normal(41))
    assert line["exact"] == line["accuracy"] == 1 and line["control_exact_mean"] < 0.6
    peak = measured(lambda d: (d == 0) * 9.0)
    assert peak["accuracy"] == peak["exact"] == peak["control_exact_mean"] == 1 and peak["control_exact_std"] == 0
