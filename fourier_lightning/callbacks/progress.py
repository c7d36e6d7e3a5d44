"""A progress bar for short epochs."""

import sys
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm, convert_inf


class EpochProgressBar(TQDMProgressBar):
    """One bar for the whole fit, with the epoch, the time left and the latest accuracies; then what is measured.

    Lightning's own starts again at every epoch, and these last a second.

    Args:
        refresh_rate: steps between two updates.
    """

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__(refresh_rate)
        self._status: Tqdm | None = None

    def measuring(self, what: str) -> None:
        """Say what is being measured, on a line that goes away."""
        if self.is_disabled:
            return
        if self._status is None:
            self._status = Tqdm(bar_format="{desc}", leave=False, dynamic_ncols=True, file=sys.stdout)
        self._status.set_description_str(f"Measuring: {what}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._status is not None:
            self._status.close()
            self._status = None

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        total = convert_inf(trainer.estimated_stepping_batches)
        bar = self.train_progress_bar
        if bar.total != total:
            bar.reset(total)
            bar.initial = trainer.global_step  # a resumed run: its speed and time left count from here
        of = f"/{trainer.max_epochs}" if trainer.max_epochs not in (None, -1) else ""
        bar.set_description(f"Epoch {trainer.current_epoch + 1}{of}")

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        bar = self.train_progress_bar
        if self._should_update(trainer.global_step, bar.total):
            bar.n = trainer.global_step
            bar.set_postfix(self.get_metrics(trainer, pl_module))

    def init_validation_tqdm(self) -> Tqdm:
        return Tqdm(disable=True)

    def init_test_tqdm(self) -> Tqdm:
        return Tqdm(disable=True)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, pl_module)
        names = {"val": "val/accuracy", "train": "train/accuracy"}  # what fits 80 columns beside the time left
        return {short: f"{float(shown[name]):.3f}" for short, name in names.items() if name in shown}
