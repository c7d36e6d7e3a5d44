"""Whole runs in process: the record, determinism, resuming, loggers, failures."""

import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.record.files import read_jsonl
from tests.conftest import train
from tests.wandb_files import wandb_run

NO_CHECKPOINTS = ["~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]
NOT_MEASURED = ["instruments=none"]  # where a test is about something else


def run_json(run_dir: Path) -> dict:
    return json.loads((run_dir / "record" / "run.json").read_text())


def test_a_run_leaves_a_complete_record(tiny, tmp_path):
    result = train(tiny("seed=3"), overrides=["seed=3"])
    run = run_json(tmp_path)
    assert run["status"] == "finished" and run["seed"] == 3 and run["overrides"] == ["seed=3"]
    assert run["name"] == "scratch_pretrained_emb-frozen-seed3"
    wanted = {f"{split}/{name}" for split in ("train", "val", "test") for name in NumberMetrics.names}
    assert wanted <= run["metrics"].keys()
    assert run["train_seconds"] > 0 and run["first_step_seconds"] > 0 and run["steps"] == 2 * 6
    assert {row["part"]: row["trainable"] for row in run["parameters"]}["wte"] == 0
    assert run["config"]["data"]["max_operand"] == 20 and "${" not in json.dumps(run["config"])
    assert {"torch", "transformers", "python"} <= run["versions"].keys() and run["device"]
    lines = read_jsonl(tmp_path / "record" / "metrics.jsonl")
    validations = [line for line in lines if "val/accuracy" in line]
    assert [line["epoch"] for line in validations[:2]] == [0, 1] and all("step" in line for line in lines)
    assert lines[-1]["test/accuracy"] == pytest.approx(run["metrics"]["test/accuracy"])
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert result.metrics == run["metrics"]


def test_the_task_is_learned(tiny):
    """Small, but real: sums 0..120 of pairs never seen, half of them right where chance is under 1 %."""
    size = ["data.max_operand=60", "model.n_layer=2", "model.width=64", "data.batch_size=128"]
    time = [
        "optimizer=muon",
        "trainer.max_epochs=60",
        "trainer.check_val_every_n_epoch=20",
        "optimizer.warmup_steps=20",
    ]
    metrics = train(tiny(*size, *time, "logger=none", *NO_CHECKPOINTS, *NOT_MEASURED)).metrics
    assert metrics["train/accuracy"] > 0.95
    assert metrics["test/accuracy"] > 0.5


def test_two_runs_with_one_seed_are_bit_identical_and_another_seed_differs(tiny, tmp_path):
    def weights(seed, where):
        options = [f"seed={seed}", "logger=none", "model.dropout=0.1", "data=addition", *NO_CHECKPOINTS, *NOT_MEASURED]
        return train(tiny(*options, run_dir=tmp_path / where)).module.net.state_dict()

    one, again, other = weights(0, "a"), weights(0, "b"), weights(1, "c")
    assert all(one[name].equal(again[name]) for name in one)
    assert not one["transformer.h.0.mlp.c_fc.weight"].equal(other["transformer.h.0.mlp.c_fc.weight"])
    assert run_json(tmp_path / "a")["metrics"] == run_json(tmp_path / "b")["metrics"]


def test_nothing_is_written_outside_the_run_directory(tiny, tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    train(tiny("logger=none", *NO_CHECKPOINTS, run_dir=tmp_path / "run"))
    assert not list((tmp_path / "cwd").iterdir())
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"record"}


@pytest.mark.parametrize("limit", ["trainer.limit_val_batches=0", "trainer.limit_test_batches=0", "test=false"])
def test_runs_without_one_of_the_evaluations(tiny, limit):
    callbacks = ["~callbacks.best_checkpoint"]  # it watches a validation metric
    metrics = train(tiny("logger=none", limit, *callbacks, *NOT_MEASURED)).metrics
    assert ("val/loss" in metrics) == ("val" not in limit) and ("test/loss" in metrics) == ("test" not in limit)


def test_answers_with_a_leading_space(tiny):
    result = train(tiny("logger=none", "data.number_style=space"))
    vocabulary = result.data.vocabulary
    assert len(vocabulary.operands) == 21 and not set(vocabulary.operands.tolist()) & set(vocabulary.numbers.tolist())
    assert result.metrics["test/loss"] > 0


def test_gradients_are_clipped(tiny):
    """One plain step: the move of AdamW's first moment shows the clipped gradient."""

    def norm(clip):
        options = ["optimizer=adamw", "optimizer.warmup_steps=0", f"trainer.gradient_clip_val={clip}"]
        result = train(tiny("logger=none", *options, "trainer.max_steps=1", *NO_CHECKPOINTS, *NOT_MEASURED))
        moments = [s["exp_avg"] for s in result.trainer.optimizers[0].state.values()]
        return torch.cat([m.flatten() for m in moments]).norm().item() / 0.1  # exp_avg = (1 - 0.9) gradient

    assert norm("null") > 0.2
    assert norm(0.01) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("loss", ["answer", "sequence"])
def test_loss_scopes_against_hugging_faces_own(tiny, loss):
    module = train(tiny("logger=none", f"model.loss={loss}", "fit=false")).module.eval()
    prompt, total = torch.tensor([[1, 41, 2, 42], [7, 41, 8, 42]]), torch.tensor([3, 15])
    ids = torch.cat([prompt, total[:, None]], dim=1)
    labels = ids.clone()
    if loss == "answer":
        labels[:, :-1] = -100
    expected = module.net(ids, labels=labels).loss
    torch.testing.assert_close(module.loss_and_logits({"prompt": prompt, "answer": total})[0], expected)


def test_wandb_runs_offline_without_asking_and_mirrors_the_record(tiny, tmp_path):
    train(tiny("group=some-group", "tags=[a,b]"))
    run, keys, exit_code = wandb_run(tmp_path)
    assert exit_code == 0
    assert (run.display_name, run.run_group, run.job_type) == (
        "scratch_pretrained_emb-frozen-seed0", "some-group", "train"
    )  # fmt: skip
    assert set(run.tags) == {"a", "b", "scratch + frozen pretrained table", "seed0"}
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["data"]["max_operand"] == 20
    assert {"val/accuracy", "train/loss", "test/mod_10", "trainer/global_step"} <= keys


def test_a_log_in_without_a_server_does_not_cost_the_run(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    train(tiny(*NOT_MEASURED, "trainer.max_epochs=1"))
    assert "test/loss" in wandb_run(tmp_path)[1]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "W&B" in line]
    assert "not reachable at http://127.0.0.1:1" in line and line.endswith("this run is logged offline")


def test_other_loggers_and_none(tiny, tmp_path):
    train(tiny("logger=[csv,tensorboard]", run_dir=tmp_path / "a"))
    header, *rows = (tmp_path / "a" / "csv" / "metrics.csv").read_text().splitlines()
    assert "val/accuracy" in header and len(rows) >= 2
    assert list((tmp_path / "a" / "tensorboard").glob("events.out.tfevents.*"))
    train(tiny("logger.wandb.mode=disabled", run_dir=tmp_path / "b"))
    assert not (tmp_path / "b" / "wandb").exists()
    assert run_json(tmp_path / "b")["status"] == "finished"


class Fails(pl.Callback):
    """Raises in the second epoch."""

    def __init__(self, error: str) -> None:
        self.error = {"crash": RuntimeError("boom"), "ctrl-c": KeyboardInterrupt(), "none": None}[error]

    def on_train_epoch_end(self, trainer, module):
        if self.error and trainer.current_epoch == 1:
            raise self.error


@pytest.mark.parametrize(
    ("error", "raised", "status"), [("crash", RuntimeError, "failed"), ("ctrl-c", KeyboardInterrupt, "interrupted")]
)
def test_a_run_that_ends_early_says_so_and_closes_wandb(tiny, tmp_path, capsys, error, raised, status):
    import wandb

    callback = f"+callbacks.fails={{_target_: tests.test_run.Fails, error: {error}}}"
    with pytest.raises(raised):
        train(tiny(callback, "allow_targets=true"), verbose=True)
    assert run_json(tmp_path)["status"] == status
    resume = f"Interrupted. What there is: {tmp_path}; the same command with ckpt_path={tmp_path}/checkpoints/last.ckpt"
    assert (resume in capsys.readouterr().out) == (status == "interrupted")
    assert wandb.run is None and wandb_run(tmp_path)[2] == 1
    validations = [line for line in read_jsonl(tmp_path / "record" / "metrics.jsonl") if "val/accuracy" in line]
    assert len(validations) == 2  # what was measured before is kept
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_the_best_checkpoint_and_early_stopping_can_watch_any_metric(tiny):
    stop = "+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/mae}"
    train(tiny("logger=none", "callbacks.best_checkpoint.monitor=val/loss", "callbacks.best_checkpoint.mode=min", stop))


def test_all_three_arms_run_on_the_papers_prompts(tiny, tmp_path):
    for model in ("pretrained", "scratch", "scratch_pretrained_emb"):
        sizes = ["model.n_layer=null", "model.width=null"] if model == "pretrained" else []
        options = [f"model={model}", *sizes, "data=addition", "logger=none", "trainer.max_epochs=1", *NOT_MEASURED]
        metrics = train(tiny(*options, "optimizer=adamw", run_dir=tmp_path / model)).metrics
        assert metrics["test/loss"] > 0
