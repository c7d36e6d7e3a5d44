"""The command line in process: exit codes, help, sweeps. What it refuses: ``test_bad_input``."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from fourier_lightning import cli
from fourier_lightning.config import CONF_DIR
from tests.conftest import TINY
from tests.records import read_table
from tests.wandb_files import wandb_run


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
        command_line(
            *TINY, "logger=none", "instruments=none", callback, "allow_targets=true", f"hydra.run.dir={tmp_path}"
        )
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
    crash = [
        "+callbacks.fails._target_=tests.test_run.Fails",
        "+callbacks.fails.error=crash,none",
        "allow_targets=true",
    ]
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
    wanted = ["instruments=none", "seed=0,1", f"hydra.sweep.dir={tmp_path / 's'}"]
    done = command_line(*TINY, "logger=none", "-m", *wanted)  # an option may stand between settings
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
    jobs = sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/record"))
    assert jobs == ["0", "1", "2", "3"]  # low and high x two cut-offs
    runs = [json.loads((tmp_path / "sweep" / job / "record" / "run.json").read_text()) for job in jobs]
    assert {(r["config"]["filter"]["keep"], r["config"]["filter"]["cutoff"]) for r in runs} == {
        (keep, cutoff) for keep in ("low", "high") for cutoff in (2, 8)
    }
    assert all(not r["config"]["fit"] and 0 <= r["metrics"]["filter/accuracy"] <= 1 for r in runs)
    assert all(not (tmp_path / "sweep" / job / "checkpoints").exists() for job in jobs)
    summary = (tmp_path / "sweep" / "summary.md").read_text()
    assert "| exact | modulo 10 | within 10 | random directions of equal energy: exact |" in summary
    assert {r["name"] for r in runs} == {f"{band}-pass k{sign}{k} in MLPs"
                                         for band, sign in (("low", "<"), ("high", ">=")) for k in (2, 8)}  # fmt: skip
    end = done.out[done.out.index("Sweep of 4 jobs: ") :]
    assert "of equal energy, ± sd" in end and "low-pass in MLPs" in end and "high-pass in MLPs" in end
    for row in (read_table(tmp_path / "sweep" / job, "filter_grid")[1] for job in jobs):
        kept = f"k {'<' if row['keep'] == 'low' else '>='} {row['cutoff']} (T"
        (line,) = [line for line in end.splitlines() if kept in line]
        assert " / ".join(f"{100 * row[name]:.0f}" for name in ("accuracy", "mod_10", "within_10")) in line
    picture = tmp_path / "sweep" / "figures" / "cutoffs.png"
    assert f"Picture: {picture}" in end and picture.read_bytes().startswith(b"\x89PNG")
    picture.unlink()
    assert command_line.func("figures", tmp_path / "sweep", "--figure", "cutoffs").code == 0 and picture.is_file()
    again = command_line(*options, "instruments=filter_grid", "~callbacks.knock_out")
    assert again.code == 2 and "callbacks.knock_out: not in the configuration that these" in again.err


def test_what_can_work_in_no_job_is_refused_once_before_a_sweep_begins(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = ["fit=false", "ckpt_path=gone.ckpt,lost.ckpt,gone.ckpt", "seed=0,1"]
    for overrides, said in (
        (["sweep=cutoffs"], ["ckpt_path=RUN/checkpoints/last.ckpt: no such file"]),
        (checkpoint, ["ckpt_path=gone.ckpt: no such file", "ckpt_path=lost.ckpt: no such file"]),
        ([*TINY, "seed=0,1,2", "model.n_head=3"], ["model.width=16: not divisible by model.n_head=3"]),
    ):
        done = command_line("-m", *overrides)
        lines = done.err.splitlines()
        assert done.code == 2 and len(lines) == len(said) and not list(tmp_path.iterdir()), done.err
        assert all(line.startswith(f"error: {words}") for line, words in zip(lines, said, strict=True))


def test_a_sweep_begins_where_one_job_can_work_or_only_a_device_stands_against_it(command_line, tmp_path):
    options = [*TINY, "logger=none", "instruments=none", f"hydra.sweep.dir={tmp_path}", "trainer.max_epochs=1"]
    done = command_line("-m", *options, "seed=-1,0", "+trainer.limit_train_batches=1")
    assert done.code == 2 and "error: job 0: seed=-1" in done.err and "Sweep of 2 jobs" in done.out
    again = command_line("-m", *options[:-2], f"hydra.sweep.dir={tmp_path}/s", "trainer.accelerator=gpu", "seed=0,1")
    assert again.code == 2 and again.err.count("error: job ") == 2  # each says it: it may run on another machine


def test_sweep_of_embedding_bands_has_every_band_and_control():
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("train", ["sweep=embedding_bands"], return_hydra_config=True)
    wanted = {path.stem for path in (CONF_DIR / "embedding").glob("*.yaml")} - {"random", "trainable"}
    assert set(cfg.hydra.sweeper.params.embedding.split(",")) == wanted
