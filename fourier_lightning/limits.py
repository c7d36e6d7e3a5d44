"""How much of its data a run goes through, and when it looks: numbers of ``trainer`` that Lightning stumbles over."""

from importlib.util import find_spec
from itertools import islice
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import DeviceStatsMonitor, EarlyStopping, ModelCheckpoint

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.targets import makes

MOST_DEVICES = 1024
# The least that a run can use; Lightning takes less, and fails or trains nonsense later.
LEAST = {"accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "gradient_clip_val": 0, "log_every_n_steps": 0,
         "num_sanity_val_steps": -1, "min_epochs": 0, "min_steps": -1, "limit_train_batches": 0, "limit_val_batches": 0,
         "limit_test_batches": 0, "overfit_batches": 0}  # fmt: skip
HALF = ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16")
NOTHING = ("max_epochs", "max_steps", "limit_train_batches")  # 0 of them trains nothing


def check_numbers(cfg: DictConfig) -> None:
    """Refuse numbers of ``cfg.trainer`` that Lightning takes and stumbles over later.

    Raises:
        ConfigError: naming the setting.
    """
    settings = cfg.trainer
    if settings.get("precision") in HALF:
        remedy = "use bf16-mixed or 32-true; to measure in half precision, fit=false backbone.dtype=bfloat16"
        raise ConfigError(
            f"trainer.precision={settings.precision}", "half-precision weights lose small updates", remedy
        )
    for key, least in LEAST.items():
        if (settings.get(key) if settings.get(key) is not None else least) < least:
            raise ConfigError(f"trainer.{key}={settings[key]}", "too small", f"use {least} or more, or leave it out")
    for key in ("devices", "num_nodes"):
        if isinstance(settings.get(key), int) and settings[key] > MOST_DEVICES:
            raise ConfigError(f"trainer.{key}={settings[key]}", "more than there are", f"use {MOST_DEVICES} or fewer")
    if settings.get("val_check_interval") == 0:
        raise ConfigError("trainer.val_check_interval=0", "too small", "use a share of an epoch, or a number of steps")
    for key in NOTHING if cfg.fit else ():
        if settings.get(key) == 0:
            raise ConfigError(f"trainer.{key}={settings[key]}", "nothing would be trained", "use fit=false")
    for unit in ("epochs", "steps"):
        least, most = settings.get(f"min_{unit}"), settings.get(f"max_{unit}")
        if least is not None and most not in (None, -1) and least > most:
            remedy = f"use trainer.max_{unit}={least} or more"
            raise ConfigError(f"trainer.min_{unit}={least}", f"more than trainer.max_{unit}={most}", remedy)
    if (
        settings.get("max_epochs") == -1
        and settings.get("max_steps", -1) == -1
        and cfg.optimizer.schedule != "constant"
    ):
        raise ConfigError(
            "trainer.max_epochs=-1",
            f"optimizer.schedule={cfg.optimizer.schedule} needs to know where it ends",
            "set trainer.max_epochs or trainer.max_steps, or use optimizer.schedule=constant",
        )


