"""A W&B server that goes away in the middle of a run costs a line and a moment, and no part of the run."""

import re
import time

import pytest
import wandb

from fourier_lightning.mirror import wandb as mirror
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.models.stacked import StackedModule
from fourier_lightning.seeds import train_seeds
from tests.conftest import train
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
        assert time.monotonic() - ended[-1] < 30  # its own patience is 120 s
    wandb.teardown()
    out, err = capfd.readouterr()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out + err).splitlines()
    said = [line for line in plain if line and not line.startswith("wandb: ")]  # which are W&B's own words
    told = "W&B was not reached in time: the record is whole, and `wandb sync --no-skip-online "
    assert len(said) == 1 and said[0].startswith(told), said
    assert run_json(tmp_path)["status"] == ("interrupted" if stopped else "finished")
    if not stopped:
        command = said[0].split("`")[1].split()  # what the line says works
        with wandb_server() as again:
            wandb_cli(*command[1:], WANDB_BASE_URL=again.url, WANDB_API_KEY=KEY)
        assert any("test/loss" in row for row in again.streamed["wandb-history.jsonl"])


def test_seeds_that_train_as_one_end_as_one_run_does(tiny, tmp_path, monkeypatch, capfd):
    """Each with its own line, and none of them waits for another's patience to end."""
    monkeypatch.setattr(mirror, "FINISH_SECONDS", 1.5)
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        wandb.teardown()
        real = StackedModule.on_train_epoch_end

        def on_train_epoch_end(self):
            if self.trainer.current_epoch == 0:
                server.shutdown()
                server.server_close()
            real(self)

        monkeypatch.setattr(StackedModule, "on_train_epoch_end", on_train_epoch_end)
        few = ["instruments=none", "logger.wandb.mode=online", "logger.wandb.media=false"]
        train_seeds(tiny(*few, "seeds_in_parallel=2"), verbose=False)
    wandb.teardown()
    out, _ = capfd.readouterr()
    told = [line for line in out.splitlines() if line.startswith("W&B was not reached in time: the record is whole")]
    assert len(told) == 2 and all(f"seed{seed}/wandb/run-" in line for seed, line in enumerate(told))
    assert {run_json(tmp_path / f"seed{seed}")["status"] for seed in (0, 1)} == {"finished"}
