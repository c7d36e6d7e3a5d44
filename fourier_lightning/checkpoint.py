"""What a checkpoint has to agree on with the run that takes it, and what an evaluation takes from it."""

import json
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from fourier_lightning.errors import ConfigError, refuse
from fourier_lightning.values import key_of

MADE_OF = ("backbone", "data", "embedding", "model", "optimizer")  # the groups that make up a trained model
FREE = {"data.batch_size", "data.eval_batch_size", "backbone.path", "model.name", "embedding.name"}
ASKED = {"data.templates", "data.min_operand", "data.max_operand"}  # what an evaluation may ask a model, besides
# Evaluation takes a checkpoint of any training: the rows that it is tested on are the same.
TRAINING = ("optimizer.", "data.train_fraction", "data.redraw_order", "model.dropout", "model.loss")
# settings that older configurations lack, as they were before they had a name
BEFORE = {"data.split": "random", "data.shots": 0, "data.axis": "number", "backbone.dtype": "float32",
          "backbone.revision": None}  # fmt: skip
SIZES = ("model.n_layer", "model.width", "model.n_head")  # what size= sets


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """The groups that make up a model, flat: {"model.width": 128, ...}, with the seed and what older ones don't say."""
    settings = {f"{group}.{key}": value for group in MADE_OF for key, value in config[group].items()}
    return {**BEFORE, **settings, "seed": config["seed"]}


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a resolved configuration that make a model what it is, flat."""
    left_out = {*FREE, "seed"}
    return {key: value for key, value in flat(config).items() if key not in left_out and not key.endswith("._target_")}


def adopt(cfg: DictConfig, overrides: Sequence[str], default: DictConfig) -> None:
    """Give an evaluation of a checkpoint the settings of the model that is in it, in place.

    What the overrides set is checked against the checkpoint; what an evaluation may change stays as they set it.
    Does nothing to other runs, and to those whose checkpoint can't be read: ``check_checkpoint`` says why.

    Args:
        cfg: the composed configuration.
        overrides: those that it was composed with.
        default: the configuration that no override makes.

    Raises:
        ConfigError: one line for each setting that the checkpoint has otherwise.
    """
    if cfg.fit or cfg.ckpt_path is None or not Path(cfg.ckpt_path).is_file():
        return
    try:
        there_config = load_checkpoint(cfg.ckpt_path)["hyper_parameters"]["run"]["config"]
        there = flat(there_config)
    except Exception:  # torch raises anything on a file of another kind
        return
    here = flat(plain(cfg))
    given = given_keys(here, overrides, flat(plain(default)))
    if "data._target_" in given and here["data._target_"] != there["data._target_"]:
        task = there["data._target_"].rpartition(".")[2].removesuffix("_data")
        raise ConfigError("data", f"the checkpoint's task is {task}", "leave it out")
    may_change = {*FREE, *ASKED} - {"model.name", "embedding.name"}
    problems = [
        ConfigError(f"{key}={here.get(key)}", f"the checkpoint has {key}={there.get(key)}", "leave it out")
        for key in sorted(given - may_change)
        if here.get(key) != there.get(key)
    ]
    refuse(problems)
    keep = {key: here[key] for key in given & may_change if key in there}
    if "backbone.path" not in given and here["backbone.name"] == there["backbone.name"]:
        keep["backbone.path"] = here["backbone.path"]  # where this installation has it
    with open_dict(cfg):
        for group in MADE_OF:
            cfg[group] = there_config[group]
        cfg.seed = there["seed"]
        for key, value in keep.items():
            OmegaConf.update(cfg, key, value)


def given_keys(here: dict[str, Any], overrides: Sequence[str], default: dict[str, Any]) -> set[str]:
    """The settings of a model that the overrides name, or change by a choice that they make."""
    given = {key for key, value in here.items() if key not in default or default[key] != value}
    for override in overrides:
        key = key_of(override)
        given |= {key, f"{key}.name"} & here.keys()
        given |= {"data._target_"} if key == "data" else set()
        given |= set(SIZES) if key == "size" else set()
    return given


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Its groups as plain values."""
    groups: dict[str, Any] = {group: OmegaConf.to_container(cfg[group], resolve=True) for group in MADE_OF}
    return {**groups, "seed": cfg.seed}


def trained_data(cfg: DictConfig) -> DictConfig:
    """The ``data`` node of an evaluation's model: what it was trained on, in this run's batches."""
    node = OmegaConf.create(load_checkpoint(cfg.ckpt_path)["hyper_parameters"]["run"]["config"]["data"])
    return OmegaConf.merge(node, {key: cfg.data[key] for key in ("batch_size", "eval_batch_size")})


