"""Sweeps that are killed, resumed and extended, by the command line: every run once, no run twice."""

import itertools
import json
import random
from pathlib import Path

from fourier_lightning.commands import train as command
from fourier_lightning.commands.places import reserve
from fourier_lightning.directory import settings_of, write_settings
from fourier_lightning.parts import check_directory
from fourier_lightning.record.sweep import jobs
from tests.conftest import TINY
from tests.test_directory import files, interrupt, occupied
from tests.test_run import run_json

QUICK = [*TINY, "logger=none", "instruments=none", "trainer.max_epochs=1"]


def runs(sweep_dir):
    """Arm and seed of every finished run of a sweep, by directory."""
    infos = {path.parents[1].name: json.loads(path.read_text()) for path in sweep_dir.glob("*/record/run.json")}
    done = {name: info["config"] for name, info in infos.items() if info["status"] == "finished"}
    return {name: (config["model"]["name"], config["seed"]) for name, config in done.items()}


def summary(sweep_dir):
    rows = json.loads((Path(sweep_dir) / "summary.json").read_text())
    return {row["settings"]: (row["seeds"], row["failed"]) for row in rows}


def test_a_sweep_that_is_extended_by_seeds_and_arms_in_another_order_runs_what_is_missing(command_line, tmp_path):
    sweep = ["-m", *QUICK, "ckpt_path=auto", f"hydra.sweep.dir={tmp_path}"]
    assert command_line(*sweep, "seed=0,1").code == 0  # of the default arm
    before = files(tmp_path / "0") | files(tmp_path / "1")
    done = command_line(*sweep, "seed=2,1,0", "model=scratch,scratch_pretrained_emb")
    assert done.code == 0, done.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert f"{tmp_path / '0'}: finished already" in done.out
    wanted = set(itertools.product(("scratch", "scratch_pretrained_emb"), range(3)))
    assert set(runs(tmp_path).values()) == wanted and len(runs(tmp_path)) == 6
    assert summary(tmp_path) == {"model=scratch": (3, 0), "model=scratch_pretrained_emb": (3, 0)}
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {*"012345"}
    again = command_line(*sweep, "model=scratch_pretrained_emb,scratch", "seed=0,1,2")
    assert again.code == 0 and again.out.count("finished already") == 6 and "Sweep of 6 jobs" in again.out


def test_a_sweep_that_is_killed_under_joblib_is_finished_by_another_launcher(command_line, tmp_path):
    """A killed process ends joblib's sweep; Hydra's own launcher does what is left, in another order, and one more."""
    stopped = ["allow_targets=true", "+callbacks.stopped._target_=tests.launched.Stopped", "trainer.max_epochs=2"]
    sweep = ["-m", *QUICK, *stopped, "+callbacks.stopped.where=${paths.output_dir}", "ckpt_path=auto"]
    sweep += [f"hydra.sweep.dir={tmp_path}"]
    parallel = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    killed = command_line(*sweep, *parallel, "+callbacks.stopped.by=nobody,kill", "seed=0")
    assert killed.code == 1 and (tmp_path / "1" / "stopped").is_file(), killed.err
    assert run_json(tmp_path / "1")["status"] == "running"
    done = command_line(*sweep, "seed=0", "+callbacks.stopped.by=kill,nobody")
    assert done.code == 0, done.err
    more = command_line(*sweep, "seed=1,0", "+callbacks.stopped.by=nobody")
    assert more.code == 0 and more.out.count("finished already") == 1, more.err
    assert {path.name for path in tmp_path.glob("*/.hydra/..")} == {".."} and len(jobs(tmp_path)) == 3
    assert {(run.seed, run.config["callbacks"]["stopped"]["by"]) for run in jobs(tmp_path)} == {
        (0, "nobody"), (0, "kill"), (1, "nobody"),
    }  # fmt: skip
    assert [run.info["steps"] for run in jobs(tmp_path)] == [12, 12, 12]
    assert summary(tmp_path) == {"+callbacks.stopped.by=nobody": (2, 0), "+callbacks.stopped.by=kill": (1, 0)}


