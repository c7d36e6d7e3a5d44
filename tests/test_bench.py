"""The bench's parts, at a size that takes a second; its figures are for `make bench`."""

import pytest
import torch

from scripts import bench, bench_worker


def test_flop_of_a_step_against_a_hand_count():
    """The quick shape: blocks on 4 tokens, the last one's query, projection and MLP on 1, the head on 1."""
    batch, d, vocabulary, length = 256, 128, 523, 4
    block_all = 12 * d * d * length  # multiply-adds an example: qkv 3, projection 1, MLP 8
    block_last = 2 * d * d * length + 10 * d * d  # keys and values everywhere, the rest once
    linear = 2 * batch * (block_all + block_last + d * vocabulary)
    counted = bench.step_flop("quick")
    assert counted == pytest.approx(3 * linear, rel=0.05)  # forward and twice that backward; attention is small


def test_both_sides_train_the_same_body_on_the_same_texts():
    from fourier_lightning.config import load_config
    from fourier_lightning.run import prepare

    for shape, settings in bench_worker.SHAPES.items():
        cfg = bench_worker.our_config(shape, "adamw")
        parts = prepare(cfg)
        assert parts.data.batch_size == settings["batch"]
        assert len(parts.data.split["train"]) == 27_352
        assert cfg.model.dropout == 0.0 and cfg.trainer.limit_val_batches == 0
    assert load_config(["experiment=quick"]).data.batch_size == bench_worker.SHAPES["quick"]["batch"]


def test_ceiling_is_a_rate_of_real_products(monkeypatch):
    calls = []
    real = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b: calls.append(a.dtype) or real(a, b))
    assert bench.matmul_ceiling("32-true", size=64, seconds=0.01) > 0
    assert bench.matmul_ceiling("bf16-mixed", size=64, seconds=0.01) > 0
    assert set(calls) == {torch.float32, torch.bfloat16}
