"""A run on several devices: each rank's share of the batches, what is refused, and two processes against one."""

import json
import os
import sys
import time

import pytest
import torch

from fourier_lightning import devices
from fourier_lightning.callbacks.recompute import ActivationCheckpointing
from fourier_lightning.config import check_config, load_config
from fourier_lightning.data.batches import Batches, Examples, share_of
from fourier_lightning.parts import make_trainer
from fourier_lightning.record.files import read_jsonl
from tests.conftest import train

TWO = ["trainer=ddp", "trainer.devices=2", "trainer.max_epochs=2", "trainer.accelerator=cpu"]


def groups():
    """Rows of two prompt lengths, 13 and 4, each with a number of its own."""
    both = []
    for first, rows, length in ((0, 13, 4), (100, 4, 6)):
        number = torch.arange(first, first + rows)
        prompt = number[:, None].expand(rows, length).clone()
        both.append(Examples(prompt, number, torch.stack([number, number], 1), torch.tensor([[0, 1]]).expand(rows, 2)))
    return both


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_ranks_shares_are_the_batches_of_one_device(ranks):
    """Every row once, in the same batch; the weighted mean over ranks is the batch's mean, also where one is short."""
    one = list(Batches(groups(), 4, seed=3))
    shares = [list(Batches(groups(), 4, seed=3, rank=rank, ranks=ranks)) for rank in range(ranks)]
    assert all(len(share) == len(one) == 5 for share in shares)
    assert min(len(batch["answer"]) for batch in one) == 1 < ranks  # 13 rows: the last batch has one
    for whole, *parts in zip(one, *shares, strict=True):
        counted = [part["answer"] for part in parts if part["weight"]]
        assert sorted(torch.cat(counted).tolist()) == sorted(whole["answer"].tolist())
        means = [part["weight"] * part["answer"].double().mean() for part in parts]
        torch.testing.assert_close(torch.stack(means).mean(), whole["answer"].double().mean())
        for part in parts:
            assert len(part["answer"]) and (part["prompt"][:, 0] == part["answer"]).all()
            assert (part["operands"][:, 1] == part["answer"]).all()


def test_one_device_gets_batches_without_a_weight():
    assert all("weight" not in batch for batch in Batches(groups(), 4, seed=3))
    assert share_of(next(iter(Batches(groups(), 4))), 0, 2)["weight"] == 1


