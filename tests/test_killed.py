"""Runs that are killed for real (SIGKILL, SIGTERM), at random moments and at the worst ones, and go on."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from fourier_lightning.atomic import PART
from fourier_lightning.callbacks import resume
from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.logit_lens import LogitLens
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.writer import RunRecord
from scripts import kills
from tests.conftest import train
from tests.test_run import run_json

pytestmark = pytest.mark.trains


def suicide() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# The run of ``scripts.kills``, with few instruments.
SMALL = [option for option in kills.SMALL if "answer_phase" not in option]
SMALL += ["trainer.max_epochs=3", "instruments=[logit_lens,embedding_spectrum]"]
LIMITS = {"max_epochs": [], "max_steps": ["trainer.max_steps=18", "trainer.max_epochs=-1"]}


@pytest.fixture(scope="module")
def start():
    """Starts it in a child, from wherever it is, and says how it ended."""
    composed = {limit: load_config([*SMALL, "ckpt_path=auto", *options]) for limit, options in LIMITS.items()}
    return lambda where, limit: kills.in_child(lambda: kills.run(composed[limit], where))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, start):
    """What such a run leaves that nobody disturbs, by epochs or by steps."""
    left = {}
    for limit in LIMITS:
        where = tmp_path_factory.mktemp(limit)
        assert start(where, limit) == 0
        left[limit] = kills.left(where)
    return left


def while_logging(monkeypatch, wanted):
    """Killed where a line of metrics.jsonl is to be written."""
    real = RunRecord.log_metrics

    def log_metrics(self, metrics, step):
        return suicide() if wanted(metrics, step) else real(self, metrics, step)

    monkeypatch.setattr(RunRecord, "log_metrics", log_metrics)


def at_half_a_file(monkeypatch, nth):
    """Killed when half of the nth checkpoint is on the disk."""
    count = []

    def save(checkpoint, file):
        count.append(1)
        if len(count) == nth:
            file.write(b"PK\x03\x04" + bytes(5000))
            file.flush()
            suicide()
        real(checkpoint, file)

    real = torch.save
    monkeypatch.setattr(resume.torch, "save", save)


def while_measuring(monkeypatch, final):
    """Killed inside of an instrument."""
    real = LogitLens.measure

    def measure(self, view):
        return suicide() if view.final == final else real(self, view)

    monkeypatch.setattr(LogitLens, "measure", measure)


MOMENTS = {
    "before the first checkpoint": partial(at_half_a_file, nth=1),
    "while best.ckpt is written": partial(at_half_a_file, nth=3),
    "while last.ckpt is written": partial(at_half_a_file, nth=4),
    "before the validation's line": partial(while_logging, wanted=lambda m, step: "val/loss" in m and step == 11),
    "between last.ckpt and the epoch's line": partial(while_logging, wanted=lambda m, s: "train/lr" in m and s == 11),
    "between the last epoch's two": partial(while_logging, wanted=lambda m, s: "train/lr" in m and s == 17),
    "while measuring on the way": partial(while_measuring, final=False),
    "while measuring the final weights": partial(while_measuring, final=True),
    "before the test's line": partial(while_logging, wanted=lambda m, step: "test/loss" in m),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("limit", LIMITS)
def test_a_run_that_was_killed_and_goes_on_ends_the_same_to_the_bit(
    start, tmp_path, undisturbed, monkeypatch, moment, limit
):
    with monkeypatch.context() as patch:
        MOMENTS[moment](patch)
        assert start(tmp_path, limit) == -signal.SIGKILL
    assert run_json(tmp_path)["status"] == "running"
    before = run_json(tmp_path)["id"]
    assert start(tmp_path, limit) == 0
    assert kills.differences(undisturbed[limit], kills.left(tmp_path)) == []
    assert not list(tmp_path.rglob(f"*{PART}"))
    begun_anew = moment == "before the first checkpoint"
    assert (run_json(tmp_path)["id"] == before) != begun_anew


def test_a_few_random_kills(capsys):
    kills.main(["--kills", "2"])
    assert "every run ended bit-identical" in capsys.readouterr().out


def test_what_differs_would_be_seen(tmp_path, undisturbed):
    """The comparison itself: another dropout mask is another model."""
    cfg = load_config([*SMALL, "model.dropout=0.2"])
    assert kills.in_child(lambda: kills.run(cfg, tmp_path)) == 0
    unlike = kills.differences(undisturbed["max_epochs"], kills.left(tmp_path))
    for part in ("record/metrics.jsonl", "last.ckpt state_dict.net.transformer.wpe.weight", "run.json metrics"):
        assert part in unlike


def test_auto_begins_goes_on_and_knows_when_all_is_done(tmp_path, command_line):
    options = [*kills.SMALL[:-2], "~callbacks.progress_bar", "logger=none", "instruments=none", "ckpt_path=auto"]
    options = [option for option in options if not option.startswith("callbacks.")]
    done = command_line(*options, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}")
    assert done.code == 0, done.err
    first = run_json(tmp_path)
    assert first["config"]["ckpt_path"] is None and first["steps"] == 6
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = command_line(*options, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}")
    assert again.code == 0 and f"{tmp_path}: finished already" in again.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files
    more = command_line(*options, "trainer.max_epochs=2", "optimizer.schedule=wsd", f"hydra.run.dir={tmp_path}")
    assert more.code == 0, more.err
    second = run_json(tmp_path)
    assert second["steps"] == 12 and second["id"] == first["id"]
    assert [line["epoch"] for line in read_jsonl(tmp_path / "record" / "metrics.jsonl") if "val/loss" in line] == [0, 1]


def test_auto_in_a_sweep_leaves_what_has_finished_alone(tmp_path, command_line):
    options = [option for option in kills.SMALL if not option.startswith("callbacks.")]
    sweep = ["-m", *options, "instruments=none", "trainer.max_epochs=1", "ckpt_path=auto", "seed=0,1"]
    assert command_line(*sweep, f"hydra.sweep.dir={tmp_path}").code == 0
    info = run_json(tmp_path / "1")
    (tmp_path / "1" / "record" / "run.json").write_text(json.dumps({**info, "status": "running"}))
    again = command_line(*sweep, f"hydra.sweep.dir={tmp_path}")
    assert again.code == 0 and f"{tmp_path / '0'}: finished already" in again.out
    ended = run_json(tmp_path / "1")
    assert (ended["status"], ended["metrics"], ended["id"]) == ("finished", info["metrics"], info["id"])
    assert [row["seeds"] for row in json.loads((tmp_path / "summary.json").read_text())] == [2]


def test_auto_never_replaces_a_finished_run(tiny, tmp_path):
    train(tiny("logger=none", "instruments=none", "~callbacks.last_checkpoint"))
    before = (tmp_path / "record" / "run.json").read_bytes()
    for options, said in (
        (["trainer.max_epochs=3"], "holds a finished run, and no checkpoints/last.ckpt to go on from"),
        (["fit=false"], "ckpt_path=auto: of a fit that goes on; give the .ckpt file"),
    ):
        with pytest.raises(ConfigError, match=said):
            train(tiny("logger=none", "instruments=none", "ckpt_path=auto", *options, run_dir=tmp_path))
    assert (tmp_path / "record" / "run.json").read_bytes() == before


class Sleeps(pl.Callback):
    """Says where it is, and stays there: in Python, as an instrument between two operations of torch."""

    def __init__(self, where: str, hook: str) -> None:
        self.where = where
        setattr(self, hook, self.wait)

    def wait(self, *args: object) -> None:
        Path(self.where).touch()
        for _ in range(6000):
            time.sleep(0.01)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_end"])
def test_sigterm_ends_within_five_seconds_with_143(tmp_path, hook):
    """The command line in a process of its own: while it trains, and where the final weights are measured."""
    from fourier_lightning.cli import main

    flag = tmp_path / "there"
    sleeps = f"+callbacks.sleeps={{_target_: tests.test_killed.Sleeps, where: {flag}, hook: {hook}}}"
    options = [option for option in kills.SMALL if not option.startswith("callbacks.")]
    argv = ["train", *options, sleeps, "allow_targets=true", "instruments=none", f"hydra.run.dir={tmp_path / 'run'}"]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            main(argv)
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    told = time.monotonic()
    os.kill(child, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 143 and time.monotonic() - told < 5
    info = run_json(tmp_path / "run")
    assert (info["status"], info["error"]) == ("interrupted", "stopped from outside")


def test_sigterm_is_left_to_who_handles_it_already(monkeypatch):
    from fourier_lightning.commands.sigterm import ended_by_sigterm

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_by_sigterm():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(SystemExit) as stop, ended_by_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        assert stop.value.code == 143 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
