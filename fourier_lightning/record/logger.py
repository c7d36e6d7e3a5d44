"""The record as a Lightning logger. Apart from ``record``, so that reading a record needs no Lightning."""

from argparse import Namespace
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from fourier_lightning.record.writer import RunRecord


class RecordLogger(Logger):
    """Lightning logger that writes ``self.log`` into the record."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__()
        self.record = record

    @property
    def name(self) -> str:
        return "record"

    @property
    def version(self) -> int:
        return 0

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.record.log_metrics(metrics, step)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration is in run.json already."""
