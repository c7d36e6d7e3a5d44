"""The one place where instruments meet Lightning, the progress bar, the record and the mirrors."""

import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from fourier_lightning.callbacks.progress import EpochProgressBar
from fourier_lightning.instruments.base import Findings, Instrument, Row, Split, View
from fourier_lightning.record.logger import RecordLogger
from fourier_lightning.record.writer import RunRecord


class Measurement(pl.Callback):
    """An instrument as a Lightning callback.

    It looks after the validations that the instrument's cadence chooses, at the final weights when a fit ends, and
    after the validation of a run without a fit; what it finds goes to the record, every logger and W&B. An instrument
    that asks for it looks before the first step, too: rows of its tables at step and epoch -1.

    Args:
        instrument: what looks.
        split: at whose examples.
        loaded_at: step and epoch of the checkpoint that is resumed or evaluated.

    Attributes:
        metrics: scalars found so far, the latest of each name.
        measured_epoch: the latest at which the cadence had it look, -1 before any.
        seconds: spent here so far; ``seconds_in_fit``: of these, between a fit's start and its end.
    """

    def __init__(self, instrument: Instrument, split: Split = "val", loaded_at: tuple[int, int] = (0, 0)) -> None:
        self.instrument, self.split, self.loaded_at = instrument, split, loaded_at
        self.metrics: dict[str, float] = {}
        self.seconds = 0.0
        self.seconds_in_fit = 0.0
        self._epoch: int | None = None
        self.measured_epoch = -1
        self._final_at: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the weights that training starts from; of a fit that goes on they are in the record already."""
        if not self.instrument.at_start or trainer.global_step or not (records := records_of(trainer)):
            return
        began = time.perf_counter()
        found = self.instrument.look(View.of(pl_module.decoder, trainer.datamodule, self.split, final=False))
        write_tables(records[0], found, step=-1, epoch=-1)
        self.seconds += time.perf_counter() - began
        self.seconds_in_fit = self.seconds

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch = trainer.current_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure if the cadence says so; the last weights wait for the end of the fit."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn != "fit":
            self._measure(trainer, pl_module, final=True)
            return
        since = trainer.current_epoch - self.measured_epoch
        if 0 < self.instrument.every_n_epochs <= since and not ends_here(trainer):
            self.measured_epoch = trainer.current_epoch
            self._measure(trainer, pl_module, final=False)
            self.seconds_in_fit = self.seconds

    # Not on_fit_end: by then Lightning has moved the model off the device.
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure the final weights."""
        self._measure(trainer, pl_module, final=True)

    def _measure(self, trainer: Any, module: Any, final: bool) -> None:
        records = records_of(trainer)
        if self._final_at == trainer.global_step or not records:  # seen already
            return
        if final and isinstance(trainer.progress_bar_callback, EpochProgressBar):
            trainer.progress_bar_callback.measuring(type(self.instrument).__name__)
        began = time.perf_counter()
        found = self.instrument.look(View.of(module.decoder, trainer.datamodule, self.split, final))
        self._write(records[0], trainer.loggers, found, final, *self._when(trainer))
        self.seconds += time.perf_counter() - began
        self._final_at = trainer.global_step if final else None

    def _when(self, trainer: Any) -> tuple[int, int]:
        """Step and epoch of the weights, as Lightning counts those of a fit's validation: under the last step."""
        step, epoch = self.loaded_at
        step = trainer.global_step - 1 if trainer.global_step else step
        return step, epoch if self._epoch is None else self._epoch

    def _write(
        self, record: RunRecord, loggers: Sequence[Any], found: Findings, final: bool, step: int, epoch: int
    ) -> None:
        """Tables and arrays to the record, scalars to every logger, and all of it to those that show it."""
        write_tables(record, found, step, epoch)
        written: dict[str, Sequence[Row] | Tensor] = {f"tables/{name}": rows for name, rows in found.tables.items()}
        for name, values in found.arrays.items():
            record.write_array(name, values)
            written[f"arrays/{name}"] = values
        self.metrics |= found.scalars
        for logger in loggers:
            if found.scalars:
                logger.log_metrics({**found.scalars, "epoch": epoch}, step=step)
            if hasattr(logger, "mirror"):  # mirror.pictures; the floor above is not imported from here
                logger.mirror(record, written, step, epoch, final)


def records_of(trainer: Any) -> list[RunRecord]:
    """The run's record, in a list; none of a fast_dev_run, which logs nothing."""
    return [logger.record for logger in trainer.loggers if isinstance(logger, RecordLogger)]


def write_tables(record: RunRecord, found: Findings, step: int, epoch: int) -> None:
    """Rows of all tables, with the step and epoch of the weights that they are about."""
    for name, rows in found.tables.items():
        record.write_table(name, [{"step": step, "epoch": epoch, **row} for row in rows])


def ends_here(trainer: pl.Trainer) -> bool:
    """Whether this validation is the last of the fit, as far as the trainer's limits say."""
    return trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
