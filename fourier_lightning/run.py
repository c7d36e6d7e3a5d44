"""One run: check, build, fit, test, record, clean up."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint, ProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from fourier_lightning import console
from fourier_lightning.callbacks.clock import Clock
from fourier_lightning.callbacks.measurement import Measurement
from fourier_lightning.checkpoint import check_checkpoint, load_checkpoint
from fourier_lightning.config import check_config, suggestion
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.base import Instrument
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.mirror.wandb import check_wandb, finish_wandb
from fourier_lightning.models.arms import ModelSettings, initialise, network_config, parameter_table
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.optim import OptimizerSettings
from fourier_lightning.record.logger import RecordLogger
from fourier_lightning.record.models import new_card
from fourier_lightning.record.writer import RunRecord, describe_device


@dataclass(frozen=True)
class Parts:
    """What a run is made of, checked, with no weight read and no file written."""

    backbone: Backbone
    data: ArithmeticDataModule
    model: ModelSettings
    embedding: EmbeddingSettings
    optimizer: OptimizerSettings
    network: Any
    instruments: dict[str, Instrument]


def make(node: DictConfig, **kwargs: Any) -> Any:
    """Instantiate a config node as plain Python, so that what its constructor raises arrives unwrapped."""
    return instantiate(node, _partial_=True, _convert_="all")(**kwargs)


def prepare(cfg: DictConfig) -> Parts:
    """Check every setting and build what costs nothing to build. Writes no file.

    Raises:
        ConfigError: with one line for each setting that can't work.
    """
    check_config(cfg)
    optimizer, embedding, model, _ = (make(cfg[name]) for name in ("optimizer", "embedding", "model", "filter"))
    check_callbacks(cfg)
    check_wandb(cfg.logger.get("wandb", {}))
    make_trainer(cfg, logger=False, callbacks=[], enable_checkpointing=False, enable_progress_bar=False)
    backbone = make(cfg.backbone)
    data = make(cfg.data, tokenizer=backbone.tokenizer(), seed=cfg.seed)
    longest = max(group.prompt.shape[1] for group in data.examples("test"))
    network = network_config(backbone, model, embedding, len(data.vocabulary), longest)
    embedding.check(data.p, network.hidden_size)
    instruments = make_instruments(cfg, data, network.hidden_size)
    if cfg.ckpt_path is not None:
        check_checkpoint(cfg)
    return Parts(backbone, data, model, embedding, optimizer, network, instruments)


def check_callbacks(cfg: DictConfig) -> None:
    """Refuse a callback that watches a metric which no run logs, or a bar that can't count, before a run begins."""
    known = [f"{split}/{name}" for split in ("val", "train") for name in NumberMetrics.names]
    for name, node in cfg.callbacks.items():
        if node.get("monitor") is not None and node.monitor not in known:
            key = f"callbacks.{name}.monitor={node.monitor}"
            raise ConfigError(key, "no such metric", suggestion(node.monitor, known))
        if (node.get("refresh_rate") or 0) < 0:
            key = f"callbacks.{name}.refresh_rate={node.refresh_rate}"
            raise ConfigError(key, "too small", "use 1 or more steps, or 0 for no bar")


def make_instruments(cfg: DictConfig, data: ArithmeticDataModule, width: int) -> dict[str, Instrument]:
    """The callbacks that measure the model, by node name, checked against the data and the model's width."""
    instruments: dict[str, Instrument] = {}
    for name, node in cfg.callbacks.items():
        target = get_object(node._target_)
        if isinstance(target, type) and issubclass(target, Instrument):
            try:
                instruments[str(name)] = make(node)
                instruments[str(name)].check(data.task, width)
            except TypeError as error:  # a key that it needs was removed
                raise ConfigError(f"callbacks.{name}", str(error), f"or remove it with ~callbacks.{name}") from error
            except ConfigError as error:
                # its settings are below its node; those of the filter that it shares are not
                raise error if error.args[0].startswith("filter.") else error.under(f"callbacks.{name}") from error
    return instruments


def make_callbacks(cfg: DictConfig, measurements: dict[str, Measurement]) -> list[Any]:
    """All callbacks in the order of the configuration; no progress bar where the trainer is told to show none."""
    callbacks = [measurements.get(str(name)) or make(node) for name, node in cfg.callbacks.items()]
    hidden = cfg.trainer.get("enable_progress_bar") is False
    return [callback for callback in callbacks if not (hidden and isinstance(callback, ProgressBar))]


def make_trainer(cfg: DictConfig, **kwargs: Any) -> pl.Trainer:
    """The Lightning trainer of ``cfg.trainer``; its complaints become ConfigErrors."""
    settings = cfg.trainer
    for key in ("devices", "num_nodes"):
        if settings.get(key, 1) != 1:
            raise ConfigError(
                f"trainer.{key}={settings[key]}",
                "a run uses one device: the whole data set lives on it",
                f"use trainer.{key}=1 and run seeds side by side with -m",
            )
    # Values that Lightning takes and stumbles over later.
    for key, least in (("gradient_clip_val", 0), ("check_val_every_n_epoch", 1), ("log_every_n_steps", 0)):
        if (settings.get(key) if settings.get(key) is not None else least) < least:
            raise ConfigError(f"trainer.{key}={settings[key]}", "too small", f"use {least} or more, or null")
    if settings.get("max_epochs") == -1 and settings.get("max_steps", -1) == -1 and cfg.optimizer.schedule == "linear":
        raise ConfigError(
            "trainer.max_epochs=-1",
            "optimizer.schedule=linear needs to know where it ends",
            "set trainer.max_epochs or trainer.max_steps, or use optimizer.schedule=constant",
        )
    try:
        return make(cfg.trainer, **kwargs)
    except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError("trainer", reason, "correct that key under trainer.*") from error


