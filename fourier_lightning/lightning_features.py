"""Lightning's features that these runs don't have: each is refused by its name, before anything is written.

docs/settings.md has the table of those that work. A feature of Lightning's that is in neither fails a test.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, ProgressBar, Timer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from fourier_lightning.callbacks.progress import EpochProgressBar
from fourier_lightning.defaults import make
from fourier_lightning.errors import ConfigError, refuse, suggestion
from fourier_lightning.instruments.base import Instrument
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.targets import find, makes, targets

METRICS = NumberMetrics.names
OURS = ("pytorch_lightning.", "fourier_lightning.")

# Arguments of Trainer: why a value other than Lightning's default is refused.
ARGUMENTS = {
    "barebones": "it turns off the logging that a run's record is made of",
    "enable_autolog_hparams": "the run gives its configuration to each logger itself",
    "limit_predict_batches": "a run predicts nothing; it is for Trainer.predict in a notebook",
    "model_registry": "a run sends no model to Lightning's registry",
    "reload_dataloaders_every_n_epochs": "the examples stay on the device, and each epoch shuffles them anew",
    "sync_batchnorm": "the models have no batch normalisation",
    "use_distributed_sampler": "a run on several devices shares out its batches itself",
}
_BASE = ("a base class, which does nothing by itself", "name one of its subclasses")
_AVERAGED = ("validation, instruments and test would not look at the same weights", "leave it out")
_CHECKPOINT_IO = ("a run writes its checkpoints in one move each, by its own means", "leave it out")
_PRECISION = ("precision is one setting", "use trainer.precision")
_NO_BATCHNORM = ("the models have no batch normalisation", "leave it out")
_OTHER_LOGGER = ("no run was tried with it", "use logger=wandb, logger=csv or logger=tensorboard")
_OTHER_STRATEGY = ("not a way in which these runs use several devices", "use trainer=ddp or trainer=fsdp")
# Classes of Lightning's: why each is refused, and what to use instead.
CALLBACKS = {
    "BackboneFinetuning": ("the models have no part called backbone", "use embedding.freeze and optimizer.table_lr"),
    "BaseFinetuning": _BASE,
    "BasePredictionWriter": ("a run predicts nothing", "use Trainer.predict in a notebook"),
    "BatchSizeFinder": ("the run would train with another batch size than its record names",
                        "use data.batch_size=auto on a GPU"),
    "Callback": _BASE,
    "Checkpoint": _BASE,
    "EMAWeightAveraging": _AVERAGED,
    "GradientAccumulationScheduler": ("the learning-rate schedule needs the number of steps beforehand",
                                      "use +trainer.accumulate_grad_batches=N"),
    "LambdaCallback": ("it takes functions, which a configuration can't hold",
                       "write a callback, and name it with allow_targets=true"),
    "LearningRateFinder": ("the optimizers have more than one rate", "sweep over it: -m optimizer.lr=1e-3,3e-3"),
    "ModelPruning": ("it hooks into modules that the models' own forward pass does not call", "leave it out"),
    "OnExceptionCheckpoint": ("it decides by itself which checkpoint a fit goes on from",
                              "use ckpt_path=auto, which goes on from checkpoints/last.ckpt"),
    "ProgressBar": _BASE,
    "SpikeDetection": ("it ends a run so that a restart skips batches, and a restart here does not",
                       "lower optimizer.lr; weights that become NaN end a run anyway"),
    "StochasticWeightAveraging": _AVERAGED,
    "ThroughputMonitor": ("it takes a function, which a configuration can't hold",
                          "divide steps by train_seconds in record/run.json"),
    "WeightAveraging": _AVERAGED,
}  # fmt: skip
LOGGERS = {
    "CometLogger": _OTHER_LOGGER,
    "LitLogger": _OTHER_LOGGER,
    "Logger": _BASE,
    "MLFlowLogger": _OTHER_LOGGER,
    "WandbLogger": ("the run's own W&B logger goes offline without a log-in, and shows the instruments",
                    "use logger=wandb, and its settings logger.wandb.*"),
}  # fmt: skip
PROFILERS = {"Profiler": _BASE, "XLAProfiler": ("it is for TPUs", "use trainer.profiler=simple")}
PLUGINS = {
    **dict.fromkeys(("AsyncCheckpointIO", "CheckpointIO", "TorchCheckpointIO", "XLACheckpointIO"), _CHECKPOINT_IO),
    **dict.fromkeys(("BitsandbytesPrecision", "DeepSpeedPrecision", "DoublePrecision", "FSDPPrecision", "HalfPrecision",
                     "MixedPrecision", "Precision", "TransformerEnginePrecision", "XLAPrecision"), _PRECISION),
    **dict.fromkeys(("LayerSync", "TorchSyncBatchNorm"), _NO_BATCHNORM),
}  # fmt: skip
STRATEGIES = {
    **dict.fromkeys(("DeepSpeedStrategy", "FSDPStrategy"), _OTHER_STRATEGY),
    **dict.fromkeys(("ParallelStrategy", "Strategy"), _BASE),
}
CLASSES = {**CALLBACKS, **LOGGERS, **PROFILERS, **PLUGINS, **STRATEGIES}


def check_features(cfg: DictConfig) -> None:
    """Refuse features of Lightning's that these runs don't have.

    Raises:
        ConfigError: one line for each of them.
    """
    refuse([*_refused_arguments(cfg), *_refused_classes(cfg), *_beside_a_timer(cfg)])


def _refused_arguments(cfg: DictConfig) -> Iterator[ConfigError]:
    arguments = inspect.signature(pl.Trainer).parameters
    for name, why in ARGUMENTS.items():
        value = cfg.trainer.get(name)
        if value is not None and value != arguments[name].default:
            yield ConfigError(f"trainer.{name}={value}", why, "leave it out")
    profiler = cfg.trainer.get("profiler")
    if str(profiler).lower() == "xla":
        yield ConfigError("trainer.profiler=xla", *PROFILERS["XLAProfiler"])
    if isinstance(profiler, DictConfig) and not makes(profiler, Profiler):
        yield ConfigError(f"trainer.profiler._target_={profiler._target_}", "not a profiler", "use simple or advanced")
    if cfg.trainer.get("fast_dev_run") and cfg.seeds_in_parallel > 1:
        key = f"seeds_in_parallel={cfg.seeds_in_parallel}"
        yield ConfigError(key, "trainer.fast_dev_run tries one seed", "leave out one of them")


def _refused_classes(cfg: DictConfig) -> Iterator[ConfigError]:
    nodes = {group: OmegaConf.to_container(cfg[group], resolve=True) for group in ("callbacks", "logger", "trainer")}
    for key, target in targets(nodes):
        name = target.rpartition(".")[2]
        if target.startswith("pytorch_lightning.") and name in CLASSES:
            why, remedy = CLASSES[name]
            yield ConfigError(f"{key}={target}", f"not supported: {why}", remedy)


def _beside_a_timer(cfg: DictConfig) -> Iterator[ConfigError]:
    """What a Timer leaves idle, or does not end."""
    timers = [f"callbacks.{name}" for name, node in cfg.callbacks.items() if makes(node, Timer)]
    if timers and cfg.trainer.get("max_time") is not None:
        problem = f"nothing reads it: {timers[0]} says when the fit ends"
        yield ConfigError(f"trainer.max_time={cfg.trainer.max_time}", problem, "leave it out")
    if timers and cfg.seeds_in_parallel > 1:
        key = f"seeds_in_parallel={cfg.seeds_in_parallel}"
        yield ConfigError(key, f"{timers[0]} would not end the fit", "use trainer.max_time")


def check_loggers(cfg: DictConfig) -> None:
    """Refuse a logger that can't be made: an argument or a package is missing. Makes no file.

    Raises:
        ConfigError: naming the node.
    """
    for name, node in cfg.logger.items():
        key = f"logger.{name}"
        # W&B's is made by a function, and would start a W&B run; what a user's own starts is not known here.
        if not isinstance(find(node._target_), type) or not node._target_.startswith(OURS):
            continue
        if not makes(node, Logger):
            raise ConfigError(f"{key}._target_={node._target_}", "not a logger", "use logger=wandb, csv or tensorboard")
        with complaints(key, f"correct it, or remove it with ~{key}"):
            make(node)


def check_callbacks(cfg: DictConfig) -> None:
    """Refuse a callback that can't be made, that watches a metric which no run logs, or that is there twice.

    Raises:
        ConfigError: naming the node.
    """
    made: dict[str, pl.Callback] = {}
    for name, node in cfg.callbacks.items():
        key = f"callbacks.{name}"
        if (node.get("refresh_rate") or 0) < 0:
            problem, remedy = "too small", "use 1 or more steps, or 0 for no bar"
            raise ConfigError(f"{key}.refresh_rate={node.refresh_rate}", problem, remedy)
        if makes(node, Instrument):
            continue
        check_metric(key, node)
        with complaints(key, f"correct it, or remove it with ~{key}"):
            callback = make(node)
        if not isinstance(callback, pl.Callback):
            raise ConfigError(f"{key}._target_={node._target_}", "not a callback", f"remove it with ~{key}")
        made[key] = callback
    check_twice(made)


def check_twice(callbacks: Mapping[str, pl.Callback]) -> None:
    """Refuse two progress bars beside the run's own, which gives way to one, and two callbacks of one state.

    Raises:
        ConfigError: naming the second of them.
    """
    seen: dict[str, str] = {}
    for key, callback in callbacks.items():
        if isinstance(callback, ProgressBar):
            kind = "" if isinstance(callback, EpochProgressBar) else "progress bar"
        else:  # a checkpoint keeps the states of callbacks by these keys
            kind = callback.state_key if type(callback).state_dict is not pl.Callback.state_dict else ""
        if kind and kind in seen:
            raise ConfigError(key, f"does the same as {seen[kind]}", f"remove one of them, as with ~{key}")
        seen[kind] = key


def check_metric(key: str, node: DictConfig) -> None:
    """Refuse a callback that watches a metric which no run logs, or that takes its worst value for the best.

    Raises:
        ConfigError: naming the setting.
    """
    metric, known = node.get("monitor"), [f"{split}/{name}" for split in ("val", "train") for name in METRICS]
    if metric is None:
        return
    if metric not in known:
        raise ConfigError(f"{key}.monitor={metric}", "no such metric", suggestion(str(metric), known))
    best = "min" if metric.endswith(("/loss", "/mae")) else "max"
    mode = node.get("mode", "min")  # Lightning's default
    if makes(node, EarlyStopping | ModelCheckpoint) and mode in ("min", "max") and mode != best:
        raise ConfigError(f"{key}.mode={mode}", f"the best {metric} is its {best}imum", f"use {key}.mode={best}")


@contextmanager
def complaints(key: str, remedy: str) -> Iterator[None]:
    """What a library's constructor says of its arguments, or of those of a node among them, as a ConfigError."""
    try:
        yield
    except InstantiationException as error:  # of a node among the arguments
        raise ConfigError(key, " ".join(str(error.__cause__ or error).split()), remedy) from error
    except (MisconfigurationException, ValueError, TypeError, ImportError, OverflowError) as error:
        raise ConfigError(key, " ".join(str(error).split()), remedy) from error
