"""Models of known mechanism through the instruments into records, as a run's model goes."""

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fourier_lightning.calibration.models import MAX_OPERAND
from fourier_lightning.calibration.trained import Checked
from fourier_lightning.config import load_config
from fourier_lightning.data.batches import Batches
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.instruments.base import View, at_rest
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.parts import make, make_instruments
from fourier_lightning.record.models import new_card
from fourier_lightning.record.runs import Run, read_run
from fourier_lightning.record.writer import RunRecord

# A fine-tuned model, as far as its record says: each seed has a table of its own. The task is the paper's, short.
SETTINGS = ["model=pretrained", "data=format", "data.pairs=ordered"]
PROMPTS = 500  # that the instruments look at: as many as a run's validation split has
SPLIT = "train"  # which of them: its size can be chosen, and nothing is trained on it


def settings(max_operand: int = MAX_OPERAND) -> DictConfig:
    """The configuration of all models with these operands: instruments with a run's own settings."""
    share = PROMPTS / (max_operand + 1) ** 2
    return load_config([*SETTINGS, f"data.max_operand={max_operand}", f"data.train_fraction={share:.4f}"])


def data_of(cfg: DictConfig) -> ArithmeticDataModule:
    """The addition task of these operands."""
    return make(cfg.data, tokenizer=make(cfg.backbone).tokenizer(), seed=0)


def measure(
    net: Any, seed: int, cfg: DictConfig, data: ArithmeticDataModule, run_dir: Path, checked: Checked | None = None
) -> Run:
    """Look at a model with every instrument, and write the record of a finished run.

    Args:
        net: the model.
        seed: for the record.
        cfg, data: what ``settings`` and ``data_of`` gave.
        run_dir: where to write.
        checked: how far it has the mechanism that it was trained to; for ``run.info["checked"]``.
    """
    decoder = Decoder(net)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    config["seed"] = seed
    card = new_card(config)
    about = {"id": card["id"], "arm": card["arm"], "model": {**card, "step": 1}}
    record = RunRecord(run_dir, config, [], about={**about, "task": data.task.card(), "p": data.p})
    metrics = {}
    for split in ("train", "val", "test"):
        view = View.of(decoder, data, split)
        metrics |= {f"{split}/{name}": value for name, value in accuracy(view).items()}
    view = View.of(decoder, data, SPLIT)
    for instrument in make_instruments(cfg, data, decoder.width).values():
        found = instrument.look(view)
        for name, rows in found.tables.items():
            record.write_table(name, [{"step": 1, "epoch": 0, **row} for row in rows])
        for name, values in found.arrays.items():
            record.write_array(name, values)
        metrics |= found.scalars
    rows = {split: len(indices) for split, indices in data.split.items()}
    record.update(status="finished", metrics=metrics, rows=rows, checked=checked.row() if checked else None)
    return read_run(run_dir)


def accuracy(view: View) -> dict[str, float]:
    """The usual metrics of a split."""
    total, numbers = view.metrics(), view.numbers
    with at_rest(view.decoder.net):
        for batch in Batches(list(view.examples), 512):
            logits: Tensor = view.decoder.answer_logits(batch["prompt"])
            total.update(logits, batch["answer"], numbers, F.cross_entropy(logits, numbers[batch["answer"]]))
    return {name: float(value) for name, value in total.compute().items()}
