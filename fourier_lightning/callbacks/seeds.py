"""Several seeds in one fit (``models.stacked``): each with callbacks and loggers of its own, as if it were alone."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor

HOOKS = [
    name
    for name in vars(pl.Callback)
    if (name.startswith("on_") or name in ("setup", "teardown")) and not name.endswith("_checkpoint")
]


@dataclass(frozen=True)
class OneOf:
    """A seed of a fit.

    Attributes:
        seed: its number; its place among the models is ``index``.
        model: its LightningModule.
        callbacks, loggers: its own.
    """

    seed: int
    index: int
    model: pl.LightningModule
    callbacks: list[pl.Callback]
    loggers: list[Any]

    def mine(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Of the fit's metrics this seed's, under the names that they have in a run of its own."""
        start = f"seed{self.seed}/"
        return {name.removeprefix(start): value for name, value in metrics.items() if name.startswith(start)}


class OwnTrainer:
    """The trainer as a seed's callbacks see it: loggers, metrics and checkpoints are this seed's."""

    progress_bar_callback = None

    def __init__(self, trainer: pl.Trainer, one: OneOf) -> None:
        self._trainer, self._one = trainer, one
        self.loggers = one.loggers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    @property
    def callback_metrics(self) -> dict[str, Tensor]:
        return self._one.mine(self._trainer.callback_metrics)

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.lightning_module.saving = self._one.index
        self._trainer.save_checkpoint(*args, **kwargs)


class Seeds(pl.Callback):
    """Calls each seed's callbacks, those that write checkpoints last, as Lightning does."""

    def __init__(self, ones: Sequence[OneOf]) -> None:
        self.ones = ones
        self.calls: dict[str, list[tuple[OneOf, pl.Callback]]] = {name: [] for name in HOOKS}
        for one in ones:
            for callback in sorted(one.callbacks, key=lambda callback: isinstance(callback, Checkpoint)):
                for name in HOOKS:
                    if getattr(type(callback), name) is not getattr(pl.Callback, name):
                        self.calls[name].append((one, callback))

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        mine = self.ones[pl_module.saving].callbacks
        checkpoint["callbacks"] = {one.state_key: state for one in mine if (state := one.state_dict())}


def _hook(name: str) -> Callable[..., None]:
    def call(self: Seeds, trainer: pl.Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        for one, callback in self.calls[name]:
            getattr(callback, name)(OwnTrainer(trainer, one), one.model, *args, **kwargs)

    return call


for _name in HOOKS:
    setattr(Seeds, _name, _hook(_name))


class SeedsLogger(Logger):
    """Hands each seed's loggers what is logged of it."""

    def __init__(self, ones: Sequence[OneOf]) -> None:
        super().__init__()
        self.ones = ones

    @property
    def name(self) -> str:
        return "seeds"

    @property
    def version(self) -> int:
        return 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        epoch = {"epoch": metrics["epoch"]} if "epoch" in metrics else {}
        for one in self.ones:
            for logger in one.loggers if one.mine(metrics) else ():
                logger.log_metrics({**one.mine(metrics), **epoch}, step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration is in each run's record."""

    def finalize(self, status: str) -> None:
        for one in self.ones:
            for logger in one.loggers:
                logger.finalize(status)