def build_module(parts: Parts, seed: int, run: dict[str, Any] | None = None) -> AdditionModule:
    """The LightningModule with its starting weights; the same seed gives the same weights.

    Args:
        run: the identity card that its checkpoints shall carry.
    """
    pl.seed_everything(seed, workers=True, verbose=False)
    vocabulary = parts.data.vocabulary
    module = AdditionModule(
        network=parts.network.to_dict(),
        token_ids=vocabulary.token_ids.tolist(),
        numbers=vocabulary.numbers.tolist(),
        optimizer=asdict(parts.optimizer),
        freeze_table=parts.embedding.freeze,
        loss=parts.model.loss,
        run=run,
        cyclic=parts.data.task.cyclic,
    )
    initialise(module.decoder, parts.backbone, vocabulary, parts.model, parts.embedding, seed)
    return module


def make_loggers(cfg: DictConfig, record: RunRecord) -> list[Any]:
    """The record's logger, then whatever ``logger=`` asks for."""
    resolved = OmegaConf.to_container(cfg, resolve=True)
    extra = {"wandb": {"config": {**resolved, "p": record.run["p"]}}}
    loggers = [make(node, **extra.get(name, {})) for name, node in cfg.logger.items()]
    return [RecordLogger(record), *(logger for logger in loggers if logger is not None)]


def train(cfg: DictConfig, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Run one job.

    Args:
        cfg: the composed configuration (``config.load_config`` or Hydra).
        overrides: the command-line overrides that made it, for the record.

    Returns:
        The objects of the run, for tests and notebooks: cfg, data, module, trainer, record, metrics.

    Raises:
        ConfigError: before anything is written.
    """
    quiet_libraries()
    parts = prepare(cfg)
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    loaded = load_checkpoint(cfg.ckpt_path) if cfg.ckpt_path else {"global_step": 0, "epoch": 0}
    step, epoch = loaded["global_step"], loaded["epoch"]
    card = new_card(resolved)
    model = loaded["hyper_parameters"]["run"] if cfg.ckpt_path and not cfg.fit else card  # an evaluation is no model
    about = {"id": card["id"], "arm": model["arm"], "model": {**model, "step": step}}
    about |= {"task": parts.data.task.card(), "p": parts.data.p}
    record = RunRecord(cfg.paths.output_dir, resolved, list(overrides), step if cfg.fit else 0, about)
    exit_code = 1
    try:
        module = build_module(parts, cfg.seed, model)
        loaded_at = (max(0, step - 1), epoch)
        measured = {name: Measurement(one, cfg.split, loaded_at) for name, one in parts.instruments.items()}
        clock = Clock(list(measured.values()))
        callbacks = [clock, *make_callbacks(cfg, measured)]  # the clock stops before the final measurements
        trainer = make_trainer(
            cfg,
            logger=make_loggers(cfg, record),
            callbacks=callbacks,
            default_root_dir=cfg.paths.output_dir,
            # without one of its own, Lightning would add a checkpoint callback that writes elsewhere
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        )
        parameters = parameter_table(module.decoder)
        rows = {split: len(indices) for split, indices in parts.data.split.items()}
        device = describe_device(trainer.strategy.root_device)
        record.update(parameters=parameters, rows=rows, leaked_rows=parts.data.leaked(), device=device)
        console.print_setup(parameters, parts.data, cfg.name)
        metrics = fit_and_test(cfg, trainer, module, parts.data, clock)
        metrics |= {name: value for one in measured.values() for name, value in one.metrics.items()}
        step = trainer.global_step if cfg.fit else step
        record.update(status="finished", metrics=metrics, model={**model, "step": step}, **clock.times())
        exit_code = 0
    except BaseException as error:
        stopped = not isinstance(error, Exception)  # Lightning turns Ctrl-C into SystemExit
        reason = "stopped from outside" if stopped else f"{type(error).__name__}: {error}"
        record.update(status="interrupted" if stopped else "failed", error=reason)
        if stopped:
            console.print_interrupted(cfg.paths.output_dir)
        raise
    finally:
        finish_wandb(exit_code)
    console.print_results(metrics, cfg.paths.output_dir, clock.train_seconds)
    return {
        "cfg": cfg, "data": parts.data, "module": module, "trainer": trainer, "record": record, "metrics": metrics
    }  # fmt: skip


def fit_and_test(
    cfg: DictConfig, trainer: pl.Trainer, module: AdditionModule, data: ArithmeticDataModule, clock: Clock
) -> dict[str, float]:
    """Fit (from a checkpoint if one is given), then measure the final weights on validation and test."""
    if cfg.fit:
        trainer.fit(module, datamodule=data, ckpt_path=cfg.ckpt_path)
    ckpt_path = None if cfg.fit else cfg.ckpt_path
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if clock.validated_at != trainer.global_step or not cfg.fit:  # the last epoch may have gone without
        for result in trainer.validate(module, datamodule=data, ckpt_path=ckpt_path, verbose=False):
            metrics |= result
    if cfg.test:
        for result in trainer.test(module, datamodule=data, ckpt_path=ckpt_path, verbose=False):
            metrics |= result
    return metrics


def quiet_libraries() -> None:
    """Keep the terminal for what the user asked for."""
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")  # Lightning 2.6 under torch 2.13
    for name in ("pytorch_lightning", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Ours is no DataLoader and needs no workers.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    # A checkpoint of another run directory: the best score there is not this run's.
    warnings.filterwarnings("ignore", message=".*The dirpath has changed from.*")
