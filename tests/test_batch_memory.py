"""How many rows fit: counted on a pretended model, held against what torch's profiler sees a real one allocate."""

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from fourier_lightning import defaults
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.batch_memory import bytes_kept, most_rows
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.parts import prepare
from tests.conftest import train
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


@pytest.fixture
def large(monkeypatch):
    """As if this CPU were a GPU with so many bytes free."""

    def free(count):
        monkeypatch.setattr(defaults, "LARGE", ("cpu",))
        monkeypatch.setattr(defaults, "free_bytes", lambda device: count)

    return free


def settings(tiny, *words, **where):
    return tiny("data.batch_size=auto", "instruments=none", "logger=none", *words, **where)


@pytest.mark.parametrize("free, size, steps", [(2**40, 16, 12), (300_000, 8, 23)])
def test_the_batch_is_a_power_of_two_that_fits_and_leaves_an_epoch_its_steps(tiny, large, free, size, steps):
    """Of 184 pairs 16 a step are 12 steps, and 32 would be 6; in 300,000 bytes the tiny model has room for 14."""
    large(free)
    cfg = settings(tiny)
    parts = prepare(cfg)
    assert (cfg.data.batch_size, parts.data.batch_size) == (size, size)
    batches = list(parts.data.train_dataloader())
    assert (len(batches), len(batches[0]["answer"])) == (steps, size)
    assert f"data.batch_size={size}: " in parts.notes[-1] and f"sqrt({size} / n)" in parts.notes[-1]


def test_a_fit_that_goes_on_keeps_its_batches(tiny, large, tmp_path):
    """Another job may have the memory by then."""
    large(2**40)
    train(settings(tiny, "trainer.max_epochs=1", "test=false"))
    large(300_000)
    cfg = settings(tiny, f"ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}")
    parts = prepare(cfg)
    assert parts.data.batch_size == cfg.data.batch_size == 16
    assert parts.notes[-1] == "data.batch_size=16, as the checkpoint's run has it"


@pytest.mark.parametrize(
    "words, problem",
    [
        ([], "0.0 GB are free, and not one prompt fits; use a smaller model"),
        (["fit=false"], "nothing is trained; leave it out"),
        (["model.loss=sequence"], "not counted for model.loss=sequence; use a number"),
        (["callbacks=[default,activation_checkpointing]"], "not counted with callbacks.activation_checkpointing"),
        (["trainer=ddp", "trainer.devices=2"], "not counted for several devices; use a number"),
    ],
)
def test_what_can_not_be_chosen_is_one_line(tiny, large, words, problem):
    large(1000)
    with pytest.raises(ConfigError) as error:
        prepare(settings(tiny, *words))
    assert str(error.value).startswith(f"data.batch_size=auto: {problem}")
