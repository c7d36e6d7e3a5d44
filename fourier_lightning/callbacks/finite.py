"""Weights that are no numbers end a run: nothing that is measured of them would mean anything."""

from typing import Any

import pytorch_lightning as pl

from fourier_lightning.errors import ConfigError


class Finite(pl.Callback):
    """Refuses weights that are NaN or infinite, before they are measured, and before they replace a checkpoint.

    It looks once an epoch (reading every weight), so the checkpoints are those of the last epoch whose weights were
    finite. A loss that is NaN makes every weight NaN at its step.

    Raises:
        ConfigError: in a fit, the training diverged; else the weights were so when they were loaded.
    """

    def __init__(self) -> None:
        self._seen_at: int | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._look(trainer, pl_module)
        elif not finite(pl_module):
            problem = "it holds weights that are NaN or infinite"
            raise ConfigError("model", problem, "measure another checkpoint or backbone")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._seen_at != trainer.global_step and not finite(module):
            when = f"in epoch {trainer.current_epoch + 1}"
            remedy = "lower optimizer.lr or optimizer.muon_lr, or warm up for longer"
            raise ConfigError("optimizer", f"training diverged {when}: weights are not finite", remedy)
        self._seen_at = trainer.global_step


def finite(module: Any) -> bool:
    """Whether all of its weights are numbers."""
    return all(bool(weights.isfinite().all()) for weights in module.parameters())
