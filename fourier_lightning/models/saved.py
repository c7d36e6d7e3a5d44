"""Whether a checkpoint's weights are those of the model that it says it holds, and numbers."""

from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from fourier_lightning.checkpoint import load_checkpoint
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.arms import blank_network

REMEDY = "take another: best.ckpt beside it, or one of another run"


def check_saved(cfg: DictConfig, network: Any) -> None:
    """Refuse a checkpoint that lacks a weight, has one too many or of another shape, or holds what is no number.

    Of one to resume from the optimizer's state has to be finite, too. Reads the whole file; builds no weights.

    Args:
        network: the configuration of the model that takes it.

    Raises:
        ConfigError: naming the weight.
    """
    key, checkpoint = f"ckpt_path={cfg.ckpt_path}", load_checkpoint(cfg.ckpt_path)
    found = checkpoint["state_dict"]
    with torch.device("meta"):
        wanted = {f"net.{name}": weight for name, weight in blank_network(network).state_dict().items()}
    for name, weight in wanted.items():
        if name not in found:
            raise ConfigError(key, f"lacks the weight {name}", REMEDY)
        if found[name].shape != weight.shape:
            problem = f"its {name} is {tuple(found[name].shape)}, and the model's {tuple(weight.shape)}"
            raise ConfigError(key, problem, REMEDY)
    if extra := found.keys() - wanted.keys():
        raise ConfigError(key, f"holds {min(extra)}, which the model has not", REMEDY)
    parts = {"": found, "the optimizer's state ": checkpoint["optimizer_states"] if cfg.fit else []}
    for part, tree in parts.items():
        for name, values in tensors(tree):
            if not values.isfinite().all():
                raise ConfigError(key, f"{part}{name} holds NaN or infinity: its training diverged", REMEDY)


def tensors(tree: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested dictionaries and lists, with its keys joined by dots."""
    if isinstance(tree, Tensor):
        yield name, tree
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()
    for key, value in items:
        yield from tensors(value, f"{name}.{key}".lstrip("."))
