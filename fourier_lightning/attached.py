"""What is attached to a run's trainer: its callbacks, and the loggers that mirror its record."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.loggers import CSVLogger

from fourier_lightning.callbacks.measurement import Measurement
from fourier_lightning.callbacks.progress import EpochProgressBar
from fourier_lightning.defaults import make
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.mirror.tensorboard import TensorBoard
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.writer import RunRecord


def make_callbacks(cfg: DictConfig, measurements: dict[str, Measurement], bar: bool) -> list[Any]:
    """All callbacks in the order of the configuration; no progress bar where none is wanted."""
    callbacks = [measurements.get(str(name)) or make(node) for name, node in cfg.callbacks.items()]
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:  # Lightning's choice is in the record
            callback.dirpath = f"{cfg.paths.output_dir}/checkpoints"
    return shown(callbacks, cfg, bar)


def shown(callbacks: list[Any], cfg: DictConfig, bar: bool) -> list[Any]:
    """Callbacks without progress bars, where none is wanted; the run's own gives way to another that was asked for."""
    bars = [callback for callback in callbacks if isinstance(callback, ProgressBar)]
    if bar and cfg.trainer.get("enable_progress_bar") is not False:
        bars = [callback for callback in bars if isinstance(callback, EpochProgressBar) and len(bars) > 1]
    return [callback for callback in callbacks if callback not in bars]


def begun(loggers: Iterable[Any], config: Mapping[str, Any], record: RunRecord) -> list[Any]:
    """Loggers that have the run's configuration, and where it goes on its earlier lines, if they begin a file anew."""
    loggers = list(loggers)
    for logger in loggers:
        if not isinstance(logger, MirrorLogger):  # W&B has it from its start
            logger.log_hyperparams(config)
        if isinstance(logger, CSVLogger):
            for line in read_jsonl(record.dir / "metrics.jsonl"):
                logger.log_metrics({name: value for name, value in line.items() if name != "step"}, line["step"])
    return loggers


def close_files(loggers: Sequence[Any], metrics: Mapping[str, float]) -> None:
    """End the files of loggers that keep one open for the whole run.

    Args:
        metrics: final ones; none of a run that failed.
    """
    for logger in loggers:
        if isinstance(logger, TensorBoard):
            with suppress(OSError):  # a full disk has its own line
                logger.close(metrics)