def check_trainer(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse what the device, or the moments at which this trainer validates, leave no room for.

    Raises:
        ConfigError: naming the setting.
    """
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if on_cpu and cfg.trainer.get("precision") in ("16-mixed", "16", 16):
        problem = "a CPU has no autocast to float16: Lightning would take bfloat16"
        raise ConfigError(f"trainer.precision={cfg.trainer.precision}", problem, "use bf16-mixed or 32-true")
    if trainer.fast_dev_run and cfg.fit and cfg.ckpt_path is not None:
        problem = "trainer.fast_dev_run tries a fit from its start"
        raise ConfigError(f"ckpt_path={cfg.ckpt_path}", problem, "leave out one of them")
    for name, node in cfg.callbacks.items():
        if makes(node, DeviceStatsMonitor) and find_spec("psutil") is None:
            of_the_cpu = node.get("cpu_stats")
            if of_the_cpu or (of_the_cpu is None and on_cpu):
                raise ConfigError(f"callbacks.{name}", "it needs psutil", "pip install psutil")
        if cfg.fit and node.get("monitor") is not None:
            check_moment(f"callbacks.{name}", node, trainer)


def check_moment(key: str, node: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse a callback that looks for its metric when no run has it yet.

    Validation within an epoch comes before the first metrics of training; and a callback that looks at the end of each
    epoch comes before a validation that is rarer.

    Raises:
        ConfigError: naming the setting.
    """
    stops = makes(node, EarlyStopping)
    if not stops and not makes(node, ModelCheckpoint):
        return
    each, within = trainer.check_val_every_n_epoch == 1, getattr(trainer, "val_check_interval", None) != 1.0
    at_end = f"{'check' if stops else 'save'}_on_train_epoch_end"
    split = node.monitor.partition("/")[0]
    if stops and not hasattr(trainer, "val_check_interval") and node.get(at_end) is None:  # Lightning would ask for it
        problem = "with a time as trainer.val_check_interval it has to be told when to look"
        raise ConfigError(key, problem, f"add {key}.{at_end}=false")
    if split == "val" and stops and trainer.limit_val_batches == 0:
        raise ConfigError(f"{key}.monitor={node.monitor}", "this run validates nothing", "use a metric of train")
    if split == "val" and stops and node.get(at_end) is True and not (each and not within):
        problem = "it would look at the end of each epoch, and validation is not there"
        raise ConfigError(f"{key}.{at_end}=True", problem, "leave it out")
    if split == "train" and within and node.get(at_end) is not True:
        problem = "validation within an epoch comes before the metrics of training"
        raise ConfigError(f"{key}.monitor={node.monitor}", problem, f"add {key}.{at_end}=true")


def check_limits(cfg: DictConfig, trainer: pl.Trainer, data: ArithmeticDataModule) -> None:
    """Refuse shares of an epoch that are less than a batch, and a validation that no epoch reaches.

    Raises:
        ConfigError: naming the setting.
    """
    splits = (*(("train",) if cfg.fit else ()), "val", *(("test",) if cfg.test else ()))
    for split in splits:
        limit = getattr(trainer, f"limit_{split}_batches")
        if isinstance(limit, float) and 0 < limit < 1 and len(loader(data, split)) * limit < 1:
            name = "overfit_batches" if trainer.overfit_batches and split != "test" else f"limit_{split}_batches"
            problem = f"less than one of the {len(loader(data, split))} batches of {split}"
            raise ConfigError(f"trainer.{name}={limit}", problem, f"use a number of batches: trainer.{name}=1")
    interval = getattr(trainer, "val_check_interval", None)
    if cfg.fit and isinstance(interval, int) and trainer.check_val_every_n_epoch and trainer.limit_val_batches:
        steps = batches(trainer.limit_train_batches, loader(data, "train"))
        if interval > steps:
            remedy = "use fewer, or count across epochs with trainer.check_val_every_n_epoch=null"
            raise ConfigError(f"trainer.val_check_interval={interval}", f"an epoch has {steps} steps", remedy)


def rows_used(trainer: pl.Trainer, data: ArithmeticDataModule) -> dict[str, int]:
    """Examples of each split that an epoch goes through: all, but for ``limit_*_batches`` and ``overfit_batches``.

    To be asked before a fit: the batches are those of the first epoch, of all devices together.
    """
    used = {}
    for split, rows in data.split.items():
        limit = getattr(trainer, f"limit_{split}_batches")
        used[split] = len(rows)
        if isinstance(limit, int) or limit < 1:
            shown = loader(data, split)
            used[split] = sum(len(batch["answer"]) for batch in islice(shown, batches(limit, shown)))
    return used


def loader(data: ArithmeticDataModule, split: str) -> Any:
    """A split's batches; of several seeds the first one's."""
    made = getattr(data, f"{split}_dataloader")()
    return getattr(made, "loaders", [made])[0]


def batches(limit: float, shown: Any) -> int:
    """How many batches a limit of Lightning's leaves: a number, or a share."""
    return min(limit, len(shown)) if isinstance(limit, int) else int(len(shown) * limit)
