"""Recipes for small models that learn arithmetic, as others use them: settings, gradients, losses."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Setting = dict[str, Any]
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.98), "batch": 256}


@dataclass(frozen=True)
class Recipe:
    """Others' recipe: what it is called, where its settings are from, and those that are tried, the published first."""

    source: str
    settings: tuple[Setting, ...]
    optimizer: str = "adamw"
    gradient: str = ""  # what is done to gradients before the step
    stablemax: bool = False


RECIPES = {
    "ours": Recipe("optimizer=mechanism", ({**ADAMW, "lr": 1.25e-3, "weight_decay": 1.0, "batch": 128},)),
    "AdamW, weight decay 1": Recipe(
        "Nanda et al. (arXiv 2301.05217): whole batches",
        tuple({**ADAMW, "weight_decay": 1.0, "batch": batch} for batch in (10**6, 256)),
    ),
    "nanoGPT's settings": Recipe(
        "its train_shakespeare_char: 1e-3, betas 0.9 and 0.99, decay 0.1, cosine to a tenth",
        tuple(
            {"lr": lr, "betas": (0.9, 0.99), "weight_decay": 0.1, "batch": 64, "cosine": True} for lr in (1e-3, 3e-3)
        ),
    ),
    "Grokfast (EMA)": Recipe(
        "arXiv 2405.20233: alpha 0.98, lambda 2, decay 0.005, batch 512",
        tuple({**ADAMW, "weight_decay": decay, "batch": 512} for decay in (0.005, 1.0)),
        gradient="grokfast",
    ),
    "StableMax, orthogonal gradients": Recipe(
        "arXiv 2501.04697: no decay",
        tuple({**ADAMW, "lr": lr, "weight_decay": 0.0} for lr in (1e-2, 1e-3)),
        gradient="orthogonal",
        stablemax=True,
    ),
    "torch's Muon": Recipe(
        "torch.optim.Muon for matrices, AdamW 4e-3 for the rest",
        tuple({**ADAMW, "lr": 4e-3, "muon_lr": 0.02, "weight_decay": decay} for decay in (0.1, 1.0)),
        optimizer="muon",
    ),
}


def log_stablemax(logits: Tensor) -> Tensor:
    """Logarithm of StableMax (arXiv 2501.04697, eq. 9): s(x) = x + 1 from 0 on, 1 / (1 - x) below, normalised."""
    values = torch.where(logits >= 0, logits + 1, 1 / (1 - logits.clamp(max=0)))
    return values.log() - values.sum(dim=-1, keepdim=True).log()


class Grokfast:
    """Adds twice the slow part of each gradient, its exponential average (arXiv 2405.20233, algorithm 2)."""

    def __init__(self, alpha: float = 0.98, strength: float = 2.0) -> None:
        self.alpha, self.strength = alpha, strength
        self.slow: dict[int, Tensor] = {}

    @torch.no_grad()
    def __call__(self, weights: Sequence[nn.Parameter]) -> None:
        for index, weight in enumerate(weights):
            assert weight.grad is not None
            slow = self.slow.setdefault(index, weight.grad.clone())
            slow.lerp_(weight.grad, 1 - self.alpha)
            weight.grad.add_(slow, alpha=self.strength)


@torch.no_grad()
def orthogonal(weights: Sequence[nn.Parameter]) -> None:
    """Takes from each gradient its part along the weights, and keeps its norm (arXiv 2501.04697, eq. 12)."""
    for weight in weights:
        assert weight.grad is not None
        along = (weight * weight.grad).sum() / (weight * weight).sum().clamp(min=1e-30)
        rest = weight.grad - along * weight
        weight.grad.copy_(rest * weight.grad.norm() / rest.norm().clamp(min=1e-30))


GRADIENTS: dict[str, Callable[[], Callable[[Sequence[nn.Parameter]], None]]] = {
    "": lambda: lambda weights: None, "grokfast": Grokfast, "orthogonal": lambda: orthogonal,
}  # fmt: skip


def optimizers(recipe: Recipe, setting: Setting, module: Any) -> list[torch.optim.Optimizer]:
    """One, or two of Muon's."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    options = {"lr": setting["lr"], "betas": setting["betas"], "weight_decay": setting["weight_decay"]}
    if recipe.optimizer == "adamw":
        return [torch.optim.AdamW(weights, **options, fused=True)]
    inside = {id(weight) for weight in module.decoder.blocks.parameters() if weight.ndim == 2}
    muon = [weight for weight in weights if id(weight) in inside]
    others = [weight for weight in weights if id(weight) not in inside]
    return [
        torch.optim.Muon(muon, lr=setting["muon_lr"], weight_decay=setting["weight_decay"]),
        torch.optim.AdamW(others, **options, fused=True),
    ]


def factor(setting: Setting, step: int, gone: float) -> float:
    """Of the rate: a warm-up of 100 steps, then constant, or a cosine to a tenth.

    Args:
        gone: share of the longest time that a run may take.
    """
    if step < 100:
        return (step + 1) / 100
    if not setting.get("cosine"):
        return 1.0
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, gone)))
