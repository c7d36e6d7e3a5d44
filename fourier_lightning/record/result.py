"""What ``run.train`` returns: the objects of a run and where it lies, for notebooks, scripts and tests."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError, suggestion
from fourier_lightning.models.module import AdditionModule, TableModule
from fourier_lightning.record.runs import read_run
from fourier_lightning.record.writer import RunRecord

if TYPE_CHECKING:
    import pandas
    import pytorch_lightning as pl


@dataclass(frozen=True, repr=False, eq=False)
class TrainingResult:
    """A run that has finished.

    Attributes:
        run_dir: everything that it wrote.
        metrics: the final metrics by name, ``test/accuracy`` among them; those of run.json.
        cfg: its configuration, with what was chosen for it.
        data: its data module.
        module: its LightningModule with the final weights; of an encoder its table.
        trainer: Lightning's trainer.
        record: what wrote ``run_dir/record``; None on the further devices of a run on several.
    """

    run_dir: Path
    metrics: dict[str, float]
    cfg: DictConfig
    data: ArithmeticDataModule
    module: AdditionModule | TableModule
    trainer: "pl.Trainer"
    record: RunRecord | None

    def frame(self, name: str) -> "pandas.DataFrame":
        """A table of the record as a pandas DataFrame: its rows about the final weights.

        Args:
            name: a table of docs/record.md, as "filter_ablation", or "metrics": a row for each line of metrics.jsonl.

        Raises:
            ConfigError: no such table in this run's record, or no pandas.
        """
        try:
            import pandas
        except ImportError as error:
            raise ConfigError("pandas", "not installed", "pip install pandas") from error
        run = read_run(self.run_dir)
        if name not in self.tables:
            raise ConfigError(str(name), "no such table in this run's record", suggestion(str(name), self.tables))
        return pandas.DataFrame(run.lines if name == "metrics" else run.table(name))

    @property
    def tables(self) -> list[str]:
        """What ``frame`` takes."""
        return [*read_run(self.run_dir).names("tables"), "metrics"]

    def __repr__(self) -> str:
        scores = {split: self.metrics.get(f"{split}/accuracy") for split in ("train", "val", "test")}
        known = ", ".join(f"{split} {score:.4f}" for split, score in scores.items() if score is not None)
        lines = [f"accuracy: {known}"] if known else []
        lines += wrap(f"frame(...): {', '.join(self.tables)}", 100, subsequent_indent="  ")
        return "\n  ".join([f"TrainingResult({self.run_dir})", *lines])
