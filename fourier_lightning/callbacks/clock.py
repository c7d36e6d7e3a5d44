"""Where the time of a run goes."""

import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

import fourier_lightning
from fourier_lightning.callbacks.measurement import Measurement


class Clock(pl.Callback):
    """Times the fit, and how long the user waited for its first step.

    Args:
        measurements: callbacks whose time counts as analysis.

    Attributes:
        fit_seconds: from the start of the fit to its end, validation and instruments on the way included.
        first_step_seconds: from the start of the process to the end of the first training step.
        steps: optimizer steps done.
        validated_at: the step of the latest validation.
    """

    def __init__(self, measurements: Sequence[Measurement] = ()) -> None:
        self.measurements = measurements
        self.fit_seconds = 0.0
        self.first_step_seconds: float | None = None
        self.steps = 0
        self.validated_at: int | None = None
        self._began = 0.0

    @property
    def train_seconds(self) -> float:
        """The fit without the instruments."""
        return self.fit_seconds - sum(one.seconds_in_fit for one in self.measurements)

    def times(self) -> dict[str, Any]:
        """For the record: seconds, and the steps done."""
        return {
            "fit_seconds": self.fit_seconds,
            "train_seconds": self.train_seconds,
            "analysis_seconds": sum(one.seconds for one in self.measurements),
            "first_step_seconds": self.first_step_seconds,
            "total_seconds": time.perf_counter() - fourier_lightning.STARTED,
            "steps": self.steps,
        }

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.first_step_seconds is None:
            self.first_step_seconds = time.perf_counter() - fourier_lightning.STARTED
        self.steps = trainer.global_step

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.validated_at = None if trainer.sanity_checking else trainer.global_step

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.fit_seconds = time.perf_counter() - self._began