def test_random_sequences_of_commands_run_every_job_once(command_line, tmp_path, monkeypatch):
    """Hydra's own parser, sweeper and launcher, with a job that only writes down that it ran, or fails."""
    draw, started = random.Random(0), []

    def job(cfg):
        where = Path(cfg.paths.output_dir)
        started.append((cfg.model.name, cfg.seed, where.name))
        check_directory(cfg, settings_of(cfg))
        write_settings(where, settings_of(cfg))
        failed = draw.random() < 0.3
        status = "failed" if failed else "finished"
        config = {"model": {"name": cfg.model.name, "body": "random"}, "seed": cfg.seed}
        info = {"status": status, "metrics": {"val/accuracy": 0.5}, "overrides": [], "config": config}
        (where / "record" / "run.json").write_text(json.dumps(info))
        (where / "record" / "metrics.jsonl").touch()
        if failed:
            raise RuntimeError("boom")

    monkeypatch.setattr(command, "job", job)
    monkeypatch.setattr("fourier_lightning.commands.train.close_sweep", lambda sweep_dir: None)
    asked, code = set(), 1
    for invocation in range(9):
        if invocation < 3:
            models = draw.sample(["scratch", "scratch_pretrained_emb"], draw.randint(1, 2))
            seeds = draw.sample(range(3), 2)
            asked |= set(itertools.product(models, seeds))
        else:  # all that was asked for, until nothing fails
            models, seeds = ["scratch_pretrained_emb", "scratch"], sorted({seed for _, seed in asked})
        swept = [f"model={','.join(models)}", f"seed={','.join(map(str, seeds))}"]
        code = command_line("-m", *draw.sample(swept, 2), "ckpt_path=auto", f"hydra.sweep.dir={tmp_path}").code
        if invocation >= 3 and code == 0:
            break
    assert code == 0
    done = runs(tmp_path)
    assert asked <= set(done.values()) and len(set(done.values())) == len(done)
    assert len({(model, seed): name for model, seed, name in started}) == len({*started})  # each in one directory


def test_an_evaluation_sweep_runs_what_is_missing(command_line, tmp_path):
    assert command_line(*QUICK, f"hydra.run.dir={tmp_path}/run").code == 0
    checkpoint, sweep_dir = tmp_path / "run" / "checkpoints" / "last.ckpt", tmp_path / "sweep"
    sweep = ["-m", "sweep=cutoffs", f"ckpt_path={checkpoint}", "logger=none", "trainer.accelerator=cpu",
             "filter.draws=1", "filter.modules=mlp", f"hydra.sweep.dir={sweep_dir}"]  # fmt: skip
    assert command_line(*sweep, "filter.keep=low", "filter.cutoff=2,8").code == 0
    before = files(sweep_dir / "0")
    interrupt(sweep_dir / "1")
    done = command_line(*sweep, "filter.keep=high,low", "filter.cutoff=8,2")
    assert done.code == 0 and done.out.count("finished already") == 1, done.err
    assert files(sweep_dir / "0") == before
    found = [(run.info["config"]["filter"]["keep"], run.info["config"]["filter"]["cutoff"]) for run in jobs(sweep_dir)]
    assert sorted(found) == [("high", 2), ("high", 8), ("low", 2), ("low", 8)]
    assert [run.status for run in jobs(sweep_dir)] == ["finished"] * 4


def test_a_job_that_another_process_is_at_is_named_and_the_others_run(command_line, tmp_path):
    sweep = ["-m", *QUICK, "ckpt_path=auto", f"hydra.sweep.dir={tmp_path}"]
    assert command_line(*sweep, "seed=0").code == 0
    interrupt(tmp_path / "0")
    with occupied(tmp_path / "0") as pid:
        before = files(tmp_path / "0")
        done = command_line(*sweep, "seed=0,1")
        said = f"error: job 0: hydra.run.dir={tmp_path}/0: another process is running here (pid {pid} on"
        assert done.code == 2 and done.err.startswith(said) and done.err.count("error: ") == 1, done.err
        assert files(tmp_path / "0") == before and run_json(tmp_path / "1")["seed"] == 1
    assert command_line(*sweep, "seed=0,1").code == 0
    assert sorted(runs(tmp_path)) == ["0", "1"]


def test_runs_that_do_not_say_what_they_are_are_not_run_again(command_line, tmp_path):
    old = reserve(tmp_path, 0, {})
    (old / "record" / "settings.json").unlink()
    (old / "record" / "run.json").write_text(json.dumps({"status": "finished"}))
    done = command_line("-m", *QUICK, "ckpt_path=auto", f"hydra.sweep.dir={tmp_path}", "seed=0,1")
    said = f"error: hydra.sweep.dir={tmp_path}: holds runs of an older revision, which don't say what their settings"
    assert done.code == 2 and done.err.startswith(said) and done.err.count("\n") == 1, done.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["0"]


def test_directories_of_a_users_own_are_kept(command_line, tmp_path):
    """hydra.sweep.subdir: each job in the directory of that name, and nowhere else."""
    sweep = ["-m", *QUICK, "ckpt_path=auto", f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=s${seed}"]
    assert command_line(*sweep, "seed=0").code == 0
    done = command_line(*sweep, "seed=1,0")
    assert done.code == 0 and "finished already" in done.out and sorted(runs(tmp_path)) == ["s0", "s1"], done.err
    deeper = ["hydra.sweep.subdir=${model.name}/${seed}", f"hydra.sweep.dir={tmp_path}/deeper"]
    done = command_line(*sweep, "seed=0,1", *deeper)
    assert done.code == 0 and "Sweep of 2 jobs" in done.out, done.err
    other = command_line(*sweep, "seed=0", "model=scratch")
    assert other.code == 2 and f"error: job s0: hydra.run.dir={tmp_path}/s0: holds a run of other set" in other.err
