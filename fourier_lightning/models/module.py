"""The LightningModule of all three arms."""

from collections.abc import Callable
from typing import Any, Literal

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourier_lightning.data.batches import Batch
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.models.arms import blank_network, freeze
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.sharding import share_weights
from fourier_lightning.models.sizes import config_from
from fourier_lightning.models.tables import Tables
from fourier_lightning.optim import OptimizerSettings, build_optimizer, build_schedule

MOST_SHAPES = 256  # programs of a compiled step: a full and a last batch for each length of prompts


class AdditionModule(pl.LightningModule):
    """A language model that answers a task's prompt with one number token.

    The constructor takes plain values only, so ``load_from_checkpoint(path)`` needs nothing else: no backbone, no
    configuration. Starting weights are written afterwards by ``arms.initialise``.

    Args:
        network: a configuration of transformers as a dictionary, ``model_type`` included.
        token_ids: backbone token id of each row of the model's vocabulary.
        numbers: vocabulary rows of the numbers 0..p-1.
        optimizer: the fields of ``OptimizerSettings``.
        freeze_table: keep the input table fixed.
        run: identity card of the run that trains it, see ``record.models.new_card``: checkpoints carry it.
        cyclic: whether the number line is a circle, for the metrics.
        loss: ``answer`` or ``sequence``, see ``ModelSettings``.
        dtype: of its blocks, see ``arms.blank_network``; in half precision it can be measured, not trained.
    """

    numbers: Tensor
    token_ids: Tensor

    def __init__(
        self,
        network: dict[str, Any],
        token_ids: list[int],
        numbers: list[int],
        optimizer: dict[str, Any],
        freeze_table: bool,
        loss: Literal["answer", "sequence"] = "answer",
        run: dict[str, Any] | None = None,
        cyclic: bool = False,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = blank_network(config_from(network), getattr(torch, dtype))
        self.decoder = Decoder(self.net)
        freeze(self.net, freeze_table)
        self.loss_scope = loss
        self.optimizer_settings = OptimizerSettings(**optimizer)
        self.register_buffer("token_ids", torch.tensor(token_ids), persistent=False)
        self.register_buffer("numbers", torch.tensor(numbers), persistent=False)
        self.cycle = len(numbers) if cyclic else None
        self._trained: Callable[[Batch], tuple[Tensor, Tensor]] = self.loss_and_logits
        self.metrics = nn.ModuleDict(
            {f"{split}_metrics": NumberMetrics(self.cycle) for split in ("train", "val", "test")}
        )

    def forward(self, prompt: Tensor) -> Tensor:
        """Answer logits (B, V) of prompts (B, L)."""
        return self.decoder.answer_logits(prompt)

    def loss_and_logits(self, batch: Batch, share: bool = False) -> tuple[Tensor, Tensor]:
        """Mean loss of a batch and its answer logits (B, V); ``share``: see ``Decoder.answer_logits``."""
        prompt, target = batch["prompt"], self.numbers[batch["answer"]]
        if self.loss_scope == "answer":
            if share:
                logits = self.decoder.answer_logits(prompt, share=True)
            else:
                logits = self.decoder.trained_logits(prompt, batch.get("heads"), batch.get("which"))
            return F.cross_entropy(logits, target), logits
        logits = self.net(prompt).logits  # (B, L, V): each position predicts the next token
        targets = torch.cat([prompt[:, 1:], target[:, None]], dim=1)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), logits[:, -1]

    def compile_training(self, mode: str) -> None:
        """Let torch.compile make the training step's passes, forward and back, one program for each shape of a batch.

        Args:
            mode: torch.compile's; ``reduce-overhead`` replays them as CUDA graphs.
        """
        step = torch.compile(
            self.loss_and_logits, mode=mode, dynamic=False, recompile_limit=MOST_SHAPES, isolate_recompiles=True
        )

        def trained(batch: Batch) -> tuple[Tensor, Tensor]:
            torch.compiler.cudagraph_mark_step_begin()  # what the step before gave back may be written over
            return step(batch)

        self._trained = trained

    def configure_model(self) -> None:
        """Share the weights out over the devices of ``trainer=fsdp``; in other runs there is nothing to do."""
        if self.device_mesh is not None:
            share_weights(self, self.decoder.blocks, self.device_mesh)

    def on_train_start(self) -> None:
        if self.global_rank:  # every rank has rows of its own, and dropout of its own
            torch.manual_seed(torch.initial_seed() + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, logits = self._trained(batch)
        self._score("train", batch, logits.detach(), loss)
        return loss * batch["weight"] if "weight" in batch else loss  # gradients are averaged over ranks

    def on_train_epoch_end(self) -> None:
        self._log_metrics("train", prog_bar=True)
        self.log("train/lr", self.lr_schedulers().get_last_lr()[-1])  # type: ignore[union-attr]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate("val", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val", prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate("test", batch)

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The number that the model answers to each prompt: the likeliest of the number tokens (B,)."""
        with torch.autocast(self.device.type, enabled=False):
            logits = self.decoder.answer_logits(batch["prompt"], share=True)
        return logits[:, self.numbers].argmax(dim=1)

    def _evaluate(self, split: str, batch: Batch) -> None:
        with torch.autocast(self.device.type, enabled=False):  # in bf16 the two likeliest numbers can tie
            loss, logits = self.loss_and_logits(batch, share=True)
        self._score(split, batch, logits, loss)

    def _score(self, split: str, batch: Batch, logits: Tensor, loss: Tensor) -> None:
        if batch.get("weight", 1):  # else its row is another rank's
            self.metrics[f"{split}_metrics"].update(logits, batch["answer"], self.numbers, loss)

    def _log_metrics(self, split: str, prog_bar: bool = False) -> None:
        metrics = self.metrics[f"{split}_metrics"]
        for name, value in metrics.compute().items():
            # the bar has room for what one watches; everything goes to the record
            self.log(f"{split}/{name}", value, prog_bar=prog_bar and name in ("loss", "accuracy"))
        metrics.reset()

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.net, self.decoder.blocks, self.optimizer_settings)
        total_steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.optimizer_settings, total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class TableModule(pl.LightningModule):
    """An encoder's input rows for Lightning: there is nothing to train, to ask or to score.

    Args:
        rows: (V, d) of the task's vocabulary.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.net = nn.Embedding.from_pretrained(rows)
        self.decoder = Tables(self.net)

    def validation_step(self, batch: Batch, batch_idx: int) -> None: ...

    def test_step(self, batch: Batch, batch_idx: int) -> None: ...


def decoder_of(model: Any) -> Tables:
    """The Decoder (of an encoder: the Tables) of a LightningModule, of a causal LM, or of itself.

    Raises:
        ConfigError: a model of an architecture that is not known.
        TypeError: no model, or one without an unembedding.
    """
    for found in (model, getattr(model, "decoder", None)):
        if isinstance(found, Tables):
            return found
    if hasattr(getattr(model, "config", None), "model_type"):
        decoder = Decoder(model)
        if decoder.head is not None:
            return decoder
    kinds = "a LightningModule of this package, a Decoder, or a causal LM of transformers (AutoModelForCausalLM)"
    raise TypeError(f"View.of(model, data): {type(model).__name__} is no model that can be looked at; give {kinds}")
