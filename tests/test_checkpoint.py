"""Checkpoints: what they hold, what takes them, and what is refused."""

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.run import train
from tests.conftest import TINY
from tests.test_run import run_json


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two epochs."""
    where = tmp_path_factory.mktemp("trained")
    train(load_config([*TINY, "logger=none"], where))
    return where


def test_resuming_continues_the_same_run(tiny, tmp_path):
    options = ["logger=none", "optimizer.schedule=constant"]
    train(tiny(*options, "trainer.max_epochs=4", run_dir=tmp_path / "whole"))
    train(tiny(*options, "trainer.max_epochs=2", run_dir=tmp_path / "half"))
    checkpoint = tmp_path / "half" / "checkpoints" / "last.ckpt"
    train(tiny(*options, "trainer.max_epochs=4", f"ckpt_path={checkpoint}", run_dir=tmp_path / "rest"))
    whole, rest = (run_json(tmp_path / name)["metrics"] for name in ("whole", "rest"))
    assert rest == pytest.approx(whole, rel=1e-4)
    assert run_json(tmp_path / "rest")["steps"] == 4 * 6


def test_a_checkpoint_needs_nothing_else(tiny, tmp_path):
    result = train(tiny("logger=none"))
    path = tmp_path / "checkpoints" / "last.ckpt"
    torch.load(path, weights_only=True)
    module = AdditionModule.load_from_checkpoint(path, weights_only=True).eval()
    prompt = result["data"].examples("test")[0].prompt
    assert module(prompt).equal(result["module"].eval()(prompt))
    assert not module.net.transformer.wte.weight.requires_grad


def test_evaluating_a_checkpoint_without_training(tiny, tmp_path):
    trained = train(tiny("logger=none", run_dir=tmp_path / "a"))["metrics"]
    checkpoint = tmp_path / "a" / "checkpoints" / "last.ckpt"
    again = train(tiny("logger=none", "fit=false", f"ckpt_path={checkpoint}", run_dir=tmp_path / "b"))["metrics"]
    assert again == pytest.approx({name: value for name, value in trained.items() if not name.startswith("train/")})
    untrained = train(tiny("logger=none", "fit=false", run_dir=tmp_path / "c"))["metrics"]
    assert untrained["test/loss"] > 3  # about log 43 tokens
    first, second, third = (run_json(tmp_path / name) for name in "abc")
    assert len({run["id"] for run in (first, second, third)}) == 3 and len(first["id"]) == 12
    assert second["model"] == first["model"] and second["arm"] == first["arm"] == first["model"]["arm"]
    assert first["model"]["id"] == first["id"] and first["model"]["step"] == first["steps"] == 12
    assert (third["model"]["id"], third["model"]["step"]) == (third["id"], 0)


def test_an_evaluation_keeps_the_identity_of_the_run_that_trained(tiny, trained, tmp_path):
    checkpoint = trained / "checkpoints" / "best.ckpt"
    card = torch.load(checkpoint, weights_only=True)["hyper_parameters"]["run"]
    assert card["config"]["trainer"]["max_epochs"] == 2 and not {"paths", "callbacks"} & card["config"].keys()
    options = ["fit=false", "logger=none", "seed=5", "trainer.max_epochs=9", "data.train_fraction=0.4"]
    train(tiny(*options, f"ckpt_path={checkpoint}"))
    run = run_json(tmp_path)
    assert {key: run["model"][key] for key in card} == card and run["seed"] == 5
    assert run["model"]["seed"] == 0 and run["model"]["step"] > 0


def test_a_checkpoint_without_an_identity_is_refused(tiny, trained, tmp_path):
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["hyper_parameters"]["run"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    with pytest.raises(ConfigError, match="carries no run's identity"):
        train(tiny("fit=false", f"ckpt_path={tmp_path / 'old.ckpt'}", run_dir=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_of_another_shape_is_refused(tiny, tmp_path):
    train(tiny("logger=none", run_dir=tmp_path / "a"))
    checkpoint = tmp_path / "a" / "checkpoints" / "last.ckpt"
    with pytest.raises(ConfigError, match=r"model.width=16 there, 32 here"):
        train(tiny(f"ckpt_path={checkpoint}", "model.width=32", run_dir=tmp_path / "b"))
    junk = tmp_path / "junk.ckpt"
    junk.write_text("no checkpoint")
    with pytest.raises(ConfigError, match="not a checkpoint of this project"):
        train(tiny(f"ckpt_path={junk}", run_dir=tmp_path / "b"))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["trainer.max_epochs=3", "optimizer.lr=1e-6"], "optimizer.lr=0.004 there, 1e-06 here"),
        (["trainer.max_epochs=3", "optimizer=adamw"], "optimizer.name=muon there, adamw here"),
        (["trainer.max_epochs=3", "embedding.freeze=false"], "embedding.freeze=True there, False here"),
        (["trainer.max_epochs=3", "data.train_fraction=0.4"], "data.train_fraction=0.8 there, 0.4 here"),
        (["trainer.max_epochs=2"], "has all of trainer.max_epochs=2 behind it"),
        (["fit=false", "model=scratch"], "embedding.source=pretrained there, random here"),
        (["fit=false", "data.split_seed=1"], "data.split_seed=0 there, 1 here"),  # its test rows were trained on
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(tiny, tmp_path_factory, trained, overrides, reason):
    with pytest.raises(ConfigError) as error:
        train(tiny("logger=none", f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}", *overrides))
    assert reason in str(error.value)


def test_weights_alone_can_be_evaluated_but_not_resumed(tiny, trained, tmp_path):
    best = f"ckpt_path={trained / 'checkpoints' / 'best.ckpt'}"
    with pytest.raises(ConfigError, match="holds weights alone"):
        train(tiny(best, "trainer.max_epochs=3"))
    options = ["fit=false", "logger=none", "data.train_fraction=0.4", "optimizer=adamw"]  # no matter for evaluation
    assert train(tiny(best, *options))["metrics"]["test/loss"] > 0


def test_resuming_in_place_keeps_the_history(tiny, tmp_path):
    options = ["logger=none", "optimizer.schedule=constant"]
    train(tiny(*options))
    before = read_jsonl(tmp_path / "record" / "metrics.jsonl")
    train(tiny(*options, "trainer.max_epochs=3", f"ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"))
    after = read_jsonl(tmp_path / "record" / "metrics.jsonl")
    assert [line["epoch"] for line in after if "val/accuracy" in line] == [0, 1, 2]
    assert after[: len(before) - 1] == before[:-1]  # all but the first run's final test line
    train(tiny(*options))  # a new run replaces it
    assert [line["epoch"] for line in read_jsonl(tmp_path / "record" / "metrics.jsonl") if "val/loss" in line] == [0, 1]
