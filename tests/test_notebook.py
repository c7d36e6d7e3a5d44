"""A run in a notebook: its progress, the small result that it returns, tables as frames, and Ctrl-C."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra.core.global_hydra import GlobalHydra

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments import LogitLens, View
from fourier_lightning.record.runs import read_run
from fourier_lightning.run import train
from tests.conftest import TINY

QUICK = [*TINY, "trainer.max_epochs=1", "instruments=logit_lens", "logger=none"]


def handlers():
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return train(load_config(QUICK, tmp_path_factory.mktemp("run")), verbose=False)


def test_a_result_is_the_runs_objects_in_a_few_words(result):
    info = read_run(result.run_dir).info
    assert result.metrics == info["metrics"] == result.record.run["metrics"]
    assert result.cfg.paths.output_dir == str(result.run_dir) and result.trainer.lightning_module is result.module
    first, second, third = repr(result).splitlines()
    assert first == f"TrainingResult({result.run_dir})"
    scores = [f"{split} {result.metrics[f'{split}/accuracy']:.4f}" for split in ("train", "val", "test")]
    assert second == f"  accuracy: {', '.join(scores)}" and third == "  frame(...): lens_accuracy, metrics"


def test_an_instrument_looks_at_a_result(result):
    found = LogitLens()(View.of(result.module, result.data)).tables["lens_accuracy"]
    assert found[-1]["accuracy"] == result.frame("lens_accuracy")["accuracy"].iloc[-1]


def test_tables_and_metrics_are_frames(result, monkeypatch):
    rows = read_run(result.run_dir).table("lens_accuracy")
    assert result.frame("lens_accuracy").to_dict("records") == rows
    assert result.frame("metrics")["val/accuracy"].dropna().iloc[-1] == result.metrics["val/accuracy"]
    with pytest.raises(
        ConfigError, match="lens_acuracy: no such table in this run's record; did you mean lens_accuracy"
    ):
        result.frame("lens_acuracy")
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"^pandas: not installed; pip install pandas$"):
        result.frame("lens_accuracy")


def test_a_run_shows_its_progress_unless_it_is_to_be_quiet(tmp_path, capfd):
    settings = [word for word in QUICK if word != "~callbacks.progress_bar"]
    train(load_config(settings, tmp_path / "quiet"), verbose=False)
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
    train(load_config(settings, tmp_path / "run"))
    shown = capfd.readouterr().out
    wanted = ["trainable", "Epoch 1/1", "accuracy", f"Everything this run wrote: {tmp_path / 'run'}"]
    assert [word for word in wanted if word not in shown] == []


def test_a_run_leaves_the_process_as_it_was(tmp_path):
    before, threads, cfg = handlers(), torch.get_num_threads(), load_config(QUICK, tmp_path)
    settings = cfg.copy()
    train(cfg, verbose=False)
    assert cfg == settings and handlers() == before and torch.get_num_threads() == threads
    assert not GlobalHydra.instance().is_initialized()
    with pytest.raises(ConfigError, match="holds a run already"):
        train(cfg, verbose=False)
    with pytest.raises(TypeError, match=r"train takes a configuration, not list; give it load_config\(\[...\]\)"):
        train(QUICK)


@pytest.fixture
def terminal():
    """SIGINT as a terminal's or a kernel's process has it: one in the background is started without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupts(pl.Callback):
    """Ctrl-C in the second epoch."""

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1 and trainer.max_epochs == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_the_cell_alone_and_the_run_goes_on(terminal, tmp_path):
    before = handlers()
    callback = "+callbacks.interrupts={_target_: tests.test_notebook.Interrupts}"
    settings = [*QUICK, callback, "allow_targets=true", "ckpt_path=auto"]
    cfg = load_config([*settings, "trainer.max_epochs=2"], tmp_path)
    with pytest.raises(KeyboardInterrupt):  # Lightning's SystemExit would be the notebook's end
        train(cfg, verbose=False)
    assert handlers() == before and not sys.stdin.closed
    assert read_run(tmp_path).status == "interrupted"
    cfg.trainer.max_epochs = 3  # the same cell once more
    result = train(cfg, verbose=False)
    assert read_run(tmp_path).status == "finished" and result.trainer.current_epoch == 3
    assert result.cfg.ckpt_path == str(tmp_path / "checkpoints/last.ckpt") and cfg.ckpt_path == "auto"


def test_ctrl_c_ends_a_command_with_1(terminal, tmp_path, command_line):
    callback = "+callbacks.interrupts={_target_: tests.test_notebook.Interrupts}"
    options = [*QUICK, "trainer.max_epochs=2", callback, "allow_targets=true", f"hydra.run.dir={tmp_path}"]
    done = command_line(*options)
    assert done.code == 1 and "Traceback" not in done.err and "Interrupted. What there is" in done.out


def test_the_page_runs_as_it_is_printed(tmp_path, monkeypatch):
    page = (Path(__file__).resolve().parents[1] / "docs" / "notebook.md").read_text()
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    for block in blocks:
        exec(compile(block, "notebook.md", "exec"), names)
    assert len(blocks) == 3 and names["again"].metrics["test/accuracy"] == names["result"].metrics["test/accuracy"]
    for attribute in re.findall(r"^\| `(.*)` \|", page, re.M):
        assert all(hasattr(names["result"], name.partition("(")[0]) for name in attribute.split("`, `"))


def test_a_refusal_is_one_line_in_a_notebook():
    with pytest.raises(ConfigError) as error:
        train(load_config(["data.max_operand=-4"]))
    assert error.value._render_traceback_() == ["ConfigError: data.max_operand=-4: negative; use 1 or more"]
