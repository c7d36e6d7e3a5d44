"""What the settings leave open: to the backbone its range of numbers, to the device how large a batch is."""

import copy
import gc
import inspect
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from transformers import AutoModelForCausalLM

from fourier_lightning.callbacks.recompute import ActivationCheckpointing
from fourier_lightning.checkpoint import load_checkpoint
from fourier_lightning.config import check_config, values_of
from fourier_lightning.data.audit import SHORTEST, largest_size, last_operand, number_tokens, splitting
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.data.settings import check_templates
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import NumberStyle
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.arms import ModelSettings
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.batch_memory import most_rows
from fourier_lightning.targets import find, makes

MOST_ROWS = 2**16  # of a batch that is chosen here
LARGE = ("cuda",)  # devices that larger batches keep busier
HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}  # what Lightning's precisions compute in
STEPS = 8  # of an epoch, at least, where the batch is chosen here


def make(node: DictConfig, **kwargs: Any) -> Any:
    """Instantiate a config node as plain Python, so that what its constructor raises arrives unwrapped."""
    return instantiate(node, _partial_=True, _convert_="all")(**kwargs)


def choose_size(cfg: DictConfig) -> tuple[str, ...]:
    """Fill in ``data.max_operand=auto`` (or another task's size), in place, and say what was chosen.

    Raises:
        ConfigError: ``auto`` elsewhere, or numbers that are no single tokens of the backbone.
    """
    data = values_of(cfg).get("data")
    task = task_of(data) if isinstance(data, dict) and "auto" in data.values() else None
    keys = [key for key, one in inspect.signature(task).parameters.items() if one.annotation is int] if task else []
    keys = [key for key in keys if data.get(key) == "auto"]
    if task is None or not keys:  # "auto" elsewhere is of a wrong type
        return ()
    probe = copy.deepcopy(cfg)
    probe.data.update(dict.fromkeys(keys, 100))
    check_config(probe)  # everything else, first
    node: dict[str, Any] = OmegaConf.to_container(probe.data, resolve=True)  # type: ignore[assignment]
    key, backbone = task.size_key, make(cfg.backbone)
    if keys != [key]:
        raise ConfigError(f"data.{keys[0]}=auto", "not a size that can be chosen", f"use a number, or data.{key}=auto")
    check_templates(sized(task, node, node[key]), node["templates"])
    tokenizer, style = backbone.tokenizer(), node["number_style"]
    size, chosen = largest_size(partial(sized, task, node), tokenizer, node["templates"], style)
    if chosen is None:
        raise no_size(key, backbone.name, tokenizer, style, sized(task, node, node[key]), node["templates"])
    cfg.data[key] = size
    return (f"data.{key}={size}: the largest for which operands and answers (0..{chosen.p - 1}, {style}) are single "
            f"tokens of {backbone.name}",)  # fmt: skip


def no_size(key: str, name: str, tokenizer: Any, style: NumberStyle, task: Task, templates: list[str]) -> ConfigError:
    """Why a task has no size that its backbone's tokenizer allows."""
    texts, remedy = task.templates, "see fourier-lightning audit backbone=..."
    limits = {each: last_operand(tokenizer, texts[each], task.letters, task.smallest) for each in templates}
    unfit = [each for each, limit in limits.items() if limit < task.smallest]
    count = number_tokens(tokenizer, style).count
    if unfit and count >= SHORTEST:
        problem = f"in data.templates={unfit} operands are not the same single token in every place"
        return ConfigError(f"data.{key}=auto", problem, f"choose others, {remedy}")
    numbers = f"0..{count - 1}" if count else "none"
    problem = f"{name} splits numbers {splitting(tokenizer)}; single tokens are {numbers} ({style})"
    return ConfigError(f"data.{key}=auto", problem, remedy)


def defer_batch(cfg: DictConfig) -> bool:
    """Whether ``data.batch_size=auto``; a number stands there from now on, until ``choose_batch`` knows the model."""
    if OmegaConf.select(cfg, "data.batch_size", throw_on_resolution_failure=False) != "auto":
        return False
    cfg.data.batch_size = MOST_ROWS
    return True


