"""Lightning's features: the table of docs/settings.md has each of them, and what is refused is refused by its name."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import pytorch_lightning.callbacks
import pytorch_lightning.loggers
import pytorch_lightning.plugins
import pytorch_lightning.profilers
import pytorch_lightning.strategies

from fourier_lightning import lightning_features as features
from tests.bad_input import SMALL, elsewhere, refusal, run_with, told, typed

__all__ = ["elsewhere"]  # a fixture
SETTINGS = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
MODULES = {
    "callback": (pl.callbacks, features.CALLBACKS),
    "logger": (pl.loggers, features.LOGGERS),
    "profiler": (pl.profilers, features.PROFILERS),
    "plugin": (pl.plugins, features.PLUGINS),
    "strategy": (pl.strategies, features.STRATEGIES),
}


# The table of docs/settings.md


def refused_rows() -> Iterator[str]:
    """Its rows of what is refused."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, why in features.ARGUMENTS.items():
        reasons.setdefault(("Trainer", why), []).append(name)
    for kind, (_, refused) in MODULES.items():
        for name, (why, remedy) in refused.items():
            reasons.setdefault((kind, f"{why}; {remedy}"), []).append(name)
    for (kind, why), names in reasons.items():
        yield f"| {kind} | {', '.join(f'`{name}`' for name in names)} | refused | {why} |"


def test_the_table_has_every_feature_of_lightnings_once_and_says_why_it_is_refused():
    text = SETTINGS.read_text()
    rows = re.findall(r"^\| (\w+) \| (`[^|]+`) \| (works|refused|set by the run) \|", text, re.MULTILINE)
    expected = {"Trainer": list(inspect.signature(pl.Trainer).parameters)}
    expected |= {kind: list(module.__all__) for kind, (module, _) in MODULES.items()}
    for kind, names in expected.items():
        listed = [name for of, cell, _ in rows if of == kind for name in re.findall(r"`(\w+)`", cell)]
        assert sorted(listed) == sorted(names), kind
    assert [line for line in text.splitlines() if "| refused |" in line] == list(refused_rows())


# What is refused


def test_every_class_in_the_table_of_refusals_is_refused_by_its_name(elsewhere, record_property):
    places = {"callback": "callbacks.x", "logger": "logger.x", "profiler": "trainer.profiler",
              "plugin": "trainer.plugins", "strategy": "trainer.strategy"}  # fmt: skip
    for kind, (module, refused) in MODULES.items():
        for name, (why, remedy) in refused.items():
            target, key = f"{module.__name__}.{name}", places[kind]
            node: Any = {"_target_": target}
            if kind == "plugin":
                node, key = [node], f"{key}.0"
            said = refusal(run_with(SMALL, {places[kind]: node}))
            assert said == f"{key}._target_={target}: not supported: {why}; {remedy}"
    told(record_property, len(features.CLASSES))


def test_every_argument_of_the_table_of_refusals_is_refused_by_its_name(elsewhere):
    values = {"model_registry": "x", "limit_predict_batches": 1, "reload_dataloaders_every_n_epochs": 1}
    arguments = inspect.signature(pl.Trainer).parameters
    for name, why in features.ARGUMENTS.items():
        value = values[name] if name in values else not arguments[name].default
        said = refusal(run_with(SMALL, {f"trainer.{name}": value}))
        assert said == f"trainer.{name}={value}: {why}; leave it out"
        assert refusal(run_with(SMALL, {f"trainer.{name}": arguments[name].default})) is None


