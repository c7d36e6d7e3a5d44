"""A run that goes on in its directory goes on in its W&B run: one id, and steps that only increase."""

import json
import shlex

import pytest
import wandb

from tests.conftest import train
from tests.test_run import run_json
from tests.wandb_files import printed, wandb_cli
from tests.wandb_server import wandb_server

KEY = "x" * 40
FEW = ["instruments=none", "logger.wandb.media=false"]


@pytest.fixture
def server(monkeypatch):
    """A server that W&B is logged in to."""
    wandb.teardown()
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server
        wandb.teardown()


def check_history(server, epochs):
    """All rows of one run: in W&B's own step and in the trainer's, none twice."""
    rows = [json.loads(line) for line in server.streamed["wandb-history.jsonl"]]
    steps = [row["_step"] for row in rows]
    assert steps == sorted({*steps})
    assert [row["epoch"] for row in rows if "train/loss" in row] == [*range(epochs)]
    trained = [row["trainer/global_step"] for row in rows if "train/loss" in row]
    assert trained == sorted({*trained})
    assert len({run["name"] for run in server.variables("UpsertBucket")}) == 1


def test_online_a_resumed_run_keeps_its_id(tiny, tmp_path, server):
    train(tiny(*FEW, "trainer.max_epochs=1"))
    first = run_json(tmp_path)
    train(tiny(*FEW, "trainer.max_epochs=3", f"ckpt_path={tmp_path}/checkpoints/last.ckpt", run_dir=tmp_path))
    assert run_json(tmp_path)["wandb_id"] == first["wandb_id"] == first["id"]
    wandb.teardown()
    check_history(server, epochs=3)


@pytest.mark.parametrize("sent_between", [False, True])
def test_offline_its_parts_are_sent_as_one_run(tiny, tmp_path, server, capsys, sent_between):
    offline = [*FEW, "logger.wandb.mode=offline"]
    train(tiny(*offline, "trainer.max_epochs=1"))
    if sent_between:
        wandb_cli("sync", *tmp_path.glob("wandb/offline-run-*"))
    first = run_json(tmp_path)["wandb_id"]
    again = [f"ckpt_path={tmp_path}/checkpoints/last.ckpt", "trainer.max_epochs=3"]
    train(tiny(*offline, *again, run_dir=tmp_path), verbose=True)
    assert run_json(tmp_path)["wandb_id"] == first
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("To send it to W&B: ")]
    printed(shlex.split(line.removeprefix("To send it to W&B: ")))
    check_history(server, epochs=3)


def test_what_was_killed_before_its_first_checkpoint_begins_again_in_its_wandb_run(tiny, tmp_path):
    train(tiny(*FEW, "trainer.max_epochs=1"))
    first = run_json(tmp_path)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    (tmp_path / "record" / "run.json").write_text(json.dumps({**first, "status": "running"}))
    train(tiny(*FEW, "trainer.max_epochs=1", "ckpt_path=auto", run_dir=tmp_path))
    again = run_json(tmp_path)
    assert again["wandb_id"] == first["wandb_id"] and again["id"] != first["id"]


def test_elsewhere_it_is_another_run(tiny, tmp_path):
    train(tiny(*FEW, "trainer.max_epochs=1", run_dir=tmp_path / "a"))
    checkpoint = f"ckpt_path={tmp_path}/a/checkpoints/last.ckpt"
    train(tiny(*FEW, "trainer.max_epochs=2", checkpoint, run_dir=tmp_path / "b"))
    train(tiny(*FEW, "fit=false", checkpoint, run_dir=tmp_path / "c"))
    assert len({run_json(tmp_path / name)["wandb_id"] for name in "abc"}) == 3