def check_auto_batch(cfg: DictConfig, model: ModelSettings, trainer: pl.Trainer) -> None:
    """Refuse ``data.batch_size=auto`` where it can't be counted.

    Raises:
        ConfigError: naming what stands against it.
    """
    recomputing = [name for name, node in cfg.callbacks.items() if makes(node, ActivationCheckpointing)]
    device = trainer.strategy.root_device.type
    for reason, remedy in (
        (not cfg.fit and "nothing is trained", "leave it out"),
        (model.loss != "answer" and f"not counted for model.loss={model.loss}", "use a number"),
        (recomputing and f"not counted with callbacks.{recomputing[0]}", "use a number"),
        (trainer.world_size > 1 and "not counted for several devices", "use a number"),
        (device not in LARGE and f"a device of type {device} gains little by large batches",
         "use a number, e.g. data.batch_size=256"),
    ):  # fmt: skip
        if reason:
            raise ConfigError("data.batch_size=auto", reason, remedy)


def choose_batch(cfg: DictConfig, data: ArithmeticDataModule, network: Any, trainer: pl.Trainer) -> tuple[str, ...]:
    """Fill in ``data.batch_size=auto``, in place and in the data, and say what was chosen: see ``docs/devices.md``.

    Raises:
        ConfigError: not one prompt fits.
    """
    if cfg.ckpt_path is not None:  # the fit that goes on keeps its batches
        run = load_checkpoint(cfg.ckpt_path)["hyper_parameters"]["run"]
        cfg.data.batch_size = data.batch_size = run["config"]["data"]["batch_size"]
        return (f"data.batch_size={data.batch_size}, as the checkpoint's run has it",)
    free, half = free_bytes(trainer.strategy.root_device), HALF.get(str(trainer.precision))
    groups = data.examples("train")
    length = max(group.prompt.shape[1] for group in groups)
    fits = most_rows(network, length, half, free, cfg.seeds_in_parallel)
    if fits < 1:
        problem = f"{free / 1e9:.1f} GB are free, and not one prompt fits"
        raise ConfigError("data.batch_size=auto", problem, "use a smaller model")
    rows, size = sum(map(len, groups)), 1
    while 2 * size <= min(fits, MOST_ROWS) and -(-rows // (2 * size)) >= STEPS:
        size *= 2
    cfg.data.batch_size = data.batch_size = size
    chosen = f"{fits} prompts would fit, and an epoch of {rows} keeps {STEPS} steps or more"
    rule = f"the rates are as set: where they were chosen for n prompts, sqrt({size} / n) times that is usual"
    return (f"data.batch_size={size}: {chosen}; {rule}",)


def free_bytes(device: torch.device) -> int:
    """Memory that a GPU has free, what an earlier job of this process has left in its cache included."""
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def task_of(data: dict[str, Any]) -> type[Task] | None:
    """The task of a ``conf/data`` node's target; None if it names none, or nothing that can be imported."""
    try:
        return getattr(find(data["_target_"]), "task", None)
    except Exception:  # ``check_config`` says what is wrong with it
        return None


def sized(task: type[Task], node: dict[str, Any], size: int) -> Task:
    """A ``conf/data`` node's task at another size."""
    fields = {name: node[name] for name in inspect.signature(task).parameters if name in node}
    return task(**{**fields, task.size_key: size})


def check_precision(cfg: DictConfig, as_it_comes: bool) -> None:
    """Refuse half-precision weights where they would be trained, or where nobody asked for the backbone as it is."""
    dtype = cfg.backbone.get("dtype", "float32")
    if dtype == "float32":
        return
    key = f"backbone.dtype={dtype}"
    if cfg.fit:
        problem, remedy = "half-precision weights lose small updates", "train with trainer.precision=bf16-mixed"
        raise ConfigError(key, problem, f"{remedy}, or measure with fit=false")
    if not as_it_comes:
        problem = "it is of a backbone that is measured as it comes"
        raise ConfigError(key, problem, "leave it out, or leave out ckpt_path=, model= and embedding=")


def as_it_comes_in_words(backbone: Backbone, network: Any, dtype: str) -> str:
    """What is measured, and how large it is."""
    with torch.device("meta"):
        weights = sum(one.numel() for one in AutoModelForCausalLM.from_config(network).parameters())
    size = weights * getattr(torch, dtype).itemsize / 1e9
    return f"{backbone.name} as it comes ({network.model_type}, {dtype}): {size:.2g} GB of weights"
