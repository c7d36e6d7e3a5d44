"""What a checkpoint has to agree on with the run that takes it."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from fourier_lightning.errors import ConfigError

MADE_OF = ("backbone", "data", "embedding", "model", "optimizer")  # the groups that make up a trained model
FREE = {"data.batch_size", "data.eval_batch_size", "backbone.path", "model.name", "embedding.name"}
# Evaluation takes a checkpoint of any training: the rows that it is tested on are the same.
TRAINING = ("optimizer.", "data.train_fraction", "data.redraw_order", "model.dropout", "model.loss")


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a resolved configuration that make a model what it is, flat: {"model.width": 128, ...}."""
    flat = {f"{group}.{key}": value for group in MADE_OF for key, value in config[group].items()}
    return {key: value for key, value in flat.items() if key not in FREE and not key.endswith("._target_")}


def check_checkpoint(cfg: DictConfig) -> None:
    """Refuse a checkpoint that is missing, unreadable, of other settings, or no good to resume from."""
    path = f"ckpt_path={cfg.ckpt_path}"
    if not Path(cfg.ckpt_path).is_file():
        raise ConfigError(path, "no such file", "give a .ckpt file, e.g. <run dir>/checkpoints/last.ckpt")
    try:
        checkpoint = load_checkpoint(cfg.ckpt_path)
        carried = checkpoint["hyper_parameters"]
    except Exception as error:  # torch raises anything from KeyError to UnpicklingError on a file of another kind
        raise ConfigError(path, "not a checkpoint of this project", "give a .ckpt file that train.py wrote") from error
    if not carried.get("run"):
        raise ConfigError(path, "carries no run's identity: an older revision wrote it", "train that model again")
    saved, here = identity(carried["run"]["config"]), identity(OmegaConf.to_container(cfg, resolve=True))
    wanted = {key: value for key, value in here.items() if cfg.fit or not key.startswith(TRAINING)}
    different = [
        f"{key}={saved.get(key)} there, {value} here" for key, value in wanted.items() if saved.get(key) != value
    ]
    if different:
        raise ConfigError(
            path, f"made with other settings ({'; '.join(different)})", "repeat the settings of the run that wrote it"
        )
    if cfg.fit and "optimizer_states" not in checkpoint:
        raise ConfigError(path, "holds weights alone", "resume from last.ckpt, or evaluate with fit=false")
    epochs = cfg.trainer.max_epochs
    if cfg.fit and epochs is not None and 0 <= epochs <= checkpoint["epoch"] + 1:
        raise ConfigError(path, f"has all of trainer.max_epochs={epochs} behind it", "raise trainer.max_epochs")


def load_checkpoint(path: str) -> dict[str, Any]:
    """A checkpoint's contents, tensors left on disk until they are used."""
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
