"""Nothing but this package's parts and Lightning's is called, whoever names it; and no model's own code."""

import re
from pathlib import Path

import pytest

from fourier_lightning import targets
from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError
from tests.conftest import TINY, train

ROOT = Path(__file__).resolve().parents[1]
REFUSED = "is neither this package's nor Lightning's, and would be run; add allow_targets=true if you trust it"


def call(path: Path, target: str = "os.system") -> str:
    """A node that would make a file."""
    return f"{{_target_: {target}, command: 'touch {path}'}}"


FOREIGN = [
    "os.system",
    "subprocess.call",
    "builtins.exec",
    "torch.load",
    "lightning.Trainer",
    "fourier_lightning_of_mine.Thing",
    ["os.system"],
    "${oc.env:NAME}",
    # what modules of ours and Lightning's have imported
    "pytorch_lightning.callbacks.model_checkpoint.shutil.rmtree",
    "fourier_lightning.data.node.inspect.getmodule",
    "fourier_lightning.mirror.wandb.wandb_logger.__globals__",
    # what of ours calls what it is told
    "fourier_lightning.defaults.make",
    "fourier_lightning.cli.main",
    "hydra.utils.instantiate",
]


@pytest.mark.parametrize("target", FOREIGN, ids=str)
@pytest.mark.parametrize("allowed", [targets.ALLOWED, targets.HYDRA])
def test_other_targets_are_refused_uncalled_wherever_they_hide(target, allowed):
    node = {"_target_": target, "_partial_": True}
    ours = {"_target_": allowed[0] + "x", "deep": [[1, node]]}
    for tree, where in (
        ({"callbacks": {"x": node}}, "callbacks.x"),
        ({"trainer": {"plugins": [node]}}, "trainer.plugins.0"),
        ({"trainer": {"plugins": ours}}, "trainer.plugins.deep.0.1"),
    ):
        (error,) = targets.foreign(tree, allowed)
        assert str(error) == f"{where}._target_={target}: {REFUSED}"
    assert len(list(targets.foreign({"a": node, "b": {"c": node}}, allowed))) == 2


def test_the_command_line_refuses_them_in_a_line_each(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAME", "os.system")
    node = call(tmp_path / "hacked")
    stop = f"{{_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/loss, inner: {node}}}"
    done = command_line(f"+trainer.plugins=[{node}]", f"+callbacks.x={stop}", "+logger.x={_target_: '${oc.env:NAME}'}")
    where = ["trainer.plugins.0", "callbacks.x.inner", "logger.x"]
    assert done.code == 2
    assert sorted(done.err.splitlines()) == sorted(f"error: {one}._target_=os.system: {REFUSED}" for one in where)
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


@pytest.mark.parametrize("node", ["callbacks.x", "launcher", "sweeper"])
def test_hydra_calls_only_its_own(command_line, tmp_path, monkeypatch, node):
    monkeypatch.chdir(tmp_path)
    refused = f"error: hydra.{node}._target_=os.system: {REFUSED}\n"
    done = command_line("-m", f"++hydra.{node}._target_=os.system", "seed=0,1")
    assert (done.code, done.err) == (2, refused)
    nested = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(["hydra", *node.split(".")]))
    text = f"# @package _global_\n{nested}      _target_: os.system\n"
    done = command_line("--config-dir", conf(tmp_path, "experiment/evil.yaml", text), "experiment=evil")
    assert (done.code, done.err) == (2, refused)
    assert {path.name for path in tmp_path.iterdir()} == {"conf"}


def test_hydras_logging_makes_nothing_either(command_line, tmp_path, monkeypatch):
    """Python's own configuration of logging calls what stands at "()": Hydra refuses what is no handler."""
    monkeypatch.chdir(tmp_path)
    handler = f"{{'()': os.system, command: 'touch {tmp_path / 'hacked'}'}}"
    done = command_line(f"+hydra.job_logging.handlers.x={handler}", *TINY, "logger=none", "instruments=none")
    assert done.code == 2 and "os.system" in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "hacked").exists()


def test_a_checkpoint_names_nothing_either(tiny, tmp_path):
    """Its settings become an evaluation's."""
    import torch

    from fourier_lightning.parts import prepare

    train(tiny("logger=none", "instruments=none", "trainer.max_epochs=1", run_dir=tmp_path / "run"))
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    config = checkpoint["hyper_parameters"]["run"]["config"]
    config["data"]["_target_"] = "os.system"
    torch.save(checkpoint, path)
    with pytest.raises(ConfigError) as error:
        prepare(load_config(["fit=false", f"ckpt_path={path}", "logger=none"], tmp_path / "new"))
    assert str(error.value) == f"data._target_=os.system: {REFUSED}"


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
