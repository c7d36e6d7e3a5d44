"""Lightning's features that work, each with its effect: callbacks, loggers, profilers and arguments of Trainer."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import find_runs
from fourier_lightning.seeds import train_seeds
from tests.conftest import TINY, train
from tests.test_run import run_json

QUICK = ["logger=none", "instruments=none"]


def lightning(name: str, **settings: object) -> str:
    """A callback of Lightning's for the command line, as ``callbacks.x``."""
    words = "".join(f", {key}: {value}" for key, value in settings.items())
    return f"+callbacks.x={{_target_: pytorch_lightning.callbacks.{name}{words}}}"


class Seen(pl.Callback):
    """What a fit was given, and how."""

    def __init__(self) -> None:
        self.prompts: list[torch.Tensor] = []
        self.anomaly = self.deterministic = self.benchmark = self.inference = False
        self.dtype: torch.dtype | None = None
        self.sanity = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.prompts.append(batch["prompt"].clone())
        self.anomaly, self.deterministic = torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled()
        self.benchmark, self.dtype = torch.backends.cudnn.benchmark, next(pl_module.parameters()).dtype

    def on_validation_batch_start(self, trainer, *args):
        self.sanity += trainer.sanity_checking

    def on_test_batch_start(self, *args):
        self.inference = torch.is_inference_mode_enabled()


SEEN = ["+callbacks.seen={_target_: tests.test_lightning_works.Seen}", "allow_targets=true"]


def fit(tiny: Any, *options: str) -> tuple[dict[str, Any], Seen]:
    """A tiny run: what it returns, and what was seen of it."""
    result = train(tiny(*QUICK, *SEEN, *options))
    return result, next(one for one in result.trainer.callbacks if isinstance(one, Seen))


def lines(run_dir: Path, name: str) -> list[dict[str, Any]]:
    """Those of the record that have a metric."""
    return [line for line in read_jsonl(run_dir / "record" / "metrics.jsonl") if name in line]