def no_file(path: str) -> ConfigError:
    """The line for a ``ckpt_path`` that is no file."""
    last = os.path.join(path, "checkpoints", "last.ckpt")  # noqa: PTH118  # of any text
    if os.path.isfile(last):  # noqa: PTH113
        return ConfigError(f"ckpt_path={path}", "a directory", f"give its checkpoint: ckpt_path={last}")
    if path.startswith("RUN/"):
        remedy = "put the directory of a run of yours in place of RUN"
        return ConfigError(f"ckpt_path={path}", "no such file", remedy)
    return ConfigError(f"ckpt_path={path}", "no such file", "give a .ckpt file, e.g. RUN_DIR/checkpoints/last.ckpt")


def check_checkpoint(cfg: DictConfig) -> None:
    """Refuse a checkpoint that is missing, unreadable, of other settings, or no good to resume from."""
    path = f"ckpt_path={cfg.ckpt_path}"
    if not os.path.isfile(cfg.ckpt_path):  # noqa: PTH113  # of any text: pathlib raises where a name is too long
        raise no_file(cfg.ckpt_path)
    try:
        checkpoint = load_checkpoint(cfg.ckpt_path)
        carried = checkpoint["hyper_parameters"]
        saved = identity(carried["run"]["config"]) if carried.get("run") else None
        behind = checkpoint["epoch"] + 1
    except Exception as error:  # torch raises anything from KeyError to UnpicklingError on a file of another kind
        raise ConfigError(path, unreadable(cfg.ckpt_path, error), "give a .ckpt file that train.py wrote") from error
    if saved is None:
        problem = "carries no run's identity: an older revision wrote it, or another project"
        raise ConfigError(path, problem, "train that model again")
    here = identity(plain(cfg))
    wanted = {key: value for key, value in here.items() if cfg.fit or not (key.startswith(TRAINING) or key in ASKED)}
    if here.get("embedding.tie") is None:  # left to the backbone
        wanted.pop("embedding.tie", None)
    different = [
        f"{key}={saved.get(key)} there, {value} here" for key, value in wanted.items() if saved.get(key) != value
    ]
    if different:
        raise ConfigError(
            path, f"made with other settings ({'; '.join(different)})", "repeat the settings of the run that wrote it"
        )
    if cfg.fit and "optimizer_states" not in checkpoint:
        raise ConfigError(path, "holds weights alone", "resume from last.ckpt, or evaluate with fit=false")
    ends, epochs = not unfinished(cfg), cfg.trainer.max_epochs
    if cfg.fit and ends and epochs is not None and 0 <= epochs <= behind:
        remedy = "raise trainer.max_epochs, or measure it as it is: fit=false"
        raise ConfigError(path, f"has all of trainer.max_epochs={epochs} behind it", remedy)


def unreadable(path: str, error: Exception) -> str:
    """Why a file is no checkpoint that can be opened."""
    if isinstance(error, pickle.UnpicklingError):
        return "holds more than weights and plain values, and such a file can run code: it was not opened"
    with Path(path).open("rb") as file:
        begins_whole = file.read(4) == b"PK\x03\x04"  # a zip archive, as torch writes
    cut_off = begins_whole and not zipfile.is_zipfile(path)  # its table of contents is at its end
    return "cut off or damaged" if cut_off else "not a checkpoint of this project"


def load_checkpoint(path: str) -> dict[str, Any]:
    """A checkpoint's contents, tensors left on disk until they are used.

    Raises:
        TypeError: it holds something else, as a tensor alone. torch raises anything on a file of another kind.
    """
    found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(found, dict):
        raise TypeError(f"{path} holds a {type(found).__name__}")
    return found


def in_place(cfg: DictConfig) -> bool:
    """Whether a fit goes on in the directory of the run whose checkpoint it takes."""
    where = Path(cfg.paths.output_dir).resolve()
    return bool(cfg.fit and cfg.ckpt_path is not None and where in Path(cfg.ckpt_path).resolve().parents)


def unfinished(cfg: DictConfig) -> bool:
    """Whether a fit goes on in its own directory, and has not ended there: with its epochs done it has a rest to do."""
    return in_place(cfg) and (recorded(cfg.paths.output_dir) or {}).get("status") != "finished"


def recorded(run_dir: str | Path) -> dict[str, Any] | None:
    """run.json of the run that a directory holds; empty where it can't be read, None where there is none."""
    path = Path(run_dir) / "record" / "run.json"
    if not path.is_file():
        return None
    try:
        info = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def choose_checkpoint(cfg: DictConfig) -> None:
    """Put the path in place of ``ckpt_path=auto``: the run directory's last.ckpt, or null where there is none yet.

    Raises:
        ConfigError: without a fit.
    """
    if cfg.ckpt_path != "auto":
        return
    if not cfg.fit:
        raise ConfigError("ckpt_path=auto", "of a fit that goes on", "give the .ckpt file that is to be evaluated")
    last = Path(cfg.paths.output_dir) / "checkpoints" / "last.ckpt"
    cfg.ckpt_path = str(last) if last.is_file() else None
