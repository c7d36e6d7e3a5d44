"""Several models of one shape, trained as one: every weight is a stack, every step takes a batch of each."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fourier_lightning.data.batches import StackedBatch
from fourier_lightning.metrics import NumberMetrics, scores
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.optim import build_optimizer, build_schedule


class StackedModule(pl.LightningModule):
    """N models as one for Lightning, each with the gradients, the clipping and the steps that it would have alone.

    Metrics are logged as ``seed<i>/<split>/<name>``, and the mean accuracy over seeds for the bar.

    Args:
        models: of one shape and with the same parts frozen. From ``spread`` on their weights are slices of the stacks:
            what is trained here is theirs.
        seeds: their names.

    Attributes:
        saving: which of them a checkpoint is of that is written now: it is the one that its own run would write.
    """

    numbers: Tensor

    def __init__(self, models: Sequence[AdditionModule], seeds: Sequence[int]) -> None:
        super().__init__()
        self.models, self.seeds, self.saving = tuple(models), tuple(seeds), 0
        self.names = [name for name, _ in models[0].named_parameters()]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.stack([model.get_parameter(name).detach() for model in models]), one.requires_grad)
            for name, one in models[0].named_parameters()
        )
        self.register_buffer("numbers", models[0].numbers.clone(), persistent=False)
        self.tallies: dict[str, Tensor] = {}  # by split: sums (N, metrics) and, last, the number of examples (N, 1)

    def spread(self) -> None:
        """Make each model's weights slices of the stacks, wherever Lightning has moved these."""
        for i, model in enumerate(self.models):
            model.to(self.device)
            for name, stack in zip(self.names, self.weights, strict=True):
                model.get_parameter(name).data = stack.data[i]

    on_fit_start = on_validation_start = on_test_start = spread

    def forward(self, prompt: Int[Tensor, "N B L"]) -> Float[Tensor, "N B V"]:
        """Each model's answer logits of its own prompts."""

        def one(weights: dict[str, Tensor], prompt: Tensor) -> Tensor:
            return functional_call(self.models[0], weights, (prompt,))

        with sdpa_kernel(SDPBackend.MATH):  # the others take one model after the other
            return torch.vmap(one)(dict(zip(self.names, self.weights, strict=True)), prompt)

    def losses(self, batch: StackedBatch, split: str) -> Float[Tensor, " N"]:
        """Each model's mean loss over the rows that are its own; they are counted in the metrics of the split."""
        shape, counts = batch["answer"].shape, batch["counts"]  # (N, B)
        logits = self(batch["prompt"]).flatten(0, 1)  # (N B, V)
        each = F.cross_entropy(logits, self.numbers[batch["answer"]].flatten(), reduction="none")
        with torch.no_grad():
            cycle = self.models[0].cycle
            found = scores(logits, batch["answer"].flatten(), self.numbers, each, cycle).view(-1, *shape)
            sums = torch.cat([found, torch.ones_like(found[:1])]).mul(counts).sum(dim=2).T
            self.tallies[split] = self.tallies[split] + sums if split in self.tallies else sums
        return (each.view(shape) * counts).sum(dim=1) / counts.sum(dim=1)

    def training_step(self, batch: StackedBatch, batch_idx: int) -> Tensor:
        return self.losses(batch, "train").sum()  # each one's weights are in its own term alone

    def on_train_epoch_end(self) -> None:
        self._log_metrics("train")
        for seed in self.seeds:
            self.log(f"seed{seed}/train/lr", self.lr_schedulers().get_last_lr()[-1])  # type: ignore[union-attr]

    def validation_step(self, batch: StackedBatch, batch_idx: int) -> None:
        self._evaluate("val", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val")

    def test_step(self, batch: StackedBatch, batch_idx: int) -> None:
        self._evaluate("test", batch)

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def _evaluate(self, split: str, batch: StackedBatch) -> None:
        with torch.autocast(self.device.type, enabled=False):
            self.losses(batch, split)

    def _log_metrics(self, split: str) -> None:
        sums = self.tallies.pop(split)
        means = sums[:, :-1] / sums[:, -1:]
        for seed, values in zip(self.seeds, means, strict=True):
            self.log_dict(
                dict(zip((f"seed{seed}/{split}/{name}" for name in NumberMetrics.names), values, strict=True))
            )
        at = NumberMetrics.names.index("accuracy")
        self.log(f"{split}/accuracy", means[:, at].mean(), prog_bar=True, logger=False)

    def configure_optimizers(self) -> Any:
        first = self.models[0]
        optimizer = build_optimizer(first.net, first.decoder.blocks, first.optimizer_settings)
        stacks = {id(first.get_parameter(name)): stack for name, stack in zip(self.names, self.weights, strict=True)}
        for group in optimizer.param_groups:  # the same rule for each of them
            group["params"] = [stacks[id(parameter)] for parameter in group["params"]]
        schedule = build_schedule(optimizer, first.optimizer_settings, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each model's gradient by its own norm, as ``clip_grad_norm_`` does."""
        if not gradient_clip_val or gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        gradients = [stack.grad for stack in self.weights if stack.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)  # (N,)
        factors = (gradient_clip_val / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *(1 for _ in gradient.shape[1:])))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make it that of one model, ``saving``: one that ``AdditionModule`` reads and its own run goes on with."""
        model, count = self.models[self.saving], len(self.models)

        def own(value: Any) -> Any:
            stacked = isinstance(value, Tensor) and value.ndim and len(value) == count
            return value[self.saving].clone() if stacked else value

        checkpoint["state_dict"] = {name: value.clone() for name, value in model.state_dict().items()}
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_NAME] = model._hparams_name
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = dict(model.hparams)
        for optimizer in checkpoint.get("optimizer_states", ()):
            optimizer["state"] = {
                key: {name: own(value) for name, value in state.items()} for key, state in optimizer["state"].items()
            }
