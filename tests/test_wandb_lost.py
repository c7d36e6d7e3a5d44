"""A W&B server that goes away in the middle of a run costs a line and a moment, and no part of the run."""

import time

import pytest
import wandb

from fourier_lightning.mirror import wandb as mirror
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.run import train
from tests.test_run import run_json
from tests.wandb_files import wandb_cli
from tests.wandb_server import wandb_server

KEY = "x" * 40


@pytest.mark.parametrize("stopped", [False, True])
def test_a_lost_server_is_one_line_and_the_run_is_whole(tiny, tmp_path, monkeypatch, capfd, stopped):
    monkeypatch.setattr(mirror, "FINISH_SECONDS", 1.5)
    monkeypatch.setattr(mirror, "AT_ONCE_SECONDS", 0.5)
    real = AdditionModule.on_train_epoch_end
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        wandb.teardown()  # W&B reads its environment once a process
        ended = []

        def on_train_epoch_end(self):
            if not ended:
                server.shutdown()
                server.server_close()
            ended.append(time.monotonic())
            if stopped and len(ended) == 2:
                raise SystemExit(143)
            real(self)

        monkeypatch.setattr(AdditionModule, "on_train_epoch_end", on_train_epoch_end)
        options = ["instruments=logit_lens", "logger.wandb.mode=online", "logger.wandb.media=false"]
        if stopped:
            with pytest.raises(SystemExit):
                train(tiny(*options))
        else:
            train(tiny(*options))
        assert time.monotonic() - ended[-1] < (3 if stopped else 10)
    wandb.teardown()
    out, err = capfd.readouterr()
    said = [line for line in (out + err).splitlines() if line]
    told = "W&B was not reached in time: the record is whole, and `wandb sync"
    assert len(said) == 1 and said[0].startswith(told), said
    assert run_json(tmp_path)["status"] == ("interrupted" if stopped else "finished")
    if not stopped:
        folder = said[0].split("`")[1].removeprefix("wandb sync ")
        with wandb_server() as again:  # what the line says works
            wandb_cli("sync", folder, WANDB_BASE_URL=again.url, WANDB_API_KEY=KEY)
        assert any("test/loss" in row for row in again.streamed["wandb-history.jsonl"])
