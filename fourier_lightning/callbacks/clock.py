"""Where the time of a run goes."""

import time
from typing import Any

import pytorch_lightning as pl

import fourier_lightning


class Clock(pl.Callback):
    """Times the fit, and how long the user waited for its first step.

    Attributes:
        train_seconds: from the start of the fit to its end, validation included.
        first_step_seconds: from the start of the process to the end of the first training step.
        steps: optimizer steps done.
        validated_at: the step of the latest validation.
    """

    def __init__(self) -> None:
        self.train_seconds = 0.0
        self.first_step_seconds: float | None = None
        self.steps = 0
        self.validated_at: int | None = None
        self._began = 0.0

    def times(self) -> dict[str, Any]:
        """For the record: seconds, and the steps done."""
        return {
            "train_seconds": self.train_seconds,
            "analysis_seconds": 0.0,  # the share of instruments; there are none yet
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
        self.train_seconds = time.perf_counter() - self._began
