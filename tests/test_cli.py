"""The command line in process: one line for each mistake, exit codes, sweeps."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from fourier_lightning import cli
from fourier_lightning.config import CONF_DIR
from tests.conftest import TINY
from tests.wandb_files import wandb_run

MISTAKES = {
    "modl=scratch": "modl: no such setting; did you mean model?",
    "data.batchsize=3": "data.batchsize: no such setting; did you mean data.batch_size",
    "+data.foo=1": "data.foo=1: no such setting",
    "+foo=1": "foo=1: no such setting",
    "~callbacks.foo": "callbacks.foo: no such setting",
    "~data": "data: missing",
    "model=foo": "model=foo: no such choice; choose from pretrained, scratch, scratch_pretrained_emb",
    "callbacks=filter_grid": "callbacks=filter_grid: instruments are a group of their own; use instruments=filter_grid",
    "callbacks=[checkpoints,knock_out]": "callbacks=knock_out: instruments are a group of their own; use instruments=",
    "logger=[csv,foo]": "logger=foo: no such choice; choose from csv, none, tensorboard, wandb",
    "experiment=foo": "experiment=foo: no such choice; choose from finetune, mechanism, paper/finetune_small",
    "model=scratch,pretrained": "model=scratch,pretrained: several values; add -m",
    "a=b=c": "a=b=c: not KEY=VALUE",
    "data.batch_size=abc": "data.batch_size=abc: str is not allowed here; use int",
    "trainer.max_epochs=1.5": "trainer.max_epochs=1.5: float is not allowed here; use int or null",
    "data.templates=total": "data.templates=total: str is not allowed here; use list[str]",
    "data.pairs=sorted": "data.pairs=sorted: str is not allowed here; use one of unordered, ordered",
    "logger.wandb.mode=on": "logger.wandb.mode=on: str is not allowed here; use one of auto, online",
    "callbacks.best_checkpoint=null": "callbacks.best_checkpoint=None: not a node with a _target_; to remove it use",
    "callbacks.progress_bar.refresh_rate=-3": "callbacks.progress_bar.refresh_rate=-3: too small; use 1 or more steps",
    "logger.wandb.media_seconds=-1": "logger.wandb.media_seconds=-1: too small; use 0 or more seconds",
    "callbacks.best_checkpoint.monitor=val/acc": "callbacks.best_checkpoint.monitor=val/acc: no such metric; did you",
    "seed=-1": "seed=-1: out of range",
    "optimizer.lr=-1": "optimizer.lr=-1: not positive",
    "data.max_operand=300": "data.number_style=bare: 14 of the answers 0..600 are not single tokens",
    "data.train_fraction=0.9": "data.train_fraction=0.9: it is a share of all pairs",
    "data.max_operand=1": "data.train_fraction=0.35: 3 pairs split into 1 training, 0 validation",
    "model.width=129": "model.width=129: not divisible by model.n_head=2; use a multiple of 2",
    "ckpt_path=/no/such.ckpt": "ckpt_path=/no/such.ckpt: no such file",
    "backbone.path=/no/such": "backbone.path=/no/such: no such directory",
    "backbone.path=conf": "backbone.path=conf: holds no config.json",
    "trainer.accumulate_grad_batches=2": "trainer.accumulate_grad_batches: not in the configuration, but its target",
    "trainer.max_epochs=-1": "trainer.max_epochs=-1: optimizer.schedule=linear needs to know where it ends",
    "trainer.gradient_clip_val=-1": "trainer.gradient_clip_val=-1: too small; use 0 or more",
    "trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch=0: too small; use 1 or more",
    "optimizer.lr=nan": "optimizer.lr=nan: float is not allowed here",
    "embedding.scale=inf": "embedding.scale=inf: float is not allowed here",
    "data.batch_size=true": "data.batch_size=True: bool is not allowed here; use int",
    "seed=true": "seed=True: bool is not allowed here; use int",
    "+trainer.num_nodes=2": "trainer.num_nodes=2: a run starts processes on its own machine alone; start them",
    "+trainer.val_check_interval=0": "trainer.val_check_interval=0: too small; use a share of an epoch",
    "+callbacks.x={_target_:no.such}": "callbacks.x._target_=no.such: can't be imported; correct it (Error loading",
    "name=null": "name=None: NoneType is not allowed here; use str",
    "tags=foo": "tags=foo: str is not allowed here; use list[str]",
    "instruments=foo": "instruments=foo: no such choice; choose from answer_phase, answers, breakdown, default",
    "size=foo": "size=foo: no such choice; choose from backbone, small",
    "split=foo": "split=foo: str is not allowed here; use one of train, val, test",
    "backbone=local": "backbone.path: Missing mandatory value: path; give it a value",
    "ckpt_path=conf": "ckpt_path=conf: no such file",
    "data.max_operand=-5": "data.max_operand=-5: negative; use 1 or more",
    "data.max_operand=1000000000": "data.max_operand: 2000000001 numbers, but the backbone has 2224 tokens; lower",
    "hydra/launcher=foo": "hydra/launcher=foo: no such choice; see",
    "hydra.run.dir=": "hydra.run.dir=: empty; name a directory, or leave it out",
    "-m hydra.sweep.dir=": "hydra.sweep.dir=: empty; name a directory, or leave it out",
    "data=subtraction data.pairs=ordered": "data.pairs: not in the configuration that these choices make; leave it out",
    "data=subtraction +data.pairs=ordered": "data.pairs=ordered: no such setting",
    "data=modular_addition data.max_operand=9": "data.max_operand: not in the configuration that these choices make",
    "data=modular_addition data.modulus=1000000": "data.modulus: 1000000 numbers, but the backbone has 2224 tokens",
    "optimizer=adamw optimizer.muon_lr=1": "optimizer.muon_lr: not in the configuration that these choices make",
    "logger=none logger.wandb.mode=offline": "logger.wandb.mode: not in the configuration that these choices make",
    "trainer.max_epochs=-7": "trainer: `max_epochs` must be",
    "trainer.accelerator=tpu": "trainer: ",
    "hydra.run.dir=/dev/null/x": "hydra.run.dir or hydra.sweep.dir: [Errno 20] Not a directory",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_exit_code_2_and_nothing_is_written(command_line, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()  # a directory that is no model
    done = command_line(*shlex.split(mistake))
    assert done.code == 2
    assert done.err.startswith(f"error: {MISTAKES[mistake]}"), done.err
    assert done.err.count("\n") == 1 and "Traceback" not in done.err and not done.out.strip()
    assert list(tmp_path.iterdir()) == [tmp_path / "conf"]


OTHER_MISTAKES = {
    "model=scratch": "model=scratch: no such command; did you mean fourier-lightning train model=scratch?",
    "-m seed=0,1": "-m: no such command; did you mean fourier-lightning train -m seed=0,1?",
    "reprot": "reprot: no such command; did you mean report?",
    "xyz": "xyz: no such command; choose from train, report, figures, claims, errors, calibrate, audit, dashboard",
    "train --multirum": "--multirum: no such option; did you mean --multirun?",
    "train --cfg foo": "--cfg/-c: invalid choice: 'foo' (choose from 'job', 'hydra', 'all'); see fourier",
    "train --config-name": "--config-name/-cn: expected one argument; see fourier-lightning train --help",
    "train --config-name foo": "command line: Cannot find primary config 'foo'",
    "report": "DIR: not given; see fourier-lightning report --help",
    "report x --ouput y": "--ouput: no such option; did you mean --output?",
    "figures x --format gif": "--format: invalid choice: 'gif'",
    "claims x --from y": "--from: given beside directories; give verdicts or runs, not both",
    "claims x --output .": "--output .: a directory; name a file",
    "claims --from /dev/null": "--from /dev/null: holds no verdicts; give a file that --output wrote",
    "claims --from": "--from: expected one argument; see fourier-lightning claims --help",
}


@pytest.mark.parametrize("mistake", OTHER_MISTAKES)
def test_a_mistake_of_any_command_is_one_line(command, mistake):
    done = command(*mistake.split())
    assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")
    assert done.err.startswith(f"error: {OTHER_MISTAKES[mistake]}"), done.err


def test_help_of_the_command_names_all_others_and_each_has_its_own(command):
    done = command("--help")
    assert done.code == 0 and command().out == done.out
    for name in cli.COMMANDS:
        assert f"  {name} " in done.out
        assert command(name, "--help").code == 0


def test_a_missing_package_is_one_line_that_names_its_extra(command, tiny_runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "fourier_lightning.figures.draw", raising=False)
    done = command("figures", tiny_runs)
    assert done.code == 2
    assert done.err == "error: matplotlib: not installed; pip install 'fourier-lightning[figures]'\n"


def test_help_needs_no_heavy_import():
    """Nor does a mistyped command: torch and its friends take seconds."""
    heavy = "torch", "numpy", "hydra", "wandb", "plotly", "matplotlib", "transformers"
    code = (
        "import sys; from fourier_lightning.cli import main; main([])\n"
        "for name in ('report', 'figures', 'claims', 'calibrate', 'dashboard'):\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit: pass\n"
        f"sys.exit(str([name for name in {heavy} if name in sys.modules] or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_python_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fourier_lightning", "trian"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: trian: no such command; did you mean train?\n")


def test_several_mistakes_of_type_are_named_together(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command_line("seed=x", "data.batch_size=y", "model.dropout=z")
    assert done.code == 2
    named = sorted(re.findall(r"error: (\S+)=", done.err))
    assert named == ["data.batch_size", "model.dropout", "seed"]


def test_a_bug_is_not_hidden_as_a_mistake(command_line, tmp_path):
    """A crash inside a run keeps its traceback and is not exit code 2."""
    callback = "+callbacks.fails={_target_: tests.test_run.Fails, error: crash}"
    with pytest.raises(RuntimeError, match="boom"):
        command_line(*TINY, "logger=none", "instruments=none", callback, f"hydra.run.dir={tmp_path}")
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_help_is_for_people(command_line):
    done = command_line("--help")
    assert done.code == 0
    assert "model: pretrained, scratch, scratch_pretrained_emb" in done.out
    for key in ("data.train_fraction", "embedding.freeze", "hydra.run.dir", "-m model=scratch", "Exit codes"):
        assert key in done.out


def test_help_names_only_settings_that_exist(command_line):
    from omegaconf import OmegaConf

    from fourier_lightning.config import load_config

    configs = load_config(["ckpt_path=x"]), load_config(["data=modular_addition"])
    keys = re.findall(r"(?<![~\w.])((?:data|model|embedding|optimizer|trainer|logger|backbone)\.[\w.]+)=", help_text())
    assert len(keys) > 20
    for key in keys:
        assert any(OmegaConf.select(cfg, key, default="missing") != "missing" for cfg in configs), key


def help_text() -> str:
    from fourier_lightning.config import CONF_DIR

    return (CONF_DIR / "hydra" / "help" / "fourier_lightning.yaml").read_text()


def test_hydra_run_dir_moves_everything(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "here"
    done = command_line(*TINY, "instruments=none", f"hydra.run.dir={target}")
    assert done.code == 0, done.err
    assert list(tmp_path.iterdir()) == [target]
    assert {p.name for p in target.iterdir()} == {".hydra", "train.log", "record", "checkpoints", "wandb"}
    for word in ("wte", "trainable", "frozen", "231 pairs: 184 train, 23 val, 24 test", "accuracy", str(target)):
        assert word in done.out


def test_a_sweep_with_a_failing_job(command_line, tmp_path):
    """Each job has its own W&B run in one group; the bad one leaves the others alone; the summary is written."""
    sweep = tmp_path / "sweep-12-34"
    jobs = ["model=scratch,scratch_pretrained_emb", "seed=0,1", "model.n_head=2,3"]  # 3 heads don't divide width 16
    done = command_line("-m", *TINY, *jobs, "instruments=none", f"hydra.sweep.dir={sweep}")
    assert done.code != 0
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 4 and all("model.width=16: not divisible by model.n_head=3" in line for line in lines)
    good = [d for d in sweep.iterdir() if (d / "record" / "run.json").is_file()]
    assert len(good) == 4
    names = []
    for directory in good:
        assert json.loads((directory / "record" / "run.json").read_text())["status"] == "finished"
        run = wandb_run(directory)[0]
        assert run.run_group == "sweep-12-34"
        names.append(run.display_name)
    assert sorted(names) == [
        f"{arm}-seed{seed}" for arm in ("scratch-random", "scratch_pretrained_emb-frozen") for seed in (0, 1)
    ]
    rows = json.loads((sweep / "summary.json").read_text())
    assert [(row["seeds"], row["failed"]) for row in rows] == [(2, 0), (0, 2), (2, 0), (0, 2)]
    assert "Sweep of 8 jobs" in done.out and "test/accuracy" in (sweep / "summary.md").read_text()


def test_a_sweep_with_a_crash_shows_it_and_goes_on(command_line, tmp_path):
    sweep = tmp_path / "s"
    crash = ["+callbacks.fails._target_=tests.test_run.Fails", "+callbacks.fails.error=crash,none"]
    done = command_line("-m", *TINY, *crash, "instruments=none", f"hydra.sweep.dir={sweep}")
    assert done.code == 1 and "error: RuntimeError: boom" in done.err
    assert "RuntimeError: boom" in (sweep / "0" / "train.log").read_text()
    runs = [json.loads((sweep / job / "record" / "run.json").read_text()) for job in ("0", "1")]
    assert [run["status"] for run in runs] == ["failed", "finished"] and "boom" in runs[0]["error"]
    assert [wandb_run(sweep / job)[0].run_group for job in ("0", "1")] == ["s", "s"]
    assert "Sweep of 2 jobs" in done.out


def test_a_sweep_with_no_place_to_write_says_so(command_line):
    done = command_line("-m", "seed=0,1", "hydra.sweep.dir=/dev/null/x")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: hydra.run.dir or hydra.sweep.dir: [Errno 20]")


def test_a_sweep_that_cannot_be_composed_leaves_nothing(command_line, tmp_path):
    done = command_line("-m", "model=scratch,foo", f"hydra.sweep.dir={tmp_path / 's'}")
    assert done.code == 2 and not (tmp_path / "s").exists()
    assert done.err.splitlines()[-1].startswith("error: model=foo: no such choice; choose from pretrained")


def test_a_clean_sweep_ends_with_0(command_line, tmp_path):
    done = command_line("-m", *TINY, "logger=none", "instruments=none", "seed=0,1", f"hydra.sweep.dir={tmp_path / 's'}")
    assert done.code == 0, done.err
    runs = [json.loads(path.read_text()) for path in sorted(Path(tmp_path).glob("s/*/record/run.json"))]
    (row,) = json.loads((tmp_path / "s" / "summary.json").read_text())
    values = [run["metrics"]["val/accuracy"] for run in runs]
    assert row["seeds"] == 2 and row["val/accuracy/mean"] == pytest.approx(sum(values) / 2)
    assert row["val/accuracy/std"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_sweep_of_cutoffs_on_a_checkpoint(command_line, tmp_path):
    """A job for each filter, without training; the list is Hydra's to override."""
    options = list(TINY)
    trained = command_line(*options, "instruments=none", "logger=none", f"hydra.run.dir={tmp_path}/run")
    assert trained.code == 0
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    sweep = ["sweep=cutoffs", f"ckpt_path={checkpoint}", "logger=none", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = command_line("-m", *options, *sweep, "filter.cutoff=2,8", "filter.modules=mlp")
    assert done.code == 0, done.err
    jobs = sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert jobs == ["0", "1", "2", "3"]  # low and high x two cut-offs
    runs = [json.loads((tmp_path / "sweep" / job / "record" / "run.json").read_text()) for job in jobs]
    assert {(r["config"]["filter"]["keep"], r["config"]["filter"]["cutoff"]) for r in runs} == {
        (keep, cutoff) for keep in ("low", "high") for cutoff in (2, 8)
    }
    assert all(not r["config"]["fit"] and 0 <= r["metrics"]["filter/accuracy"] <= 1 for r in runs)
    assert all(not (tmp_path / "sweep" / job / "checkpoints").exists() for job in jobs)
    assert "| accuracy | control_accuracy |" in (tmp_path / "sweep" / "summary.md").read_text()
    again = command_line(*options, "instruments=filter_grid", "~callbacks.knock_out")
    assert again.code == 2 and "callbacks.knock_out: not in the configuration that these" in again.err


def test_sweep_of_embedding_bands_has_every_band_and_control():
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("train", ["sweep=embedding_bands"], return_hydra_config=True)
    wanted = {path.stem for path in (CONF_DIR / "embedding").glob("*.yaml")} - {"random", "trainable"}
    assert set(cfg.hydra.sweeper.params.embedding.split(",")) == wanted
