"""How many rows fit: counted on a pretended model, held against what torch's profiler sees a real one allocate."""

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from fourier_lightning.errors import ConfigError
from fourier_lightning.models.batch_memory import bytes_kept, most_rows
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.parts import prepare
from tests.tiny_models import tiny_model


def allocated(net, rows, length, autocast=None):
    """Bytes that a forward pass of a real model has allocated and not freed when its loss is there."""
    prompt = torch.zeros(rows, length, dtype=torch.long)
    half = torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen, half:
        loss = F.cross_entropy(Decoder(net).answer_logits(prompt), prompt[:, 0])
    assert loss.requires_grad
    return sum(one.self_cpu_memory_usage for one in seen.key_averages())


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "opt"])
def test_a_row_costs_what_the_real_pass_keeps(name, autocast):
    """Tables of cosines and masks that rows share are counted once a row in some architectures: at most 15 % more."""
    net = tiny_model(name, max_position_embeddings=64, pad_token_id=None).train()
    pretended, real = (
        (count(32) - count(16)) / 16
        for count in (
            lambda rows: bytes_kept(net.config, rows, 40, autocast),
            lambda rows: allocated(net, rows, 40, autocast),
        )
    )
    assert 0.99 < pretended / real < 1.15


def test_the_rows_that_fit_take_what_is_left_beside_the_weights():
    net = tiny_model("gpt2", max_position_embeddings=64)
    weights = 16 * sum(weight.numel() for weight in net.parameters())
    a_row = allocated(net.train(), 2, 40) / 2
    for free in (2**28, 2**31):
        rows = most_rows(net.config, 40, None, free)
        assert (0.7 * free - weights) / a_row == pytest.approx(rows, rel=0.02)
        assert most_rows(net.config, 40, None, free, copies=5) == pytest.approx(
            (0.14 * free - weights) / a_row, rel=0.02
        )
    assert most_rows(net.config, 40, None, weights) == 0


def settings(tiny, *words):
    return tiny("data.batch_size=auto", "instruments=none", "logger=none", *words)


@pytest.mark.parametrize("free, size", [(2**40, 16), (300_000, 8)])
def test_the_batch_is_a_power_of_two_that_fits_and_leaves_an_epoch_its_steps(tiny, monkeypatch, free, size):
    """Of 184 training pairs an eighth is 23; in 300,000 bytes the tiny model and its moments leave room for 14."""
    monkeypatch.setattr("fourier_lightning.defaults.free_bytes", lambda device: free)
    cfg = settings(tiny)
    parts = prepare(cfg)
    assert (cfg.data.batch_size, parts.data.batch_size) == (size, size)
    assert len(next(iter(parts.data.train_dataloader()))["answer"]) == size
    assert f"data.batch_size={size}: " in parts.notes[-1] and f"sqrt({size} / n)" in parts.notes[-1]


@pytest.mark.parametrize(
    "free, words, problem",
    [
        (None, [], "a device of type cpu gains little by large batches; use a number"),
        (1000, [], "0.0 GB are free, and not one prompt fits; use a smaller model"),
        (2**40, ["fit=false"], "nothing is trained; leave it out"),
        (2**40, ["model.loss=sequence"], "not counted for model.loss=sequence; use a number"),
        (
            2**40,
            ["callbacks=[default,activation_checkpointing]"],
            "not counted with callbacks.activation_checkpointing",
        ),
    ],
)
def test_what_can_not_be_chosen_is_one_line(tiny, monkeypatch, free, words, problem):
    monkeypatch.setattr("fourier_lightning.defaults.free_bytes", lambda device: free)
    with pytest.raises(ConfigError) as error:
        prepare(settings(tiny, *words))
    assert str(error.value).startswith(f"data.batch_size=auto: {problem}")
