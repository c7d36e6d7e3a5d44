"""How loud built models are beside what they mean: measured on their logits, with and without what means nothing."""

import numpy as np
import pytest
import torch

from fourier_lightning.calibration.models import MARGIN, MAX_OPERAND, Case, P, plant
from fourier_lightning.calibration.planted import Junk
from fourier_lightning.calibration.trained import prompts
from fourier_lightning.models.decoder import Decoder

OPERANDS = torch.cartesian_prod(torch.arange(MAX_OPERAND + 1), torch.arange(MAX_OPERAND + 1))


@torch.no_grad()
def with_and_without(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Number logits (n, p) of a built model for all prompts, and of the same without what is written besides."""
    net = plant(case, seed=0)
    decoder, loud = Decoder(net), [module for module in net.modules() if isinstance(module, Junk)]
    assert len(loud) == 4  # two blocks of two modules
    whole = decoder.answer_logits(prompts(OPERANDS))[:, :P]
    for module in loud:
        module.write.zero_()
    return whole.double().numpy(), decoder.answer_logits(prompts(OPERANDS))[:, :P].double().numpy()


def loudness(whole: np.ndarray, clean: np.ndarray) -> float:
    """Root mean square over prompts and numbers of what one has more, beside what all prompts or all numbers share."""
    heard = whole - clean
    heard = heard - heard.mean(axis=0)
    heard = heard - heard.mean(axis=1, keepdims=True)
    return float(np.sqrt((heard**2).mean()))


@pytest.mark.parametrize(("noise", "share"), [("low", 0.04), ("high", 0.08)])
@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("name", ["paper", "swapped", "both", "memory", "edges"])
def test_what_modules_write_besides_is_this_share_of_the_margin(name, width, noise, share):
    assert loudness(*with_and_without(Case(name, width, noise))) / MARGIN == pytest.approx(share, rel=0.17)


@pytest.mark.parametrize(("noise", "share"), [("low", 0.04), ("high", 0.08)])
def test_the_margin_is_what_a_look_up_is_ahead_by(noise, share):
    """Answers by heart, where they can be written apart: the answer's logit less the next best, prompt by prompt."""
    whole, clean = with_and_without(Case("memory", "wide", noise))
    answers = OPERANDS.sum(dim=1).numpy()[:, None]
    best = np.take_along_axis(clean, answers, axis=1)[:, 0]
    others = clean.copy()
    np.put_along_axis(others, answers, -np.inf, axis=1)
    ahead = float((best - others.max(axis=1)).mean())
    assert ahead == pytest.approx(MARGIN, rel=0.15)
    assert loudness(whole, clean) / ahead == pytest.approx(share, rel=0.17)


@pytest.mark.parametrize(("noise", "share"), [("low", 0.04), ("high", 0.08)])
def test_beside_a_flat_peak_a_thirtieth_is_written(noise, share):
    """A magnitude that has to find the answer alone is hardly ahead of the next number."""
    for name in ("magnitude", "decoy_magnitude"):
        heard = loudness(*with_and_without(Case(name, "wide", noise)))
        assert heard / MARGIN == pytest.approx(0.03 * share, rel=0.15)
