"""A directory holds one run, of one configuration, and one process at a time."""

import json
import os
import shutil
import signal
import time
from contextlib import contextmanager

import pytest

from fourier_lightning.config import CONF_DIR, asset_path, load_config
from fourier_lightning.directory import MAY_DIFFER, runs_in, settings_in, sole_process
from fourier_lightning.errors import ConfigError
from fourier_lightning.seeds import train_seeds
from tests.conftest import TINY, train
from tests.test_run import run_json

QUICK = [*TINY, "logger=none", "instruments=none", "trainer.max_epochs=1", "optimizer.schedule=constant"]


def files(where):
    """Everything in a directory, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in where.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    where = tmp_path_factory.mktemp("finished") / "run"
    train(load_config(QUICK, where))
    return where


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of a finished run of one epoch."""
    return shutil.copytree(finished, tmp_path / "run")


def interrupt(where):
    info = run_json(where)
    (where / "record" / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))


@pytest.mark.parametrize("status", ["finished", "interrupted"])
@pytest.mark.parametrize(
    ("other", "named"),
    [
        ("seed=1", "seed=0 there, 1 here"),
        ("optimizer.lr=2e-3", "optimizer.lr=0.00125 there, 0.002 here"),
        ("data.train_fraction=0.5", "data.train_fraction=0.8 there, 0.5 here"),
        ("instruments=logit_lens", "callbacks.logit_lens._target_=absent there, fourier_lightning.instruments"),
        ("test=false", "test=True there, False here"),
    ],
)
def test_auto_refuses_a_directory_whose_run_has_other_settings(run_dir, command_line, status, other, named):
    if status == "interrupted":
        interrupt(run_dir)
    before = files(run_dir)
    done = command_line(*QUICK, "ckpt_path=auto", f"hydra.run.dir={run_dir}", other)
    start = f"error: hydra.run.dir={run_dir}: holds a run of other settings ({named}"
    assert done.code == 2 and done.err.startswith(start) and done.err.count("\n") == 1, done.err
    assert done.err.endswith("choose another directory, or repeat the settings of that run\n")
    assert files(run_dir) == before


def test_many_settings_that_differ_are_counted(run_dir, command_line):
    done = command_line(*QUICK, "ckpt_path=auto", f"hydra.run.dir={run_dir}", "model=scratch", "seed=4")
    assert done.code == 2 and done.err.count(" there, ") == 3 and " more); choose another" in done.err, done.err


def test_what_a_run_is_called_shows_and_computes_on_may_differ(run_dir, command_line):
    free = ["name=x", "group=g", "tags=[t]", "logger=csv", "data.eval_batch_size=64", "trainer.devices=auto"]
    done = command_line(*QUICK, "ckpt_path=auto", f"hydra.run.dir={run_dir}", *free)
    assert done.code == 0 and "finished already" in done.out, done.err


def test_a_run_says_what_its_settings_are(run_dir):
    settings = settings_in(run_dir)
    assert settings["model.width"] == 16 and settings["trainer.precision"] == "32-true" and settings["seed"] == 0
    assert settings["backbone.path"] == "${asset:whisper-tiny-en-text}" and "paths.output_dir" not in settings


def test_the_settings_that_may_differ_are_documented():
    text = (CONF_DIR.parent / "docs" / "settings.md").read_text()
    documented = text[text.index("**A directory holds one run.**") : text.index("**One process at a time.**")]
    assert [key for key in MAY_DIFFER if f"`{key.removeprefix('trainer.')}`" not in documented] == []


def test_a_fit_whose_tie_is_left_to_the_backbone_goes_on(tiny, tmp_path):
    options = ["logger=none", "instruments=none", "embedding.tie=null", "optimizer.schedule=constant"]
    train(tiny(*options, "trainer.max_epochs=1"))
    train(tiny(*options, "trainer.max_epochs=2", "ckpt_path=auto", run_dir=tmp_path))
    assert run_json(tmp_path)["steps"] == 12


def test_an_evaluation_that_is_repeated_has_finished_or_begins_again(finished, command_line, tmp_path):
    last = finished / "checkpoints" / "last.ckpt"
    options = ["fit=false", "instruments=none", "logger=none", "trainer.accelerator=cpu", f"hydra.run.dir={tmp_path}/e"]
    assert command_line(*options, f"ckpt_path={last}").code == 0
    before = files(tmp_path / "e")
    again = command_line(*options, f"ckpt_path={shutil.copy(last, tmp_path / 'moved.ckpt')}")  # the weights count
    assert again.code == 0 and "finished already" in again.out and files(tmp_path / "e") == before
    other = command_line(*options, f"ckpt_path={last}", "test=false")
    assert other.code == 2 and other.err == f"error: hydra.run.dir={tmp_path}/e: holds a run already; choose another\n"
    info = run_json(tmp_path / "e")
    interrupt(tmp_path / "e")
    assert command_line(*options, f"ckpt_path={last}").code == 0
    assert run_json(tmp_path / "e")["metrics"] == info["metrics"]


