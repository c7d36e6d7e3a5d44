"""Nothing but this package's parts and Lightning's is called, whoever names it; and no model's own code."""

import re
from pathlib import Path

import pytest

from fourier_lightning import targets
from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
REFUSED = "is neither this package's nor Lightning's, and would be run; add allow_targets=true if you trust it"


def call(path: Path, target: str = "os.system") -> str:
    """A node that would make a file."""
    return f"{{_target_: {target}, command: 'touch {path}'}}"


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("+callbacks.x", "os.system"),
        ("+callbacks.x", "subprocess.call"),
        ("+logger.x", "builtins.exec"),
        ("+trainer.profiler", "os.system"),
        ("backbone", "os.system"),
        ("+callbacks.x", "torch.load"),
        ("+callbacks.x", "lightning.Trainer"),
        ("+callbacks.x", "fourier_lightning_of_mine.Thing"),
        # what modules of ours and Lightning's have imported
        ("+callbacks.x", "pytorch_lightning.callbacks.model_checkpoint.shutil.rmtree"),
        ("+callbacks.x", "fourier_lightning.data.datamodule.inspect.getmodule"),
        ("+callbacks.x", "fourier_lightning.mirror.wandb.wandb_logger.__globals__"),
        # what of ours calls what it is told
        ("+callbacks.x", "fourier_lightning.defaults.make"),
        ("+callbacks.x", "fourier_lightning.cli.main"),
    ],
)
def test_other_targets_are_refused_uncalled(command_line, tmp_path, monkeypatch, key, target):
    monkeypatch.chdir(tmp_path)
    done = command_line(f"{key}={call(tmp_path / 'hacked', target)}")
    assert (done.code, done.err) == (2, f"error: {key.lstrip('+')}._target_={target}: {REFUSED}\n")
    assert not list(tmp_path.iterdir())