@pytest.fixture
def flags():
    """PyTorch's own, which Lightning leaves as it has set them."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(before[0])
    torch.backends.cudnn.benchmark = before[1]


def test_pytorchs_own_switches_are_on_during_a_fit(tiny, flags):
    on = ["detect_anomaly=true", "deterministic=true", "inference_mode=false", "benchmark=true"]
    _, usual = fit(tiny, "trainer.max_epochs=1")
    _, seen = fit(tiny, "trainer.max_epochs=1", *(f"+trainer.{one}" for one in on))
    assert (usual.anomaly, usual.deterministic, usual.inference, usual.benchmark) == (False, False, True, False)
    assert (seen.anomaly, seen.deterministic, seen.inference, seen.benchmark) == (True, True, False, True)


def test_gradients_are_accumulated_and_clipped_by_value(tiny):
    result, _ = fit(tiny, "+trainer.accumulate_grad_batches=2", "optimizer=adamw", "optimizer.warmup_steps=0",
                    "trainer.gradient_clip_val=0.001", "+trainer.gradient_clip_algorithm=value")  # fmt: skip
    assert result.record.run["steps"] == 2 * 3  # of 6 batches
    moments = [state["exp_avg"] for state in result.trainer.optimizers[0].state.values()]
    assert 0 < max(moment.abs().max() for moment in moments) <= 0.001


def test_double_precision(tiny):
    assert fit(tiny, "trainer.precision=64-true", "trainer.max_epochs=1")[1].dtype == torch.float64


def test_validation_is_as_often_as_it_is_asked_for(tiny, tmp_path):
    fit(tiny, "+trainer.val_check_interval=0.5")
    assert [line["step"] for line in lines(tmp_path, "val/loss")] == [2, 5, 8, 11]


def test_sanity_validation_is_not_recorded(tiny, tmp_path):
    _, seen = fit(tiny, "trainer.num_sanity_val_steps=1", "trainer.check_val_every_n_epoch=2")
    assert seen.sanity == 1 and [line["step"] for line in lines(tmp_path, "val/loss")] == [11]


@pytest.mark.parametrize("time", ["+trainer.max_time={seconds:1}", lightning("Timer", duration="{seconds:1}")])
def test_a_time_ends_the_fit_and_says_so(command_line, tmp_path, caplog, time):
    done = command_line(*TINY, *QUICK, "trainer.max_epochs=100000", time, f"hydra.run.dir={tmp_path}")
    assert done.code == 0 and "Time limit reached" in caplog.text
    run = run_json(tmp_path)
    assert run["status"] == "finished" and run["fit_seconds"] >= 1 and "test/loss" in run["metrics"]


def test_early_stopping_waits_for_the_least_number_of_epochs(tiny, tmp_path):
    stop = lightning("EarlyStopping", monitor="val/loss", min_delta=9, patience=1)
    for least, epochs in ((None, 2), (4, 4)):
        result, _ = fit(tiny, stop, "trainer.max_epochs=9", *([f"+trainer.min_epochs={least}"] if least else []))
        assert len(lines(result.run_dir, "val/loss")) == epochs


def test_a_checkpoint_callback_without_a_directory_writes_beside_the_others(tiny, tmp_path):
    fit(tiny, lightning("ModelCheckpoint", monitor="val/loss", filename="low"))
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "low.ckpt"}
    assert {path.name for path in (tmp_path / "record").glob("*.ckpt")} == set()


def test_rates_are_recorded_every_so_many_steps(tiny, tmp_path):
    fit(tiny, lightning("LearningRateMonitor"), "trainer.log_every_n_steps=3")
    assert [line["step"] for line in lines(tmp_path, "lr-AdamW")] == [2, 5, 8, 11]


def test_what_the_device_is_doing_is_recorded(tiny, tmp_path):
    fit(tiny, lightning("DeviceStatsMonitor"), "trainer.log_every_n_steps=6")
    assert len(lines(tmp_path, "DeviceStatsMonitor.on_train_batch_end/cpu_percent")) == 2


REPORTS = {
    "+trainer.profiler=simple": ["FIT Profiler Report", "TEST Profiler Report", "run_training_batch"],
    "+trainer.profiler=advanced": ["FIT Profiler Report", "cumtime"],
    "+trainer.profiler=pytorch": ["FIT Profiler Report", "Self CPU"],
    lightning("ModelSummary", max_depth=2): ["net.transformer", "Trainable params"],
    "trainer.enable_model_summary=true": ["net", "Trainable params"],
    lightning("EarlyStopping", monitor="val/loss", verbose="true"): ["Metric val/loss improved"],
}


@pytest.mark.parametrize("option", REPORTS)
def test_reports_are_printed(command_line, tmp_path, caplog, option):
    """Lightning's own log goes to the standard error of when it was imported, which is not the test's."""
    done = command_line(*TINY, *QUICK, option, f"hydra.run.dir={tmp_path}")
    said = done.out + caplog.text
    assert done.code == 0 and all(words in said for words in REPORTS[option])
    assert "GPU available" not in said and "`Trainer.fit` stopped" not in said  # which nobody asked for


@pytest.mark.parametrize("bar", ["RichProgressBar", "TQDMProgressBar"])
def test_another_progress_bar_takes_the_place_of_the_runs_own(command_line, tmp_path, bar):
    own = [one for one in TINY if one != "~callbacks.progress_bar"]
    done = command_line(*own, *QUICK, lightning(bar), f"hydra.run.dir={tmp_path}")
    assert done.code == 0 and "Testing" in done.out + done.err and "Epoch 1/2" not in done.out + done.err


def test_seeds_as_one_have_the_bar_that_was_asked_for_or_none(tiny, tmp_path, capsys):
    bars = ["+callbacks.progress_bar={_target_: fourier_lightning.callbacks.progress.EpochProgressBar}"]
    for option, words in ((lightning("RichProgressBar"), "Testing"), ("trainer.enable_progress_bar=false", "")):
        train_seeds(tiny(*QUICK, *bars, "seeds_in_parallel=2", option), verbose=True)
        said = capsys.readouterr()
        assert words in said.out + said.err and "Epoch 1/2" not in said.out + said.err


def test_overfit_batches_are_the_same_in_every_epoch(tiny):
    _, usual = fit(tiny, "trainer.limit_train_batches=2")
    result, seen = fit(tiny, "+trainer.overfit_batches=2", "data.redraw_order=true", "data.eval_batch_size=8")
    assert not usual.prompts[0].equal(usual.prompts[2])
    assert [one.tolist() for one in seen.prompts[:2]] == [one.tolist() for one in seen.prompts[2:]]
    assert result.record.run["rows"] == {"train": 64, "val": 16, "test": 24}


def test_overfit_batches_of_several_seeds_too(tiny):
    result = train_seeds(
        tiny(
            *QUICK,
            "seeds_in_parallel=2",
            "optimizer=muon",
            "optimizer.warmup_steps=2",
            "+trainer.overfit_batches=1",
            "trainer.max_epochs=40",
        )
    )
    for one in result.ones:
        assert one.record.run["rows"]["train"] == 32 and one.record.run["metrics"]["train/accuracy"] > 0.5


def test_rows_are_those_that_the_metrics_are_over(tiny):
    """Of the first epoch's training batches one is that of the last 24 rows."""
    limits = ["trainer.limit_val_batches=2", "trainer.limit_test_batches=0.6", "trainer.limit_train_batches=3"]
    result, _ = fit(tiny, "data.eval_batch_size=5", *limits)
    assert result.record.run["rows"] == {"train": 88, "val": 10, "test": 15}
    accuracy = result.metrics["test/accuracy"] * 15
    assert accuracy == pytest.approx(round(accuracy), abs=1e-4)


