"""Checkpoints: what they hold, what takes them, and what is refused."""

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.record.files import read_jsonl
from tests.conftest import TINY, train
from tests.test_run import run_json

PLAIN = ["logger=none", "instruments=none"]  # what instruments find again is test_instruments.py's


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two epochs."""
    where = tmp_path_factory.mktemp("trained")
    train(load_config([*TINY, *PLAIN], where))
    return where


def test_resuming_continues_the_same_run(tiny, tmp_path):
    options = [*PLAIN, "optimizer.schedule=constant"]
    train(tiny(*options, "trainer.max_epochs=4", run_dir=tmp_path / "whole"))
    train(tiny(*options, "trainer.max_epochs=2", run_dir=tmp_path / "half"))
    checkpoint = tmp_path / "half" / "checkpoints" / "last.ckpt"
    train(tiny(*options, "trainer.max_epochs=4", f"ckpt_path={checkpoint}", run_dir=tmp_path / "rest"))
    whole, rest = (run_json(tmp_path / name)["metrics"] for name in ("whole", "rest"))
    assert rest == pytest.approx(whole, rel=1e-4)
    assert run_json(tmp_path / "rest")["steps"] == 4 * 6


def test_a_checkpoint_needs_nothing_else(tiny, tmp_path):
    result = train(tiny(*PLAIN))
    path = tmp_path / "checkpoints" / "last.ckpt"
    torch.load(path, weights_only=True)
    module = AdditionModule.load_from_checkpoint(path, weights_only=True).eval()
    prompt = result.data.examples("test")[0].prompt
    assert module(prompt).equal(result.module.eval()(prompt))
    assert not module.net.transformer.wte.weight.requires_grad


def test_evaluating_a_checkpoint_without_training(tiny, tmp_path):
    trained = train(tiny(*PLAIN, run_dir=tmp_path / "a")).metrics
    checkpoint = tmp_path / "a" / "checkpoints" / "last.ckpt"
    again = train(tiny(*PLAIN, "fit=false", f"ckpt_path={checkpoint}", run_dir=tmp_path / "b")).metrics
    assert again == pytest.approx({name: value for name, value in trained.items() if not name.startswith("train/")})
    untrained = train(tiny(*PLAIN, "fit=false", run_dir=tmp_path / "c")).metrics
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
    options = ["fit=false", *PLAIN, "trainer.max_epochs=9"]
    train(tiny(*options, f"ckpt_path={checkpoint}"))
    run = run_json(tmp_path)
    assert {key: run["model"][key] for key in card} == card and run["id"] != card["id"]
    assert run["model"]["seed"] == 0 and run["model"]["step"] > 0


def test_a_checkpoint_without_an_identity_is_refused(tiny, trained, tmp_path):
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["hyper_parameters"]["run"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    with pytest.raises(ConfigError, match="carries no run's identity"):
        train(tiny("fit=false", f"ckpt_path={tmp_path / 'old.ckpt'}", run_dir=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_of_another_shape_is_refused(tiny, trained, tmp_path):
    checkpoint = trained / "checkpoints" / "last.ckpt"
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
        (["trainer.max_epochs=3", "optimizer.lr=1e-6"], "optimizer.lr=0.00125 there, 1e-06 here"),
        (["trainer.max_epochs=3", "optimizer=muon"], "optimizer.name=adamw there, muon here"),
        (["trainer.max_epochs=3", "embedding.freeze=false"], "embedding.freeze=True there, False here"),
        (["trainer.max_epochs=3", "data.train_fraction=0.4"], "data.train_fraction=0.8 there, 0.4 here"),
        (["trainer.max_epochs=2"], "has all of trainer.max_epochs=2 behind it"),
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
    assert train(tiny(best, "fit=false", *PLAIN)).metrics["test/loss"] > 0


QUIET = [*PLAIN, "trainer.accelerator=cpu", "fit=false"]


def test_an_evaluation_needs_nothing_repeated(trained, tmp_path):
    """Size, data, table, seed come from the checkpoint; what it found is what the run found at its end."""
    last = f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}"
    result = train(load_config([*QUIET, last], tmp_path / "a"))
    before = run_json(trained)
    assert result.metrics == pytest.approx(
        {name: value for name, value in before["metrics"].items() if name in result.metrics}
    )
    now = run_json(tmp_path / "a")["config"]
    assert (now["model"], now["embedding"], now["data"]) == tuple(
        before["config"][group] for group in ("model", "embedding", "data")
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("model.width=32", "model.width=32: the checkpoint has model.width=16; leave it out"),
        ("model.width=128", "model.width=128: the checkpoint has model.width=16"),  # also where it is the default
        ("size=small", "model.n_layer=2: the checkpoint has model.n_layer=1"),
        ("model=scratch", "model.name=scratch: the checkpoint has model.name=scratch_pretrained_emb"),
        ("embedding=low", "embedding.keep=low: the checkpoint has embedding.keep=all"),
        ("data.split_seed=1", "data.split_seed=1: the checkpoint has data.split_seed=0"),
        ("optimizer=muon", "optimizer.name=muon: the checkpoint has optimizer.name=adamw"),
        ("seed=1", "seed=1: the checkpoint has seed=0"),
        ("backbone=gpt2", "backbone.name=gpt2: the checkpoint has backbone.name=whisper_tiny_en_text"),
        ("data=modular_addition", "data: the checkpoint's task is addition; leave it out"),
    ],
)
def test_what_is_given_is_checked_against_the_checkpoint(trained, given, said):
    last = f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}"
    with pytest.raises(ConfigError) as error:
        load_config([*QUIET, last, given])
    assert said in str(error.value)


def test_an_evaluation_may_ask_something_else(trained, tmp_path):
    last = f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}"
    asked = [
        "data.max_operand=15",
        "data.eval_batch_size=64",
        "split=test",
        "filter.cutoff=3",
        "instruments=filter_ablation",
        "filter.draws=1",
    ]
    result = train(load_config([*QUIET, last, *asked], tmp_path / "a"))
    whole = train(load_config([*QUIET, last], tmp_path / "b")).data
    data = result.data
    assert data.p == 41 and data.eval_batch_size == 64 and int(data.operands[data.split["test"]].max()) <= 15
    assert set(data.split["test"].tolist()) < set(whole.split["test"].tolist())  # what was held out still is
    for wrong, said in (
        ("data.max_operand=30", "data.max_operand: the model knows the operands 0..20"),
        ("data.min_operand=20", "a split has no rows within 20..20"),
        ("data.templates=[total]", "data.templates=['total']: the model has no tokens for total"),
    ):
        with pytest.raises(ConfigError) as error:
            train(load_config([*QUIET, last, wrong], tmp_path / "c"))
        assert said in str(error.value)
    assert not (tmp_path / "c").exists()


def test_the_command_line_takes_them_from_the_checkpoint_too(command_line, trained, tmp_path):
    last = f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}"
    done = command_line(*QUIET, last, f"hydra.run.dir={tmp_path / 'a'}")
    assert done.code == 0 and run_json(tmp_path / "a")["config"]["model"]["width"] == 16
    wrong = command_line(*QUIET, last, "model.width=32", f"hydra.run.dir={tmp_path / 'b'}")
    assert wrong.err == "error: model.width=32: the checkpoint has model.width=16; leave it out\n"
    assert wrong.code == 2 and not (tmp_path / "b").exists()


def test_a_directory_that_holds_a_run_is_refused(trained, command_line):
    again = command_line(*QUIET, f"ckpt_path={trained / 'checkpoints' / 'last.ckpt'}", f"hydra.run.dir={trained}")
    assert again.code == 2 and again.err.startswith(f"error: hydra.run.dir={trained}: holds a run already; choose")
    with pytest.raises(ConfigError, match="holds a run already"):
        train(load_config([*TINY, "logger=none"], trained))
    assert load_config().paths.output_dir != load_config().paths.output_dir


def test_a_notebook_hears_nothing_and_is_told_where_the_run_lies(tiny, tmp_path, capfd):
    result = train(tiny(*PLAIN, "trainer.max_epochs=1"))
    assert result.run_dir == tmp_path and (tmp_path / "record" / "run.json").is_file()
    assert capfd.readouterr() == ("", "")


def test_resuming_in_place_keeps_the_history(tiny, tmp_path):
    options = [*PLAIN, "optimizer.schedule=constant"]
    train(tiny(*options))
    before = read_jsonl(tmp_path / "record" / "metrics.jsonl")
    train(
        tiny(*options, "trainer.max_epochs=3", f"ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}", run_dir=tmp_path)
    )
    after = read_jsonl(tmp_path / "record" / "metrics.jsonl")
    assert [line["epoch"] for line in after if "val/accuracy" in line] == [0, 1, 2]
    assert after[: len(before) - 1] == before[:-1]  # all but the first run's final test line