def same(one, other):
    """Plain values, however deep, are the same within float error."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    else:
        assert other == (pytest.approx(one, rel=2e-3, abs=1e-5) if isinstance(one, float) else one)


def test_two_processes_give_the_metrics_and_the_tables_of_one(tiny, tmp_path):
    """Muon and AdamW, a last batch of one row, an odd validation split, instruments on the way and at the end."""
    rows = ["data.train_fraction=0.7", "data.batch_size=20", "data.eval_batch_size=10", "seed=2"]
    looks = ["instruments=[logit_lens,layer_spectrum,breakdown]", "callbacks.logit_lens.every_n_epochs=1"]
    rates = "+callbacks.rates={_target_: pytorch_lightning.callbacks.LearningRateMonitor}"  # it asks for a logger
    options = [*rows, *looks, rates, "logger.wandb.media=false"]
    results = {
        name: train(tiny(*options, *many, run_dir=tmp_path / name)) for name, many in (("one", []), ("two", TWO))
    }
    split = results["one"].data.split
    assert len(split["train"]) % 20 == 1 and len(split["val"]) % 2 == 1
    assert not torch.distributed.is_initialized()

    one, two = (tmp_path / name / "record" for name in ("one", "two"))
    run = json.loads((two / "run.json").read_text())
    assert run["status"] == "finished" and run["device"].startswith("2 x CPU")
    lines = read_jsonl(one / "metrics.jsonl")
    assert len(lines) > 5
    same(lines, read_jsonl(two / "metrics.jsonl"))
    tables = {path.name: read_jsonl(path) for path in (one / "tables").iterdir()}
    assert {"lens_accuracy.jsonl", "layer_periods.jsonl", "breakdown.jsonl"} == tables.keys()
    same(tables, {name: read_jsonl(two / "tables" / name) for name in tables})
    for name, values in results["one"].module.net.state_dict().items():
        torch.testing.assert_close(results["two"].module.net.state_dict()[name], values, rtol=1e-3, atol=2e-4)
    assert len(list((tmp_path / "two" / "wandb").glob("offline-run-*"))) == 1
    assert {path.name for path in (tmp_path / "two" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


LOST = [("import sys; sys.exit(3)", "rank 1 ended with exit code 3"), ("pass", "x")]


@pytest.mark.parametrize(("code", "said"), LOST)
def test_a_lost_rank_is_what_the_run_failed_of(tiny, monkeypatch, code, said):
    """Not the connection that rank zero finds closed; of ranks that ended well it is that."""
    monkeypatch.setattr(devices, "JOIN", [sys.executable, "-S", "-c", code])
    cfg = tiny(*TWO)
    trainer = make_trainer(cfg, logger=False, callbacks=[], enable_checkpointing=False)
    before = dict(os.environ)
    with pytest.raises(RuntimeError) as caught, devices.other_ranks(cfg, trainer, print):
        assert os.environ["LOCAL_RANK"] == "0" and os.environ["WORLD_SIZE"] == "2"
        raise RuntimeError("x")
    assert str(caught.value) == said
    assert dict(os.environ) == before


def test_other_ranks_get_the_settings_and_end_with_rank_zero(tiny, monkeypatch, tmp_path):
    """They wait for the other end of their input to close, whatever they are doing."""
    code = (
        "import sys, time; from fourier_lightning.devices import settings_from_rank_zero as s;"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(str(s().seed)); time.sleep(60)"
    )
    monkeypatch.setattr(devices, "JOIN", [sys.executable, "-c", code])
    started = devices._start(tiny("seed=7"), 1)
    while not (tmp_path / "seen").is_file() or not (tmp_path / "seen").read_text():
        assert started.poll() is None
        time.sleep(0.05)
    assert (tmp_path / "seen").read_text() == "7"
    started.stdin.close()
    assert started.wait(timeout=10) == 1


REFUSED = {
    "+trainer.num_nodes=2": "trainer.num_nodes=2: a run starts processes on its own machine alone; start them by",
    "+trainer.strategy=ddp_spawn trainer.devices=2": "trainer.strategy=ddp_spawn: not a way in which these runs use",
    "trainer=ddp trainer.devices=2 data.batch_size=1": "data.batch_size=1: 2 devices share each batch; use 2 or more",
    "trainer=ddp trainer.devices=2 fit=false": "trainer.devices=2: 2 devices, and a run without a fit uses one",
    "trainer=fsdp trainer.devices=2 optimizer=muon": "optimizer.name=muon: Muon needs whole matrices, and fsdp has",
    "trainer=fsdp trainer.devices=2": "callbacks.embedding_spectrum: instruments look at whole weights",
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_several_devices_cannot_do_is_refused(command_line, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    done = command_line(*mistake.split(), "trainer.accelerator=cpu")
    assert done.code == 2 and done.err.startswith(f"error: {REFUSED[mistake]}"), done.err
    assert not list(tmp_path.iterdir())


def test_presets_of_large_models_compose_and_bind():
    for name in ("gpt2_xl_one_card", "gpt_j_sharded"):
        cfg = load_config([f"experiment={name}"])
        check_config(cfg)
        assert cfg.trainer.precision == "bf16-mixed" and "activation_checkpointing" in cfg.callbacks
    assert cfg.optimizer.name == "adamw" and not cfg.embedding.tie and "embedding_spectrum" not in cfg.callbacks


def test_activation_checkpointing_changes_memory_alone(tiny, tmp_path):
    """Bit for bit, with dropout: the masks of the second pass are those of the first."""
    options = ["model.n_layer=3", "model.dropout=0.1", "logger=none", "instruments=none", "trainer.max_epochs=1"]
    added = "callbacks=[default,activation_checkpointing]"
    plain = train(tiny(*options, run_dir=tmp_path / "plain")).module
    less = train(tiny(*options, added, run_dir=tmp_path / "less")).module
    assert all(value.equal(less.net.state_dict()[name]) for name, value in plain.net.state_dict().items())

    def saved(module):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
            module.train()(torch.zeros(8, 4, dtype=torch.long))
        return sum(kept)

    assert saved(less) == saved(plain)  # it is off again
    ActivationCheckpointing().on_fit_start(None, less)
    assert saved(less) < 0.6 * saved(plain)
