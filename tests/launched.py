"""What happens to the jobs of tests/test_launchers.py, in processes of their own."""

import os
import signal
from pathlib import Path

import pytorch_lightning as pl


class Stopped(pl.Callback):
    """Sends its process a signal as the second epoch begins, once.

    Args:
        by: "preemption" (what submitit sends), "kill" or "nobody".
        where: the run directory.
    """

    def __init__(self, by: str, where: str) -> None:
        self.signal = {"preemption": signal.SIGUSR2, "kill": signal.SIGKILL}.get(by)
        self.marker = Path(where) / "stopped"

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.signal is not None and trainer.current_epoch == 1 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), self.signal)
