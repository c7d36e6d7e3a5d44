"""Jobs of a sweep side by side: real processes under joblib and submitit, GPUs handed out, requeued jobs go on."""

import json
import os

import pytest
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from fourier_lightning.commands import jobs
from fourier_lightning.config import CONF_DIR, load_config
from scripts import many_jobs
from tests.conftest import TINY, train

QUICK = [*TINY, "instruments=none", "logger=none"]
STOPPED = [
    "allow_targets=true",
    "+callbacks.stopped._target_=tests.launched.Stopped",
    "+callbacks.stopped.where=${paths.output_dir}",
]


def info(run_dir):
    return json.loads((run_dir / "record" / "run.json").read_text())


def test_under_submitit_a_preempted_job_goes_on_and_a_killed_one_leaves_the_others_alone(command_line, tmp_path):
    sweep = tmp_path / "sweep"
    launcher = ["hydra/launcher=local", f"hydra.sweep.dir={sweep}"]
    done = command_line("-m", *QUICK, *launcher, *STOPPED, "+callbacks.stopped.by=kill,preemption")
    assert done.code == 1, done.err
    assert "error: job 0: job 0 ended without a result: killed" in done.err and "job 1" not in done.err
    assert "Sweep of 2 jobs" in done.out
    rows = json.loads((sweep / "summary.json").read_text())
    assert [(row["seeds"], row["failed"]) for row in rows] == [(0, 1), (1, 0)]
    run = info(sweep / "1")
    assert run["status"] == "finished" and run["config"]["group"] == "sweep"
    assert run["config"]["ckpt_path"] == str(sweep / "1" / "checkpoints" / "last.ckpt")
    assert (sweep / "1" / "stopped").exists()

    undisturbed = train(load_config(QUICK, tmp_path / "undisturbed"))
    assert run["metrics"] == {name: pytest.approx(value, rel=1e-6) for name, value in undisturbed.metrics.items()}
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (sweep / "1", tmp_path / "undisturbed")
    ]
    assert all(torch.equal(weights[0][name], values) for name, values in weights[1].items())


def test_joblib_runs_jobs_side_by_side_in_one_group_with_one_summary(command_line, tmp_path):
    sweep = tmp_path / "sweep"
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={sweep}"]
    done = command_line("-m", *QUICK, *launcher, "seed=0,-1")
    assert done.code == 2 and done.err.count("error: job") == 1, done.err
    (row,) = json.loads((sweep / "summary.json").read_text())
    assert (row["seeds"], row["failed"]) == (1, 1) and "Sweep of 2 jobs" in done.out
    assert info(sweep / "0")["config"]["group"] == "sweep"


@pytest.mark.trains
def test_a_job_leaves_nothing_behind_for_the_next():
    """At a size that takes seconds; scripts/many_jobs.py does it 200 times, and looks at the memory, too."""
    found = many_jobs.sweep(4, ["logger=none"])
    assert {name: found[3][name] for name in found[1] if name != "memory MB"} == {
        name: value for name, value in found[1].items() if name != "memory MB"
    }
    assert found[3]["jobs' settings"] == 0


def test_each_process_gets_a_device_and_gives_it_back(tmp_path):
    held = [jobs.free_device(["GPU-a", "MIG-b/1"], tmp_path) for _ in range(5)]
    assert [name for name, _ in held] == ["GPU-a", "MIG-b/1", "GPU-a", "MIG-b/1", "GPU-a"]
    held[1][1].release()
    assert jobs.free_device(["GPU-a", "MIG-b/1"], tmp_path)[0] == "MIG-b/1"


@pytest.mark.parametrize(("visible", "left"), [(None, "0"), ("2,3", "2")])
def test_a_job_of_a_sweep_is_left_one_gpu(monkeypatch, tmp_path, visible, left):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(jobs.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(jobs, "_mine", [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    jobs.take_device()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left
    jobs.take_device()  # the next job of the same process
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left and len(jobs._mine) == 1
    jobs._mine[0].release()


def test_a_job_that_starts_again_goes_on_or_starts_anew(tmp_path):
    """Without a record there was no first time; a finished run is no requeued one; without a checkpoint: anew."""

    def again(status, checkpoint, fit=True):
        run_dir = tmp_path / f"{status}{checkpoint}{fit}"
        (run_dir / "record").mkdir(parents=True)
        (run_dir / "checkpoints").mkdir()
        if status:
            (run_dir / "record" / "run.json").write_text(json.dumps({"status": status, "config": {}}))
        if checkpoint:
            (run_dir / "checkpoints" / "last.ckpt").touch()
        cfg = OmegaConf.create({"fit": fit, "ckpt_path": None, "paths": {"output_dir": str(run_dir)}})
        jobs.go_on(cfg)
        return cfg.ckpt_path, (run_dir / "record").is_dir()

    assert again("interrupted", True) == again("running", False) == ("auto", True)
    assert again("finished", True) == again("", True) == (None, True)
    assert again("running", True, fit=False) == (None, True)


def test_what_slurm_and_a_local_job_are_asked_for(monkeypatch, tmp_path):
    """submitit's own writer of the batch file, with our defaults and an override."""
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    Plugins.instance()
    from hydra_plugins.fourier_lightning_launchers import LocalLauncher, SlurmLauncher

    def executor(launcher, name, **more):
        preset = OmegaConf.to_container(OmegaConf.load(CONF_DIR / "hydra" / "launcher" / f"{name}.yaml"))
        asked = preset | {"name": "sweep", "submitit_folder": str(tmp_path / "%j")} | more
        del asked["_target_"]
        return launcher(**asked).executor()._executor

    slurm, local = executor(SlurmLauncher, "slurm", partition="gpu"), executor(LocalLauncher, "local")
    text = slurm._make_submission_file_text("command", "uid")
    for line in ("time=720", "gpus-per-node=1", "partition=gpu", "requeue", "signal=USR2@120", "mem=16GB"):
        assert f"#SBATCH --{line}\n" in text
    assert slurm.max_num_timeout == 100
    assert local.parameters["timeout_min"] == 7 * 24 * 60


MISTAKES = {
    "slurm": "hydra/launcher=slurm: there is no Slurm here (no srun); call it where jobs are submitted",
    "joblib": "hydra/launcher: not installed; pip install 'fourier-lightning[parallel]'",
    "foo": "hydra/launcher=foo: no such choice; choose from basic, joblib, local, slurm",
}


@pytest.mark.parametrize("option", MISTAKES)
def test_a_launcher_that_is_not_here_is_one_line(command_line, monkeypatch, tmp_path, option):
    Plugins.instance()  # it has looked for them all by now
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], "joblib.yaml")
    monkeypatch.setenv("PATH", "")
    done = command_line("-m", f"hydra/launcher={option}", "seed=0,1", f"hydra.sweep.dir={tmp_path}/s")
    assert done.code == 2 and done.err.startswith(f"error: {MISTAKES[option]}"), done.err
    assert done.err.count("\n") == 1 and not (tmp_path / "s").exists()
