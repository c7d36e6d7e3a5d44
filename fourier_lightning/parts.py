"""What a run is made of: every setting checked, every part built that costs nothing to build."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from fourier_lightning.checkpoint import check_checkpoint, choose_checkpoint, in_place, trained_data
from fourier_lightning.config import check_config
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.defaults import (
    as_it_comes_in_words,
    check_auto_batch,
    check_precision,
    choose_batch,
    choose_size,
    defer_batch,
    make,
)
from fourier_lightning.devices import check_compile, check_devices, check_seeds, check_whole
from fourier_lightning.directory import check_free, differing, in_words, runs_in, settings_in, settings_of
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.base import Instrument
from fourier_lightning.lightning_features import check_callbacks, check_features, check_loggers, complaints
from fourier_lightning.limits import check_limits, check_numbers, check_trainer
from fourier_lightning.mirror.settings import check_wandb
from fourier_lightning.models.arms import ModelSettings, network_config
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.models.saved import check_saved
from fourier_lightning.optim import OptimizerSettings
from fourier_lightning.record.writer import check_history
from fourier_lightning.targets import makes
from fourier_lightning.threads import check_threads


@dataclass(frozen=True)
class Parts:
    """What a run is made of, checked, with no weight read and no file written.

    Attributes:
        network: the configuration of the model; None of an encoder, of which the input table alone is looked at.
        as_it_comes: whether all of the model is the backbone's, and nothing will be written into it.
        dtype: of its blocks.
        notes: what was chosen for this run that its settings left open, in words.
        rank: of this process among those of a run on several devices.
        on_cpu: whether it computes on the CPU.
        compile: torch.compile's mode of the training step, if it is compiled.
    """

    backbone: Backbone
    data: ArithmeticDataModule
    model: ModelSettings
    embedding: EmbeddingSettings
    optimizer: OptimizerSettings
    network: Any
    instruments: dict[str, Instrument]
    as_it_comes: bool = False
    dtype: str = "float32"
    notes: tuple[str, ...] = ()
    rank: int = 0
    on_cpu: bool = True
    compile: str | None = None


def prepare(cfg: DictConfig) -> Parts:
    """Check every setting and build what costs nothing to build. Writes no file.

    What the settings leave to the backbone (``data.max_operand=auto``, ``embedding.tie=null``) and to the device
    (``data.batch_size=auto``) is filled in, in place.

    Raises:
        ConfigError: with one line for each setting that can't work.
    """
    settings = settings_of(cfg)
    auto_batch = defer_batch(cfg)
    notes = choose_size(cfg)
    check_config(cfg)
    check_threads(cfg.threads)
    check_features(cfg)
    optimizer, embedding, model, _ = (make(cfg[name]) for name in ("optimizer", "embedding", "model", "filter"))
    check_callbacks(cfg)
    check_loggers(cfg)
    trainer = make_trainer(cfg, logger=False, callbacks=[], enable_checkpointing=False, enable_progress_bar=False)
    check_devices(cfg, trainer)
    check_compile(cfg, trainer)
    if auto_batch:
        check_auto_batch(cfg, model, trainer)
    backbone = make(cfg.backbone)
    if trainer.global_rank == 0:  # the others find what it has begun
        check_directory(cfg, settings)
        if "wandb" in cfg.logger:
            check_wandb(cfg.logger.wandb, several=cfg.seeds_in_parallel > 1 or in_sweep())
    if cfg.ckpt_path is not None:
        check_checkpoint(cfg)
    check_trainer(cfg, trainer)
    check_prompted(cfg, model)
    data = make_data(cfg, backbone)
    check_limits(cfg, trainer, data)
    if model.body == "pretrained" or embedding.needs_backbone:
        notes += backbone.check(data.vocabulary.token_ids[data.vocabulary.numbers])
    if backbone.is_encoder() and not cfg.fit and model.body == "pretrained":
        return encoder_parts(cfg, backbone, data, model, embedding, optimizer, notes)
    if embedding.tie is None:
        cfg.embedding.tie = model.body == "random" or backbone.config().tie_word_embeddings
        embedding = make(cfg.embedding)
    evaluated = not cfg.fit and cfg.ckpt_path is None
    as_it_comes = evaluated and (model.body, embedding.positions) == ("pretrained", "pretrained")
    check_precision(cfg, as_it_comes)
    longest = max(group.prompt.shape[1] for group in data.examples("test"))
    longest += cfg.callbacks.get("answers", {}).get("most", 0) if data.shots else 0
    network = network_config(backbone, model, embedding, len(data.vocabulary), longest)
    if cfg.ckpt_path is not None:
        check_saved(cfg, network)
    embedding.check(data.p, network.hidden_size)
    instruments = make_instruments(cfg, data, network.hidden_size)
    check_whole(trainer, list(instruments))
    if auto_batch:
        notes += choose_batch(cfg, data, network, trainer)
    check_seeds(cfg, data, model, trainer, network.hidden_size)
    dtype = str(backbone.precision()).removeprefix("torch.") if as_it_comes else "float32"
    notes += (as_it_comes_in_words(backbone, network, dtype),) if as_it_comes else ()
    return Parts(backbone, data, model, embedding, optimizer, network, instruments, as_it_comes, dtype, notes,
                 trainer.global_rank, trainer.strategy.root_device.type == "cpu", cfg.compile)  # fmt: skip


def encoder_parts(cfg: DictConfig, backbone: Backbone, data: ArithmeticDataModule, *settings: Any) -> Parts:
    """The parts of a run that looks at an encoder's input table.

    Raises:
        ConfigError: an instrument that looks at anything else.
    """
    *settings, notes = settings
    instruments = make_instruments(cfg, data, backbone.row_width())
    for name, instrument in instruments.items():
        if not instrument.rows_alone:
            problem = f"{backbone.name} is an encoder: there is no position where an answer would come"
            raise ConfigError(f"callbacks.{name}", problem, "use instruments=embedding_spectrum")
    note = f"{backbone.name} is an encoder: its number rows are looked at, and it is not asked anything"
    return Parts(backbone, data, *settings, None, instruments, as_it_comes=True, notes=(*notes, note))


def make_data(cfg: DictConfig, backbone: Backbone) -> ArithmeticDataModule:
    """The data; of an evaluation those that the model was trained on, and of them what is asked."""
    given = {"tokenizer": backbone.tokenizer(), "seed": cfg.seed, "rows": backbone.rows()}
    if cfg.fit or cfg.ckpt_path is None:
        return make(cfg.data, **given)
    data = make(trained_data(cfg), **given)
    smallest, largest = cfg.data.get("min_operand", data.task.smallest), cfg.data.get("max_operand", data.task.largest)
    data.ask(list(cfg.data.templates), smallest, largest)
    return data


def check_prompted(cfg: DictConfig, model: ModelSettings) -> None:
    """Refuse demonstrations, and digits as the answer, for models that are trained here or know nothing.

    Raises:
        ConfigError: naming the setting.
    """
    for name, usual in (("shots", 0), ("axis", "number")):
        key, asked = f"data.{name}={cfg.data.get(name, usual)}", cfg.data.get(name, usual) != usual
        if asked and cfg.fit:
            raise ConfigError(key, "of a pretrained model as it is, not of one that is trained", "add fit=false")
        if asked and model.body == "random":
            raise ConfigError(key, "a model with a random body has nothing to say", "add model=pretrained")


def check_directory(cfg: DictConfig, settings: Mapping[str, Any]) -> None:
    """Refuse a directory in which another process is running, or that holds a run, unless it is that run which goes on.

    Chooses the checkpoint of ``ckpt_path=auto``, in place. An evaluation that did not finish may begin again.

    Args:
        settings: of this run, see ``directory.settings_of``.
    """
    where = cfg.paths.output_dir
    if not where.strip():
        raise ConfigError("hydra.run.dir=", "empty", "name a directory, or leave it out")
    check_free(where)
    auto, key = cfg.ckpt_path == "auto", f"hydra.run.dir={where}"
    choose_checkpoint(cfg)
    runs, there = runs_in(where), settings_in(where)
    if not runs:
        return
    others = differing(there, settings, limits=True) if there is not None else []  # an older run does not say
    finished = all(run.get("status") == "finished" for run in runs)
    if (auto or in_place(cfg)) and others:
        problem = f"holds a run of other settings ({in_words(others, there or {}, settings)})"
        raise ConfigError(key, problem, "choose another directory, or repeat the settings of that run")
    if in_place(cfg):
        check_history(where)
    elif auto and finished:
        problem = f"{where} holds a finished run, and no checkpoints/last.ckpt to go on from"
        raise ConfigError("ckpt_path=auto", problem, "choose another directory with hydra.run.dir=DIR")
    elif not auto and (cfg.fit or finished or others or there is None):
        go_on = ", or go on with it: ckpt_path=auto" if cfg.fit and not others else ""
        raise ConfigError(key, "holds a run already", f"choose another{go_on}")


def in_sweep() -> bool:
    """Whether this is a job of a sweep by Hydra."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def make_instruments(cfg: DictConfig, data: ArithmeticDataModule, width: int) -> dict[str, Instrument]:
    """The callbacks that measure the model, by node name, checked against the data and the model's width."""
    instruments: dict[str, Instrument] = {}
    for name, node in cfg.callbacks.items():
        if makes(node, Instrument):
            try:
                instruments[str(name)] = make(node)
                instruments[str(name)].check(data.task, width)
            except TypeError as error:  # a key that it needs was removed
                raise ConfigError(f"callbacks.{name}", str(error), f"or remove it with ~callbacks.{name}") from error
            except ConfigError as error:
                # its settings are below its node; those of the filter that it shares are not
                raise error if error.args[0].startswith("filter.") else error.under(f"callbacks.{name}") from error
    return instruments


def make_trainer(cfg: DictConfig, **kwargs: Any) -> pl.Trainer:
    """The Lightning trainer of ``cfg.trainer``; its complaints become ConfigErrors."""
    check_numbers(cfg)
    with complaints("trainer", "correct that key under trainer.*"):
        return make(cfg.trainer, **kwargs)
