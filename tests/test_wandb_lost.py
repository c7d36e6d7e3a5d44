"""A W&B server that goes away in the middle of a run costs a line and a moment, and no part of the run."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import wandb
from wandb.sdk.data_types._private import MEDIA_TMP

from fourier_lightning.mirror import ending, settings
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.models.stacked import StackedModule
from fourier_lightning.seeds import train_seeds
from tests.conftest import TINY, train
from tests.test_run import run_json
from tests.wandb_files import printed, wandb_run
from tests.wandb_server import wandb_server

KEY = "x" * 40


@pytest.mark.parametrize("stopped", [False, True])
def test_a_lost_server_is_one_line_and_the_run_is_whole(tiny, tmp_path, monkeypatch, capfd, stopped):
    monkeypatch.setattr(settings, "FINISH_SECONDS", 1.5)
    monkeypatch.setattr(ending, "AT_ONCE_SECONDS", 0.5)
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
    said = [line for line in plain if line and not line.startswith("wandb: WARNING")]
    told = f"W&B was not reached in time: the record is whole, and `{ending.program('wandb')} sync --no-skip-online "
    assert len(said) == 1 and said[0].startswith(told), said
    assert run_json(tmp_path)["status"] == ("interrupted" if stopped else "finished")
    if not stopped:
        command = shlex.split(said[0].split("`")[1])  # what the line says works
        with wandb_server() as again:
            printed(command, WANDB_BASE_URL=again.url, WANDB_API_KEY=KEY)
        assert any("test/loss" in row for row in again.streamed["wandb-history.jsonl"])


def test_seeds_that_train_as_one_end_as_one_run_does(tiny, tmp_path, monkeypatch, capfd):
    """Each with its own line, and none of them waits for another's patience to end."""
    monkeypatch.setattr(settings, "FINISH_SECONDS", 1.5)
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


class AfterTheFirstEpoch(pl.Callback):
    """Breaks something of W&B, once."""

    def __init__(self, what: str) -> None:
        self.what = what

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == 0:
            BREAKS[self.what]()


def kill_service():
    """W&B's process is killed, as for memory."""
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb-core"], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout.split()[-1]), signal.SIGKILL)


def remove_media():
    """What cleans /tmp takes the directory in which W&B prepares media."""
    shutil.rmtree(MEDIA_TMP.name)


def remove_files():
    """Somebody removes what W&B has written."""
    shutil.rmtree(wandb.run.settings.sync_dir)


BREAKS = {one.__name__: one for one in (kill_service, remove_media, remove_files)}
LINES = {
    "kill_service": "W&B failed (Connection",
    "remove_media": "W&B gets no more tables, charts and pictures (FileNotFoundError: ",
    "remove_files": "W&B has nothing of this run: ",
}


def broken(what):
    """Overrides of a run in which something of W&B breaks."""
    callback = f"+callbacks.breaks={{_target_: tests.test_wandb_lost.AfterTheFirstEpoch, what: {what}}}"
    return [callback, "allow_targets=true", "instruments=logit_lens", "logger.wandb.media_seconds=0"]


@pytest.mark.parametrize("what", BREAKS)
def test_a_failure_of_wandb_is_one_line_and_the_run_is_whole(tiny, tmp_path, monkeypatch, capfd, what):
    monkeypatch.setattr(MirrorLogger, "strict", False)
    try:
        train(tiny(*broken(what), "trainer.max_epochs=3"), verbose=True)
    finally:
        Path(MEDIA_TMP.name).mkdir(exist_ok=True)
    out, err = capfd.readouterr()
    about_wandb = [line for line in (out + err).splitlines() if "W&B" in line and "To send it" not in line]
    assert len(about_wandb) == 1 and about_wandb[0].startswith(LINES[what]) and "Traceback" not in err
    assert not [line for line in re.sub(r"\x1b\[[0-9;]*m", "", err).splitlines() if line.startswith("wandb: ")]
    info = run_json(tmp_path)
    train(tiny("logger=none", "instruments=logit_lens", "trainer.max_epochs=3", run_dir=tmp_path / "without"))
    assert info["status"] == "finished" and info["metrics"] == run_json(tmp_path / "without")["metrics"]
    if what == "remove_media":
        assert "test/loss" in wandb_run(tmp_path)[1]  # scalars go on
    elif what == "kill_service":
        train(tiny("instruments=none", run_dir=tmp_path / "next"))  # another job of the same process
        assert "test/loss" in wandb_run(tmp_path / "next")[1]


def test_a_service_that_does_not_start_costs_nothing(tiny, tmp_path, monkeypatch, capfd):
    wandb.teardown()
    monkeypatch.setenv("WANDB_SERVICE", "nowhere")
    train(tiny("instruments=none", "trainer.max_epochs=1"), verbose=True)
    wandb.teardown()
    out, _ = capfd.readouterr()
    (line,) = [line for line in out.splitlines() if "W&B" in line]
    assert line.startswith("W&B does not start (") and line.endswith("this run goes on without it")
    info = run_json(tmp_path)
    assert info["status"] == "finished" and "wandb_id" not in info and not (tmp_path / "wandb").exists()


def test_a_killed_service_leaves_the_exit_code_alone(tmp_path):
    """The whole process: what W&B does when it ends, too."""
    options = [*TINY, *broken("kill_service"), "instruments=none", f"hydra.run.dir={tmp_path}"]
    command = [sys.executable, "-m", "fourier_lightning", "train", *options]
    # a service of its own: one that an earlier test started here would be shared, and is no child of it
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.count("W&B failed") == 1