def test_several_seeds_as_one_begin_again_until_they_have_finished(tiny, command_line, tmp_path):
    options = [*QUICK, "seeds_in_parallel=2", f"hydra.run.dir={tmp_path}", "ckpt_path=auto"]
    assert command_line(*options).code == 0
    before = files(tmp_path)
    again = command_line(*options)
    assert again.code == 0 and "finished already" in again.out and files(tmp_path) == before
    longer = command_line(*options, "trainer.max_epochs=2")  # they can't go on as one, and nothing finished is replaced
    assert longer.code == 2 and "holds a finished run, and no checkpoints/last.ckpt" in longer.err, longer.err
    assert "holds a run already" in command_line(*options[:-1]).err
    assert files(tmp_path) == before
    interrupt(tmp_path / "seed1")
    assert command_line(*options).code == 0
    assert [run["status"] for run in runs_in(tmp_path)] == ["finished", "finished"]
    alone = train(tiny("logger=none", "instruments=none", "seed=1", "optimizer.schedule=constant",
                       "trainer.max_epochs=2", "ckpt_path=auto", run_dir=tmp_path / "seed1"))  # fmt: skip
    assert alone.trainer.global_step == 12


@contextmanager
def occupied(where):
    """Another process that is at work in a directory, as ``train`` is; gives its id."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with sole_process(where):
            os.write(writer, b"in")
            time.sleep(600)
        os._exit(1)
    try:
        assert os.read(reader, 2) == b"in"
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_second_process_is_refused_until_the_first_one_ends(run_dir, tiny, tmp_path, command_line):
    new = tmp_path / "new"
    interrupt(run_dir)
    for where in (run_dir, new):
        with occupied(where) as pid:
            before = files(where)
            done = command_line(*QUICK, "ckpt_path=auto", f"hydra.run.dir={where}")
            said = f"error: hydra.run.dir={where}: another process is running here (pid {pid} on "
            assert done.code == 2 and done.err.startswith(said) and done.err.count("\n") == 1, done.err
            assert ", since 20" in done.err and done.err.endswith("; wait until it ends, or choose another directory\n")
            for start in (train, train_seeds):
                with pytest.raises(ConfigError, match="another process is running here"):
                    start(load_config(QUICK, where))
            assert files(where) == before
        done = command_line(*QUICK, "ckpt_path=auto", "trainer.max_epochs=2", f"hydra.run.dir={where}")
        assert done.code == 0 and run_json(where)["status"] == "finished", done.err
        assert not (where / ".lock").exists()


def test_the_lock_ends_with_a_process_that_is_killed(tmp_path):
    with occupied(tmp_path), pytest.raises(ConfigError, match="another process"), sole_process(tmp_path):
        pass
    assert (tmp_path / ".lock").is_file()  # that process had no time to remove it
    with sole_process(tmp_path), sole_process(tmp_path):  # within one process it may be entered again
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert not list(tmp_path.iterdir())


def test_a_run_without_locks_goes_on_unlocked(tmp_path, monkeypatch):
    """A file system that has none, as Lustre may be mounted: it can't be had here."""

    def no_locks(*args, **kwargs):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("filelock.FileLock.acquire", no_locks)
    with sole_process(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_chdir_with_relative_paths(tmp_path, monkeypatch, command_line):
    """Train, go on here and elsewhere, evaluate: what was typed is looked for where it was typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(asset_path("whisper-tiny-en-text"))
    mine = ["backbone=local", "backbone.path=models/mine"]
    last = "ckpt_path=runs/a/checkpoints/last.ckpt"

    def run(where, *options):
        done = command_line(*QUICK, "hydra.job.chdir=true", f"hydra.run.dir=runs/{where}", *options)
        assert done.code == 0, done.err
        assert done.out.count(f"Everything this run wrote: {tmp_path}/runs/{where}\n") == 1
        return run_json(tmp_path / "runs" / where)

    run("a", *mine)
    assert run("a", *mine, "ckpt_path=auto", "trainer.max_epochs=2")["steps"] == 12
    assert run("a", *mine, last, "trainer.max_epochs=3")["steps"] == 18
    assert run("b", *mine, last, "trainer.max_epochs=4")["steps"] == 24
    evaluated = run("c", *mine, last, "fit=false")
    assert evaluated["config"]["ckpt_path"] == str(tmp_path / "runs/a/checkpoints/last.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {"models", "runs"}
    nested = [path for path in tmp_path.rglob("runs") if path != tmp_path / "runs"]
    assert not nested


def test_chdir_in_a_sweep_with_a_relative_checkpoint(finished, tmp_path, monkeypatch, command_line):
    monkeypatch.chdir(tmp_path)
    shutil.copy(finished / "checkpoints" / "last.ckpt", tmp_path / "last.ckpt")
    sweep = ["-m", "sweep=cutoffs", "ckpt_path=last.ckpt", "hydra.job.chdir=true", "hydra.sweep.dir=sweeps/s"]
    options = ["filter.keep=low", "filter.cutoff=2,8", "filter.modules=mlp", "logger=none", "trainer.accelerator=cpu"]
    done = command_line(*sweep, *options)
    assert done.code == 0, done.err
    assert [run_json(tmp_path / "sweeps" / "s" / name)["status"] for name in "01"] == ["finished"] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "sweeps"}
