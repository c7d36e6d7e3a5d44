"""What makes a run that was killed and goes on end as if nothing had happened, to the bit on a CPU.

Lightning's checkpoint holds weights, optimizer, schedule and progress. What else a run carries from epoch to epoch is
put beside them as ``checkpoint["resume"]``; the checkpoint itself is written in one move.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.loop import _Loop
from pytorch_lightning.plugins.io import TorchCheckpointIO

from fourier_lightning.atomic import remove_parts, replacing
from fourier_lightning.callbacks.clock import Clock
from fourier_lightning.callbacks.measurement import Measurement


class Resume(pl.Callback):
    """Puts into checkpoints what a run carries along, and takes it up again.

    That is the state of torch's random numbers (dropout), the metrics so far, the line of metrics.jsonl that follows
    the checkpoint's saving, and when was last validated and measured.

    Args:
        loaded: the checkpoint that the fit goes on from; empty of one that begins, and of checkpoints of before.
        measured: the measurements by node name.
        clock: knows the latest validation.

    Attributes:
        metrics: final metrics as far as the checkpoint knows them.
    """

    def __init__(self, loaded: Mapping[str, Any], measured: Mapping[str, Measurement], clock: Clock) -> None:
        state = loaded.get("resume", {})
        self.measured, self.clock = measured, clock
        self.metrics: dict[str, float] = state.get("metrics", {})
        self._random: dict[str, Any] | None = state.get("random")
        clock.validated_at, clock.steps = state.get("validated_at"), loaded.get("global_step", 0)
        for name in measured.keys() & state.get("measured_epochs", {}).keys():
            measured[name].measured_epoch = state["measured_epochs"][name]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        checkpoint["resume"] = {
            "random": random_state(),
            "threads": torch.get_num_threads(),  # other numbers of threads round otherwise
            "metrics": self.metrics | metrics,
            "epoch_end": epoch_end(trainer, metrics),
            "validated_at": self.clock.validated_at,
            "measured_epochs": {name: one.measured_epoch for name, one in self.measured.items()},
        }

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last moment before random numbers are drawn."""
        if self._random is not None:
            set_random_state(self._random)


def epoch_end(trainer: pl.Trainer, metrics: Mapping[str, float]) -> dict[str, float] | None:
    """The line that Lightning logs as soon as the callbacks are done with an epoch; None in the middle of one."""
    progress = trainer.fit_loop.epoch_progress.current
    trained = {name: value for name, value in metrics.items() if name.startswith("train/")}
    if progress.processed == progress.completed or not trained:
        return None
    return {"step": trainer.global_step - 1, "epoch": trainer.current_epoch, **trained}


def random_state() -> dict[str, Any]:
    """Of torch's generators: the CPU's, and those of the CUDA devices."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """As ``random_state`` found it; of CUDA devices where there are as many."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


class FitLoop(_FitLoop):
    """Lightning's, in two cases mended where a fit goes on from the end of an epoch.

    It would leave out the end of a fit whose last epoch was saved before the run was killed. And with
    ``trainer.max_steps`` it would end the saved epoch again: a line of NaN in the metrics, and every later step counted
    one too high.
    """

    @classmethod
    def of(cls, trainer: pl.Trainer) -> "FitLoop":
        """With a trainer's own limits."""
        loop = cls(trainer, min_epochs=trainer.min_epochs, max_epochs=trainer.max_epochs)
        loop.epoch_loop = trainer.fit_loop.epoch_loop
        return loop

    @property
    def restarting(self) -> bool:
        return self._restarting

    @restarting.setter
    def restarting(self, restarting: bool) -> None:
        _FitLoop.restarting.fset(self, restarting)
        progress = self.epoch_progress.current
        if progress.ready == progress.processed and self.epoch_loop.batch_progress.is_last_batch:
            _Loop.restarting.fset(self, False)  # an epoch that ended is not gone through again

    @property
    def skip(self) -> bool:
        return super().skip and self.epoch_loop.global_step == 0

    def on_run_start(self) -> None:
        if self.done:  # so that ``current_epoch`` counts all of them
            self.epoch_progress.current.completed = self.epoch_progress.current.processed
        super().on_run_start()


class AtomicCheckpoints(TorchCheckpointIO):
    """Lightning's, but a checkpoint is whole at every moment, and no file can run code when it is read.

    Lightning writes below the system's temporary directory; from there to another file system it is copied, and a
    process that is killed meanwhile leaves half of it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        remove_parts(Path(path).parent)
        with replacing(path, durable=True) as part, part.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # the disk's; torch's own only hides it
                    raise error.__context__ from None
                raise

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().load_checkpoint(path, *args, **{**kwargs, "weights_only": True})
