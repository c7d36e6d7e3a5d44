"""Several seeds in one fit: each leaves the run that it would leave alone."""

import json
from contextlib import nullcontext

import pytest
import torch

from fourier_lightning.data.batches import Batches
from fourier_lightning.errors import ConfigError
from fourier_lightning.optim import orthogonalise
from fourier_lightning.parts import prepare
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.seeds import train_seeds
from tests.conftest import train

LOOKS = ["instruments=[logit_lens,breakdown]", "callbacks.logit_lens.every_n_epochs=1"]
# 161 rows in batches of 20: a step at which one seed has a single row, and the other a whole batch
SETTINGS = ["data.train_fraction=0.7", "data.batch_size=20", "trainer.gradient_clip_val=0.05"]


def close(one: object, other: object) -> None:
    """Plain values are the same within float error."""
    if isinstance(one, float):
        assert other == pytest.approx(one, rel=2e-3, abs=2e-4)
    else:
        assert other == one


def test_each_seed_is_the_run_that_it_is_alone(tiny, tmp_path):
    options = [*SETTINGS, *LOOKS, "model=scratch"]
    together = ["seed=4", "seeds_in_parallel=2", "logger.wandb.media=false"]
    many = train_seeds(tiny(*options, *together, run_dir=tmp_path / "many"), ["a=1", "seed=4"], verbose=False)
    assert [one.seed for one in many.ones] == [4, 5]
    rows = [[len(batch["answer"]) for batch in Batches(many.data.examples("train"), 20, seed)] for seed in (4, 5)]
    assert rows[0] != rows[1] and sorted(rows[0]) == [1, *[20] * 8]
    for one in many.ones:
        alone = train(tiny(*options, f"seed={one.seed}", "logger=none", run_dir=tmp_path / str(one.seed)))
        where, there = (tmp_path / name / "record" for name in (f"many/seed{one.seed}", str(one.seed)))
        lines = [read_jsonl(folder / "metrics.jsonl") for folder in (there, where)]
        assert len(lines[0]) == len(lines[1]) > 5
        for a, b in zip(*lines, strict=True):
            assert a.keys() == b.keys()
            for name in a:
                close(a[name], b[name])
        runs = [json.loads((folder / "run.json").read_text()) for folder in (there, where)]
        assert runs[1]["status"] == "finished" and runs[1]["overrides"] == ["a=1", f"seed={one.seed}"]
        assert runs[0].keys() | {"wandb_id"} == runs[1].keys() and runs[0]["model"]["step"] == runs[1]["model"]["step"]
        assert runs[0]["metrics"].keys() == runs[1]["metrics"].keys() and runs[0]["name"] == runs[1]["name"]
        tables = [{path.name: read_jsonl(path) for path in (folder / "tables").iterdir()} for folder in (there, where)]
        assert tables[0].keys() == tables[1].keys()
        for name, rows in tables[0].items():
            for a, b in zip(rows, tables[1][name], strict=True):
                assert a.keys() == b.keys() and (a["step"], a["epoch"]) == (b["step"], b["epoch"])
        for a, b in zip(tables[0]["lens_accuracy.jsonl"], tables[1]["lens_accuracy.jsonl"], strict=True):
            for name in a:
                close(a[name], b[name])
        for name, weights in alone.module.net.state_dict().items():
            torch.testing.assert_close(one.model.net.state_dict()[name], weights, rtol=2e-3, atol=2e-4)
    assert len(list((tmp_path / "many").glob("seed*/wandb/offline-run-*"))) == 2


def test_a_seeds_checkpoint_is_its_own_runs(tiny, tmp_path):
    """It is no larger, and the run goes on from it, with AdamW's moments, as one that was alone."""
    settings = [*SETTINGS, "instruments=none", "logger=none", "optimizer=adamw", "optimizer.lr=1e-2"]
    train_seeds(tiny(*settings, "seeds_in_parallel=2", run_dir=tmp_path / "many"), verbose=False)
    train(tiny(*settings, "seed=1", run_dir=tmp_path / "alone"))
    paths = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("alone", "many/seed1")]
    assert paths[1].stat().st_size == pytest.approx(
        paths[0].stat().st_size, rel=0.05
    )  # less what a run that goes on takes up
    best = torch.load(tmp_path / "many/seed1/checkpoints/best.ckpt", weights_only=True)
    assert best["hyper_parameters"]["run"]["seed"] == 1
    found = []
    for i, path in enumerate(paths):
        options = [*settings, "seed=1", "trainer.max_epochs=3", f"ckpt_path={path}"]
        found.append(train(tiny(*options, run_dir=tmp_path / f"on{i}")))
    assert found[0].trainer.global_step == found[1].trainer.global_step
    for name, value in found[0].metrics.items():
        assert found[1].metrics[name] == pytest.approx(value, rel=5e-3, abs=5e-4), name


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_stacked_matrices_are_orthogonalised_one_by_one(shape):
    stack = (
        torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
        * torch.tensor([1, 10, 0.1, 3])[:, None, None]
    )
    torch.testing.assert_close(orthogonalise(stack), torch.stack([orthogonalise(one) for one in stack]))


REFUSED = {
    "seeds_in_parallel=0": "seeds_in_parallel=0: too small; use 1 or more",
    "seeds_in_parallel=1001": "seeds_in_parallel=1001: more than a device has room for; use 1000 or fewer",
    "seeds_in_parallel=2 seed=3": "seeds_in_parallel=2: 128 rows of d 256 fill a CPU, and together they take longer; "
    "train one after another: -m seed=3,4\n",
    "seeds_in_parallel=2 model.dropout=0.1": "seeds_in_parallel=2: all seeds would share one stream of dropout",
    "seeds_in_parallel=2 data=addition": "seeds_in_parallel=2: prompts of several lengths; use one template",
    "seeds_in_parallel=2 model.loss=sequence": "seeds_in_parallel=2: not with model.loss=sequence",
    "seeds_in_parallel=2 fit=false model=scratch": "seeds_in_parallel=2: nothing is trained; leave it out",
    "seeds_in_parallel=2 trainer.devices=2": "seeds_in_parallel=2: several devices; use trainer.devices=1",
}


@pytest.mark.parametrize("batch_size, refused", [(1024, False), (1025, True)])
def test_seeds_that_fill_a_cpu_are_trained_one_by_one(tiny, batch_size, refused):
    """As measured by scripts/bench_seeds.py: rows times width up to 16,384 are no slower as one."""
    cfg = tiny("seeds_in_parallel=2", f"data.batch_size={batch_size}", "logger=none", "trainer.accelerator=cpu")
    with pytest.raises(ConfigError, match="fill a CPU") if refused else nullcontext():
        prepare(cfg)


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_would_change_a_seed_is_refused(command_line, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    done = command_line(*mistake.split(), "trainer.accelerator=cpu")
    assert done.code == 2 and done.err.startswith(f"error: {REFUSED[mistake]}"), done.err
    assert not list(tmp_path.iterdir())
