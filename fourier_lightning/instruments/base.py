"""What all instruments share: when they run, on which data, and where their results go."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from fourier_lightning.callbacks.progress import EpochProgressBar
from fourier_lightning.data.batches import Batch, Batches, Examples
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, BasisKind, fourier_basis
from fourier_lightning.fourier.filters import FilterMaker, FilterSettings
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.record.logger import RecordLogger
from fourier_lightning.record.writer import RunRecord


@dataclass
class View:
    """A model at one moment, and the places to write what is seen of it.

    Attributes:
        module, data: of the run.
        record: of the run.
        loggers: of the run, the record's included.
        step, epoch: of the weights.
        final: whether these are the run's last weights, or the only ones.
        metrics: scalars logged so far by this instrument, the latest of each name.
        written: what went into the record in this measurement: rows by "tables/<name>", tensors by "arrays/<name>".
    """

    module: AdditionModule
    data: ArithmeticDataModule
    record: RunRecord
    loggers: Sequence[Any]
    step: int
    epoch: int
    final: bool
    metrics: dict[str, float]
    written: dict[str, Any] = field(default_factory=dict)

    @property
    def p(self) -> int:
        """Length of the number line."""
        return self.data.p

    def number_lines(self) -> dict[str, Tensor]:
        """Tables that hold the number line: "numbers", the input rows (p, d) of the answers' tokens.

        And, where they are other vectors, "operands", the input rows (q, d) of the prompts' tokens (" 15" beside
        "15"), and "unembedding", the output rows (p, d).
        """
        decoder, operands = self.module.decoder, self.data.vocabulary.operands.to(self.module.device)
        rows = decoder.input_rows()
        lines = {"numbers": rows[self.module.numbers], "operands": rows[operands]}
        if not decoder.tied:
            lines["unembedding"] = decoder.output_rows()[self.module.numbers]
        return {name: table for name, table in lines.items() if len(table) >= 3}

    def filters(self, settings: FilterSettings) -> FilterMaker:
        """Filters for this model's unembedding as it is now: with a trained table it changes."""
        unembedding = self.module.decoder.unembedding(self.module.numbers, settings.fold_ln)
        return FilterMaker(unembedding, self.basis(settings.basis), settings.seed)

    def basis(self, kind: BasisKind) -> Basis:
        """The waves over this run's number line."""
        return fourier_basis(self.p, kind)

    def log(self, metrics: dict[str, float]) -> None:
        """Scalars, to the record and every logger."""
        self.metrics |= metrics
        for logger in self.loggers:
            logger.log_metrics({**metrics, "epoch": self.epoch}, step=self.step)

    def table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows to a table of the record; each says of which step it is."""
        self.record.write_table(name, [{"step": self.step, "epoch": self.epoch, **row} for row in rows])
        self.written[f"tables/{name}"] = rows

    def array(self, name: str, values: Tensor) -> None:
        """Write an array of the record; a later one of the same name replaces it."""
        self.record.write_array(name, values)
        self.written[f"arrays/{name}"] = values


class Instrument(pl.Callback):
    """A measurement of the model at validation time.

    It runs after the validations that its cadence chooses, on the final weights when a fit ends, and after the
    validation of a run without a fit. It sees the validation split, changes nothing (weights, modes, random
    state) and computes in evaluation mode without autocast.

    Args:
        every_n_epochs: cadence: after a validation, if the last measurement was this many epochs ago; 0 for the final
            weights alone.
        limit_batches: use this many batches' worth of validation examples, spread over the prompt lengths; null for
            all of them.
        batch_size: prompts at a time: with the model, this bounds the memory.
    """

    def __init__(self, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 512) -> None:
        for key, value, least in (
            ("every_n_epochs", every_n_epochs, 0),
            ("limit_batches", 1 if limit_batches is None else limit_batches, 1),
            ("batch_size", batch_size, 1),
        ):
            if value < least:
                raise ConfigError(f"{key}={value}", "too small", f"use {least} or more")
        self.every_n_epochs, self.limit_batches, self.batch_size = every_n_epochs, limit_batches, batch_size
        self.metrics: dict[str, float] = {}
        self.seconds = 0.0
        self.seconds_in_fit = 0.0
        self.loaded_at = (0, 0)  # step and epoch of the checkpoint that is resumed or evaluated
        self._epoch: int | None = None
        self._measured_epoch = -1
        self._final_at: int | None = None

    def check(self, data: ArithmeticDataModule, width: int) -> None:
        """Refuse settings that can't work with this data and width. Called before anything is written.

        Raises:
            ConfigError: naming the setting.
        """

    def measure(self, view: View) -> None:
        """Look at the model and write what is seen."""
        raise NotImplementedError(type(self).__name__)

    def batches(self, view: View) -> Iterator[Batch]:
        """The validation examples that this instrument looks at."""
        groups = [group.to(view.module.device) for group in view.data.on_device("val")]
        if self.limit_batches is not None:
            groups = spread(groups, self.limit_batches * self.batch_size)
        yield from Batches(groups, self.batch_size)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch = trainer.current_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure if the cadence says so; the last weights wait for the end of the fit."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn != "fit":
            self._measure(trainer, pl_module, final=True)
            return
        since = trainer.current_epoch - self._measured_epoch
        if 0 < self.every_n_epochs <= since and not ends_here(trainer):
            self._measured_epoch = trainer.current_epoch
            self._measure(trainer, pl_module, final=False)
            self.seconds_in_fit = self.seconds

    # Not on_fit_end: by then Lightning has moved the model off the device.
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure the final weights."""
        self._measure(trainer, pl_module, final=True)

    def _measure(self, trainer: Any, module: Any, final: bool) -> None:
        records = [logger.record for logger in trainer.loggers if isinstance(logger, RecordLogger)]
        if self._final_at == trainer.global_step or not records:  # seen already; or fast_dev_run, which logs nothing
            return
        step, epoch = self.loaded_at
        if trainer.global_step:  # Lightning counts a fit's validation under the last step before it
            step = trainer.global_step - 1
        epoch = epoch if self._epoch is None else self._epoch
        view = View(module, trainer.datamodule, records[0], trainer.loggers, step, epoch, final, self.metrics)
        if not all(bool(weights.isfinite().all()) for weights in module.parameters()):
            remedy = "lower optimizer.lr or optimizer.muon_lr, or warm up for longer"
            raise ConfigError("optimizer", "training diverged: weights are not finite", remedy)
        if final and isinstance(trainer.progress_bar_callback, EpochProgressBar):
            trainer.progress_bar_callback.measuring(type(self).__name__)
        began, training, home = time.perf_counter(), module.training, module.device
        module.eval()
        if home.type == "mps":  # has no float64
            module.to("cpu")
        with torch.inference_mode(), torch.autocast(module.device.type, enabled=False):
            self.measure(view)
        module.to(home).train(training)
        for logger in trainer.loggers:
            if isinstance(logger, MirrorLogger):
                logger.mirror(view.record, view.written, step, epoch, final)
        self.seconds += time.perf_counter() - began
        self._final_at = trainer.global_step if final else None


def ends_here(trainer: pl.Trainer) -> bool:
    """Whether this validation is the last of the fit, as far as the trainer's limits say."""
    return trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps


def spread(groups: list[Examples], n: int) -> list[Examples]:
    """About n examples in all, from each prompt length its share, spread over its templates."""
    share = min(1.0, n / sum(map(len, groups)))
    return [group.sample(max(1, round(share * len(group)))) for group in groups]