def test_a_fast_dev_run_goes_through_all_of_it_and_leaves_nothing(command_line, tmp_path):
    logs = ["logger=[csv,tensorboard]", "instruments=none", lightning("LearningRateMonitor")]
    done = command_line(*TINY, *logs, "+trainer.fast_dev_run=true", f"hydra.run.dir={tmp_path}/run")
    assert done.code == 0 and "one batch of each split went through; nothing is recorded" in done.out
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".hydra", "train.log"}
    assert command_line(*TINY, *QUICK, f"hydra.run.dir={tmp_path}/run").code == 0  # the directory is still free
    assert [run.status for run in find_runs([tmp_path])] == ["finished"]


def test_a_sweep_can_be_tried_too(command_line, command, tmp_path):
    done = command_line("-m", *TINY, *QUICK, "+trainer.fast_dev_run=2", "seed=0,1", f"hydra.sweep.dir={tmp_path}")
    assert done.code == 0 and done.out.count("2 batches of each split went through") == 2
    assert "failed" not in done.out and not (tmp_path / "summary.json").exists()
    assert "no run in it or below" in command("claims", tmp_path).err


def test_a_fast_dev_run_starts_anew(tiny, tmp_path):
    checkpoint = fit(tiny)[0].run_dir / "checkpoints" / "last.ckpt"
    with pytest.raises(ConfigError, match=r"trainer\.fast_dev_run tries a fit from its start"):
        fit(tiny, "+trainer.fast_dev_run=true", f"ckpt_path={checkpoint}", "trainer.max_epochs=3")


def test_a_cluster_environment_may_be_named(tiny):
    node = "{_target_: pytorch_lightning.plugins.environments.LightningEnvironment}"
    assert fit(tiny, f"+trainer.plugins=[{node}]", "trainer.max_epochs=1")[0].record.run["status"] == "finished"


def test_predictions_are_numbers(tiny):
    result, _ = fit(tiny)
    predicted = torch.cat(result.trainer.predict(result.module, datamodule=result.data))
    answers = torch.cat([group.answer for group in result.data.examples("test")])
    assert predicted.shape == answers.shape == (24,)
    assert (predicted == answers).float().mean() == pytest.approx(result.metrics["test/accuracy"])
    anew = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    assert torch.cat(anew.predict(result.module, datamodule=result.data)).equal(predicted)


def test_tensorboard_has_one_file_the_configuration_and_the_final_metrics(tiny, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = train(tiny("logger=tensorboard", "instruments=none")).metrics
    (file,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    assert {"train/loss", "val/loss", "test/loss", "hp/test/accuracy"} <= set(events.Tags()["scalars"])
    assert events.Scalars("test/accuracy")[0].value == pytest.approx(metrics["test/accuracy"])
    start = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"data/max_operand" in start and b"optimizer/weight_decay" in start
    assert "max_operand: 20" in (tmp_path / "tensorboard" / "hparams.yaml").read_text()


def test_the_csv_of_a_run_that_goes_on_has_its_earlier_lines(tiny, tmp_path):
    options = ["logger=csv", "instruments=none", "optimizer.schedule=constant"]
    train(tiny(*options, "trainer.max_epochs=1"))
    train(tiny(*options, f"ckpt_path={tmp_path}/checkpoints/last.ckpt", run_dir=tmp_path))
    header, *rows = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()
    at = header.split(",").index("val/accuracy")
    validated = [line for line in lines(tmp_path, "val/accuracy") if "epoch" in line]
    assert [float(row.split(",")[at]) for row in rows if row.split(",")[at]] == [
        pytest.approx(line["val/accuracy"]) for line in validated
    ]
    assert len(validated) >= 2 and "max_operand: 20" in (tmp_path / "csv" / "hparams.yaml").read_text()
