"""Muon for matrices with AdamW for the rest, in one optimizer, and the settings of both.

`torch.optim.Muon`, timm's and pytorch-optimizer's orthogonalise in bfloat16 with no setting for it: very slow on
a CPU without bf16 units. So Muon is written here, with the precision as a setting; in bfloat16 it gives what
torch's gives (a test compares them). AdamW is torch's own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw as adamw_step
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_constant_schedule_with_warmup, get_linear_schedule_with_warmup, get_wsd_schedule

from fourier_lightning.errors import ConfigError

NS_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Keller Jordan's quintic, as in torch.optim.Muon
LONG = 2  # columns by rows from which the iteration on Gram matrices is faster


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer and its schedule.

    Attributes:
        name: ``adamw`` (the paper's) or ``muon`` (the matrices of the blocks with Muon, all else with AdamW).
        lr: peak learning rate of AdamW.
        table_lr: the same for the input table (and an unembedding that is tied to it); null takes ``lr``.
        muon_lr: peak learning rate of Muon.
        betas: of AdamW.
        weight_decay: decoupled, of every trained parameter.
        momentum: of Muon (Nesterov).
        schedule: ``linear`` decay to 0 over the whole run (the paper's), ``constant``, or ``wsd`` (warm-up, stable,
            decay): constant until a last part of the run, in which it decays linearly to 0.
        warmup_steps: linear warm-up.
        decay: that last part of ``wsd``, as a share of the run's steps.
    """

    name: Literal["adamw", "muon"]
    lr: float
    table_lr: float | None = None
    muon_lr: float = 0.02
    betas: list[float] | tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    momentum: float = 0.95
    schedule: Literal["linear", "constant", "wsd"] = "linear"
    warmup_steps: int = 0
    decay: float = 0.2

    def __post_init__(self) -> None:
        for key in ("lr", "muon_lr", "table_lr"):
            rate = getattr(self, key)
            if rate is not None and rate <= 0:
                remedy = "use a rate above 0" + (", or embedding.freeze=true" if key == "table_lr" else "")
                raise ConfigError(f"optimizer.{key}={rate}", "not positive", remedy)
        for key in ("weight_decay", "warmup_steps"):
            if getattr(self, key) < 0:
                raise ConfigError(f"optimizer.{key}={getattr(self, key)}", "negative", "use 0 or more")
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            raise ConfigError(f"optimizer.betas={self.betas}", "not two values from 0 to 1", "use e.g. [0.9,0.999]")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"optimizer.momentum={self.momentum}", "not in 0..1", "use e.g. 0.95")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"optimizer.decay={self.decay}", "not a share of the run's steps", "use e.g. 0.2")


def build_optimizer(net: Any, blocks: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of a model's trainable parameters. Muon's share: every matrix inside ``blocks``."""
    betas = (settings.betas[0], settings.betas[1])
    table = net.get_input_embeddings().weight
    trained = [p for p in net.parameters() if p.requires_grad]
    apart = [p for p in trained if p is table and settings.table_lr is not None]
    trained = [p for p in trained if p is not table or not apart]
    slow: list[dict[str, Any]] = [{"params": apart, "lr": settings.table_lr}] if apart else []
    if settings.name == "adamw":
        adamw = torch.optim.AdamW(
            [{"params": trained}, *slow], lr=settings.lr, betas=betas, weight_decay=settings.weight_decay, fused=True
        )
        # Lightning refuses to clip the gradients of a fused optimizer under mixed precision, lest it unscale them
        # again inside its step. Without this flag a scaler unscales before the step, as for any other optimizer.
        adamw._step_supports_amp_scaling = False
        return adamw
    inside = {id(p) for p in blocks.parameters() if p.ndim == 2}
    matrices = [p for p in trained if id(p) in inside]
    others = [p for p in trained if id(p) not in inside]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "muon": True, "lr": settings.muon_lr, "momentum": settings.momentum},
        {"params": others, "muon": False, "lr": settings.lr, "betas": betas},
        *({**group, "muon": False, "betas": betas} for group in slow),
    ]
    return Muon([group for group in groups if group["params"]], weight_decay=settings.weight_decay)


def build_schedule(optimizer: torch.optim.Optimizer, settings: OptimizerSettings, total_steps: int) -> LambdaLR:
    """Learning-rate factor by step: warm-up, then constant, or down to 0 at ``total_steps``."""
    if settings.schedule == "constant":
        schedule: LambdaLR = get_constant_schedule_with_warmup(optimizer, settings.warmup_steps)
    elif settings.schedule == "linear":
        schedule = get_linear_schedule_with_warmup(optimizer, settings.warmup_steps, total_steps)
    else:
        last = round(settings.decay * total_steps)
        schedule = get_wsd_schedule(
            optimizer, settings.warmup_steps, last, num_training_steps=total_steps, decay_type="linear"
        )
    return schedule


def orthogonalise(matrix: Tensor, steps: int = 5, eps: float = 1e-7, dtype: torch.dtype = torch.float32) -> Tensor:
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrix (singular values to about 0.7..1.2).

    Each step multiplies x (m, n), m <= n, by a polynomial of its Gram matrix x x' from the left. Of long matrices the
    iteration therefore runs on Gram matrices (m, m) alone, and x is multiplied once, at the end: the same to 5e-6.

    Args:
        matrix: (m, n), or a stack of them (N, m, n).
        dtype: precision of the iteration, and of the result, which has the same shape.
    """
    a, b, c = NS_COEFFICIENTS
    x = matrix.to(dtype)
    add = torch.addmm if x.ndim == 2 else torch.baddbmm
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm() if x.ndim == 2 else x.norm(dim=(1, 2), keepdim=True)).clamp(min=eps)
    if x.shape[-1] < LONG * x.shape[-2] or dtype != torch.float32:  # rounding in Gram matrices counts twice
        for _ in range(steps):
            gram = x @ x.mT
            x = add(x, add(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    else:
        gram = factor = x @ x.mT
        for step in range(steps):
            polynomial = add(gram, gram, gram, beta=b, alpha=c)
            polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
            factor = polynomial @ factor if step else polynomial
            if step < steps - 1:  # nothing is made of the last one
                gram = polynomial @ gram @ polynomial
        x = factor @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon in the parameter groups with ``muon=True``, AdamW in the others. A stack of matrices counts as many.

    Step lengths use the original scaling, sqrt(max(1, rows / columns)) of the stored matrix, as torch's Muon does.

    Args:
        params: parameter groups; ``muon`` groups hold matrices, or stacks of them, only.
        lr, momentum, betas, eps, weight_decay: defaults of the groups.
        dtype: precision of the orthogonalisation.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        # "fused" makes load_state_dict keep AdamW's step counters on the device, where the fused kernel wants them
        super().__init__(params, {**defaults, "muon": True, "fused": True})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure`` recomputes the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            (self._muon_step if group["muon"] else self._adamw_step)(group, params, grads)
        return loss

    def _muon_step(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        for p, grad in zip(params, grads, strict=True):
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            buffer = self.state[p]["momentum_buffer"]
            buffer.lerp_(grad, 1 - group["momentum"])
            update = orthogonalise(grad.lerp(buffer, group["momentum"]), dtype=self.dtype)
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update, alpha=-group["lr"] * math.sqrt(max(1, p.shape[-2] / p.shape[-1])))

    def _adamw_step(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                zeros = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
                self.state[p].update(zeros, step=torch.zeros((), device=p.device))
        states = [self.state[p] for p in params]
        adamw_step(
            params,
            grads,
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