def test_wherever_it_hides(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAME", "os.system")
    node, inner = call(tmp_path / "hacked"), "callbacks.x.inner._target_=os.system"
    stop = "_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/loss"
    for override, where in (
        (f"+trainer.plugins=[{node}]", "trainer.plugins.0._target_=os.system"),
        (f"+trainer.plugins=[[1, {node}]]", "trainer.plugins.0.1._target_=os.system"),
        (f"+callbacks.x={{{stop}, inner: {node}}}", inner),
        (f"+callbacks.x={{{stop}, inner: {{_partial_: true, _target_: os.system}}}}", inner),
        ("+callbacks.x={_target_: '${oc.env:NAME}'}", "callbacks.x._target_=os.system"),
        ("+callbacks.x={_target_: [os.system]}", "callbacks.x._target_=['os.system']"),
        (f"+callbacks.x={node} +callbacks.y={node}", "callbacks.x._target_=os.system"),
    ):
        done = command_line(*override.replace(" +callbacks.y", "\n+callbacks.y").split("\n"))
        assert done.code == 2 and done.err.startswith(f"error: {where}: {REFUSED}\n"), done.err
    assert not list(tmp_path.iterdir())


def conf(tmp_path: Path, name: str, text: str) -> str:
    """A directory of one's own with one file."""
    path = tmp_path / "conf" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return str(tmp_path / "conf")


def test_a_file_has_no_more_rights_than_the_command_line(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = f"# @package _global_\nallow_targets: true\ncallbacks:\n  x: {call(tmp_path / 'hacked')}\n"
    where = conf(tmp_path, "experiment/evil.yaml", evil)
    done = command_line("--config-dir", where, "experiment=evil")
    assert done.code == 2
    assert done.err == (
        "error: allow_targets=true: set by a configuration file; set it on the command line if you trust the file\n"
    )
    done = command_line("--config-dir", where, "experiment=evil", "allow_targets=false")
    assert done.code == 2 and done.err == f"error: callbacks.x._target_=os.system: {REFUSED}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf"]


def test_a_sweep_can_not_give_itself_the_right(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = "hydra:\n  sweeper:\n    params:\n      allow_targets: 'true'\n"
    where = conf(tmp_path, "sweep/evil.yaml", f"# @package _global_\n{params}")
    done = command_line("-m", "--config-dir", where, "sweep=evil")
    assert done.code == 2 and done.err.startswith("error: allow_targets=true: set by a configuration file; set it on")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf"]


HYDRA = {
    "callbacks": "hydra.callbacks.x._target_=os.system",
    "launcher": "hydra.launcher._target_=os.system",
    "sweeper": "hydra.sweeper._target_=os.system",
}


@pytest.mark.parametrize("node", HYDRA)
@pytest.mark.parametrize("by", ["command line", "file"])
def test_hydra_calls_only_its_own(command_line, tmp_path, monkeypatch, node, by):
    monkeypatch.chdir(tmp_path)
    evil = call(tmp_path / "hacked")
    if by == "command line":
        argv = [f"+hydra.callbacks.x={evil}" if node == "callbacks" else f"hydra.{node}={evil}"]
    else:
        nested = f"x: {evil}" if node == "callbacks" else evil.strip("{}").replace(", ", "\n    ")
        text = f"# @package _global_\nhydra:\n  {node}:\n    {nested}\n"
        argv = ["--config-dir", conf(tmp_path, "experiment/evil.yaml", text), "experiment=evil"]
    for multirun in ([], ["-m", "seed=0,1"]):
        done = command_line(*multirun, *argv)
        assert done.code == 2 and done.err == f"error: {HYDRA[node]}: {REFUSED}\n", done.err
    assert {path.name for path in tmp_path.iterdir()} <= {"conf"}


def test_hydras_logging_makes_nothing_either(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for node in ("job_logging", "hydra_logging"):
        handler = f"{{'()': os.system, command: 'touch {tmp_path / 'hacked'}'}}"
        done = command_line(f"+hydra.{node}.handlers.x={handler}", *TINY, "logger=none", f"hydra.run.dir={tmp_path}/r")
        assert done.code != 0 and not (tmp_path / "hacked").exists()


def test_a_checkpoint_names_nothing_either(command_line, tmp_path):
    """Its settings become an evaluation's."""
    import torch

    from fourier_lightning.run import train

    train(load_config([*TINY, "logger=none", "instruments=none"], tmp_path / "run"))
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    for group in ("data", "model", "backbone"):
        config = checkpoint["hyper_parameters"]["run"]["config"]
        kept = config[group]
        config[group] = {**kept, "_target_": "os.system"}
        torch.save(checkpoint, path)
        done = command_line("fit=false", f"ckpt_path={path}", "logger=none", f"hydra.run.dir={tmp_path / 'new'}")
        assert done.code == 2 and done.err == f"error: {group}._target_=os.system: {REFUSED}\n"
        config[group] = kept
    assert not (tmp_path / "new").exists()


def test_with_the_flag_anything_goes(command_line, tmp_path):
    extra = "+callbacks.fails={_target_: tests.test_run.Fails, error: none}"
    where = ["logger=none", "instruments=none", f"hydra.run.dir={tmp_path}"]
    done = command_line(*TINY, *where, extra, "allow_targets=true")
    assert done.code == 0, done.err


def test_all_that_conf_names_is_allowed():
    named = {
        target
        for path in CONF_DIR.rglob("*.yaml")
        for target in re.findall(r"^\s*_target_: (\S+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 25
    tree = {str(index): {"_target_": target} for index, target in enumerate(sorted(named))}
    assert list(targets.foreign(tree, (*targets.ALLOWED, *targets.HYDRA))) == []


def test_no_code_of_a_models_own_and_no_pickle_is_opened_anywhere():
    """The source itself: every loader of Hugging Face refuses, and torch.load is given weights_only."""
    for path in [*(ROOT / "fourier_lightning").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        text = path.read_text()
        assert not re.search(r"trust_remote_code(?!=False)\s*=", text), path
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, (path, call)
        assert not re.search(r"allow_pickle|pickle\.loads?\(|[^.]\beval\(|\bexec\(", text), path


def test_a_configuration_in_a_notebook_is_held_to_the_same():
    from fourier_lightning.parts import prepare

    cfg = load_config([*TINY, "logger=none"])
    cfg.callbacks.x = {"_target_": "os.system", "command": "true"}
    with pytest.raises(ConfigError, match=r"os\.system: is neither"):
        prepare(cfg)
