"""The logit lens against numpy: norm, unembedding and biases written out at every place of the stream."""

import numpy as np
import pytest
import torch

from fourier_lightning.instruments import LogitLens
from fourier_lightning.models.hooks import capture
from tests.test_answer_phase import random_view


def read_out(decoder, states, final, ln):
    """Logits of the numbers 0..40 of a residual stream (n, d), as if the model ended there."""
    norm, head = decoder.norm, decoder.head
    gain, rows = (t.detach().double().numpy() for t in (norm.weight, head.weight[:41]))
    bias = 0.0 if head.bias is None else head.bias[:41].detach().double().numpy()
    cap = getattr(decoder.config, "final_logit_softcapping", None)
    scaled = final if ln == "frozen" else states
    if ln == "none":
        logits = states @ rows.T + bias
    elif decoder.config.model_type == "gemma2":  # a root mean square, its gain 1 + weight
        logits = states / np.sqrt((scaled**2).mean(1, keepdims=True) + norm.eps) * (1 + gain) @ rows.T + bias
    else:
        centred = states - states.mean(1, keepdims=True)
        size = np.sqrt(scaled.var(1, keepdims=True) + norm.eps)
        logits = (centred / size * gain + norm.bias.detach().double().numpy()) @ rows.T + bias
    return logits if cap is None else cap * np.tanh(logits / cap)


@pytest.mark.parametrize("ln", ["recomputed", "frozen", "none"])
@pytest.mark.parametrize("name", ["gptj", "gpt2", "gemma2"])  # both biases, that of the norm alone, none and a bend
@torch.no_grad()
def test_the_lens_ends_the_model_at_every_place(name, ln):
    view = random_view(name)
    decoder, stream, answers = view.decoder, {}, []
    sites = decoder.contributions()
    with capture(decoder, [*sites, decoder.final]) as seen:
        for group in view.examples:
            decoder.net(group.prompt)
            total = np.zeros((len(group.prompt), decoder.width))
            final = seen[decoder.final].double().numpy()
            for site in sites:
                total = total + seen[site].double().numpy()
                stream.setdefault(site, []).append((total, final))
            answers.append(group.answer.numpy())
    answers, rows = np.concatenate(answers), LogitLens(ln=ln, batch_size=30)(view).tables["lens_accuracy"]
    assert [(row["layer"], row["after"]) for row in rows] == [
        (-1, "embed"), *((layer, module) for layer in (0, 1) for module in ("attn", "mlp"))
    ]  # fmt: skip
    for row, site in zip(rows, sites, strict=True):
        logits = np.concatenate([read_out(decoder, *states, ln) for states in stream[site]])
        error = logits.argmax(axis=1) - answers
        loss = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        loss = loss - np.take_along_axis(logits, answers[:, None], 1)[:, 0]
        assert row["loss"] == pytest.approx(loss.mean(), rel=1e-4)
        assert row["accuracy"] == pytest.approx((error == 0).mean())
        assert row["within_10"] == pytest.approx((abs(error) <= 10).mean())
        assert row["mae"] == pytest.approx(abs(error).mean(), rel=1e-5)


@pytest.mark.parametrize(("name", "norm", "head"), [("gptj", True, True), ("gpt2", True, False)])
@torch.no_grad()
def test_biases_that_prefer_a_number_are_said_at_every_place(name, norm, head):
    """Every prompt's logits hold them: where a bias outweighs all that modules write, the lens says that number."""
    view = random_view(name)
    decoder, share = view.decoder, np.mean([(group.answer == 20).double().mean() for group in view.examples])
    assert (decoder.norm.bias is not None, decoder.head.bias is not None) == (norm, head)
    if head:
        decoder.head.bias[20] += 1e4
    else:
        decoder.norm.bias += 1e4 * torch.linalg.pinv(decoder.head.weight[:32])[:, 20]  # d = 32: of 32 numbers
        decoder.head.weight[32:41] = 0.0
    for row in LogitLens()(view).tables["lens_accuracy"]:
        assert row["accuracy"] == pytest.approx(share) and 0 < share < 0.5