REFUSED = {
    # numbers
    "trainer.max_epochs=0": "trainer.max_epochs=0: nothing would be trained; use fit=false",
    "trainer.limit_train_batches=0": "trainer.limit_train_batches=0: nothing would be trained; use fit=false",
    "trainer.min_epochs=70": "trainer.min_epochs=70: more than trainer.max_epochs=50; use trainer.max_epochs=70 or",
    "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches=0: too small; use 1 or more",
    "trainer.num_sanity_val_steps=-2": "trainer.num_sanity_val_steps=-2: too small; use -1 or more",
    "trainer.limit_val_batches=0.5": "trainer.limit_val_batches=0.5: less than one of the 1 batches of val; use a num",
    "trainer.limit_test_batches=0.5": "trainer.limit_test_batches=0.5: less than one of the 1 batches of test; use a",
    "trainer.limit_train_batches=0.4": "trainer.limit_train_batches=0.4: less than one of the 2 batches of train; use",
    "trainer.overfit_batches=0.4": "trainer.overfit_batches=0.4: less than one of the 2 batches of train; use a numbe",
    "trainer.val_check_interval=100": "trainer.val_check_interval=100: an epoch has 2 steps; use fewer, or count",
    "trainer.precision=16-mixed trainer.accelerator=cpu": "trainer.precision=16-mixed: a CPU has no autocast to flo",
    "trainer.precision=transformer-engine": "trainer.precision=transformer-engine: ",
    "trainer.max_time={hour:1}": "trainer: ",
    "trainer.max_time={hours:x}": "trainer.max_time={'hours': 'x'}: dict is not allowed here; use str or timedelta",
    "trainer.profiler=xla": "trainer.profiler=xla: it is for TPUs; use trainer.profiler=simple",
    # nodes of the wrong kind, or that can't be made
    "callbacks.x={_target_:pytorch_lightning.loggers.CSVLogger,save_dir:x}":
        "callbacks.x._target_=pytorch_lightning.loggers.CSVLogger: not a callback; remove it with ~callbacks.x",
    "logger.x={_target_:pytorch_lightning.callbacks.Timer}":
        "logger.x._target_=pytorch_lightning.callbacks.Timer: not a logger; use logger=wandb, csv or tensorboard",
    "logger.x={_target_:pytorch_lightning.loggers.CSVLogger}":
        "logger.x: CSVLogger.__init__() missing 1 required positional argument: 'save_dir'; correct it, or remove",
    "trainer.profiler={_target_:pytorch_lightning.loggers.CSVLogger,save_dir:x}":
        "trainer.profiler._target_=pytorch_lightning.loggers.CSVLogger: not a profiler; use simple or advanced",
    "trainer.strategy={_target_:pytorch_lightning.strategies.SingleDeviceStrategy,device:nowhere}": "trainer: Expected",
    # callbacks beside others
    "callbacks.x={_target_:pytorch_lightning.callbacks.ModelCheckpoint}":
        "callbacks.x: does the same as callbacks.last_checkpoint; remove one of them, as with ~callbacks.x",
    "callbacks.x={_target_:pytorch_lightning.callbacks.RichProgressBar} "
    "callbacks.y={_target_:pytorch_lightning.callbacks.TQDMProgressBar}":
        "callbacks.y: does the same as callbacks.x; remove one of them, as with ~callbacks.y",
    "trainer.max_time=00:08:00:00 callbacks.x={_target_:pytorch_lightning.callbacks.Timer}":
        "trainer.max_time=00:08:00:00: nothing reads it: callbacks.x says when the fit ends; leave it out",
    # metrics that are not there when a callback looks, and the worst for the best
    "trainer.limit_val_batches=0 callbacks.x={_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:val/loss}":
        "callbacks.x.monitor=val/loss: this run validates nothing; use a metric of train",
    "trainer.check_val_every_n_epoch=5 callbacks.x={_target_:pytorch_lightning.callbacks.EarlyStopping,"
    "monitor:val/loss,check_on_train_epoch_end:true}":
        "callbacks.x.check_on_train_epoch_end=True: it would look at the end of each epoch, and validation is not the",
    "trainer.val_check_interval=0.5 "
    "callbacks.x={_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:train/loss}":
        "callbacks.x.monitor=train/loss: validation within an epoch comes before the metrics of training; add call",
    "trainer.val_check_interval=0.5 "
    "callbacks.x={_target_:pytorch_lightning.callbacks.ModelCheckpoint,monitor:train/mae}":
        "callbacks.x.monitor=train/mae: validation within an epoch comes before the metrics of training; add call",
    "trainer.val_check_interval=00:00:10:00 "
    "callbacks.x={_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:val/loss}":
        "callbacks.x: with a time as trainer.val_check_interval it has to be told when to look; add callbacks.x.check",
    "callbacks.x={_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:val/accuracy}":
        "callbacks.x.mode=min: the best val/accuracy is its maximum; use callbacks.x.mode=max",
    "callbacks.best_checkpoint.monitor=val/loss":
        "callbacks.best_checkpoint.mode=max: the best val/loss is its minimum; use callbacks.best_checkpoint.mode=min",
    # beside other settings of a run
    "seeds_in_parallel=2 trainer.fast_dev_run=true": "seeds_in_parallel=2: trainer.fast_dev_run tries one seed; leave",
    "seeds_in_parallel=2 callbacks.x={_target_:pytorch_lightning.callbacks.Timer}":
        "seeds_in_parallel=2: callbacks.x would not end the fit; use trainer.max_time",
}  # fmt: skip


@pytest.mark.parametrize("line", REFUSED)
def test_what_lightning_takes_and_stumbles_over_is_one_line(elsewhere, record_property, line):
    said = refusal(run_with(SMALL, typed(line)))
    assert said is not None and said.startswith(REFUSED[line]), said
    told(record_property, 1)


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_a_logger_whose_package_is_missing_is_refused_before_anything_is_written(elsewhere, monkeypatch, name):
    """What can't be had here is its absence."""
    if name == "tensorboard":
        for package in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
            monkeypatch.setattr(f"lightning_fabric.loggers.tensorboard.{package}", False)
    said = refusal(run_with(("logger=" + name, *(one for one in SMALL if one != "logger=none")), {}))
    assert (said is None) == (name == "csv")
    assert said is None or said.startswith("logger.tensorboard: Neither `tensorboard` nor `tensorboardX` is available.")


def test_a_callback_whose_package_is_missing_is_refused(elsewhere, monkeypatch):
    monkeypatch.setattr("fourier_lightning.limits.find_spec", lambda name: None)
    node = "callbacks.x={_target_:pytorch_lightning.callbacks.DeviceStatsMonitor"
    cpu = "trainer.accelerator=cpu"
    assert refusal(run_with(SMALL, typed(f"{cpu} {node},cpu_stats:false}}"))) is None
    assert refusal(run_with(SMALL, typed(f"{cpu} {node}}}"))) == "callbacks.x: it needs psutil; pip install psutil"
