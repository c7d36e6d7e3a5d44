"""One run: check, build, fit, test, record, clean up."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers.logger import DummyLogger
from transformers.initialization import no_init_weights

from fourier_lightning import console
from fourier_lightning.allocator import keep_freed_memory
from fourier_lightning.attached import begun, close_files, make_callbacks
from fourier_lightning.callbacks.clock import Clock
from fourier_lightning.callbacks.finite import Finite
from fourier_lightning.callbacks.interrupt import keyboard_interrupts
from fourier_lightning.callbacks.measurement import Measurement
from fourier_lightning.callbacks.resume import AtomicCheckpoints, FitLoop, Resume
from fourier_lightning.checkpoint import in_place, load_checkpoint
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.devices import other_ranks, settings_from_rank_zero
from fourier_lightning.directory import settings_of, sole_process, write_settings
from fourier_lightning.errors import ConfigError
from fourier_lightning.failures import ended
from fourier_lightning.limits import rows_used
from fourier_lightning.mirror.ending import finish_wandb
from fourier_lightning.models.arms import initialise, parameter_table
from fourier_lightning.models.module import AdditionModule, TableModule
from fourier_lightning.parts import Parts, make, make_trainer, prepare
from fourier_lightning.quiet import quiet_libraries
from fourier_lightning.record.logger import RecordLogger
from fourier_lightning.record.models import new_card
from fourier_lightning.record.result import TrainingResult
from fourier_lightning.record.writer import RunRecord, describe_device
from fourier_lightning.threads import thread_count


def build_module(parts: Parts, seed: int, run: dict[str, Any] | None = None) -> AdditionModule | TableModule:
    """The LightningModule with its starting weights; the same seed gives the same weights.

    Args:
        run: the identity card that its checkpoints shall carry.
    """
    pl.seed_everything(seed, workers=True, verbose=False)
    vocabulary = parts.data.vocabulary
    if parts.network is None:
        return TableModule(parts.backbone.load_table().weight.detach()[vocabulary.token_ids].float())
    # Of a backbone as it comes nothing is random: memory that is not written costs nothing.
    with no_init_weights() if parts.as_it_comes else nullcontext():
        module = AdditionModule(
            network=parts.network.to_dict(),
            token_ids=vocabulary.token_ids.tolist(),
            numbers=vocabulary.numbers.tolist(),
            optimizer=asdict(parts.optimizer),
            freeze_table=parts.embedding.freeze,
            loss=parts.model.loss,
            run=run,
            cyclic=parts.data.task.cyclic,
            dtype=parts.dtype,
        )
    initialise(module.decoder, parts.backbone, vocabulary, parts.model, parts.embedding, seed, share=parts.as_it_comes)
    if parts.compile:
        module.compile_training(parts.compile)
    return module


def build_trainer(
    cfg: DictConfig, parts: Parts, loaded: Mapping[str, Any], loggers: list[Any], verbose: bool
) -> tuple[pl.Trainer, Clock, dict[str, Measurement], Resume]:
    """The trainer, its clock, its instruments by node name, and what it takes up of the checkpoint ``loaded``."""
    loaded_at = (max(0, loaded["global_step"] - 1), loaded["epoch"])
    measured = {name: Measurement(one, cfg.split, loaded_at) for name, one in parts.instruments.items()}
    clock = Clock(list(measured.values()))
    resume = Resume(loaded if cfg.fit else {}, measured, clock)
    # the clock stops before the final measurements
    callbacks = [Finite(), clock, resume, *make_callbacks(cfg, measured, verbose)]
    trainer = make_trainer(
        cfg,
        logger=loggers,
        callbacks=callbacks,
        default_root_dir=cfg.paths.output_dir,
        # without one of its own, Lightning would add a checkpoint callback that writes elsewhere
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        **({} if verbose else {"enable_progress_bar": False}),
    )
    trainer.strategy.checkpoint_io = AtomicCheckpoints()
    trainer.fit_loop = FitLoop.of(trainer)
    return trainer, clock, measured, resume


def make_loggers(cfg: DictConfig, record: RunRecord, beside: bool = False) -> list[Any]:
    """The record's logger, then whatever ``logger=`` asks for; ``beside`` those of other seeds."""
    resolved = OmegaConf.to_container(cfg, resolve=True)
    extra = {"wandb": {"record": record, "config": {**resolved, "p": record.run["p"]}, "beside": beside}}
    loggers = [make(node, **extra.get(name, {})) for name, node in cfg.logger.items()]
    return [RecordLogger(record), *begun((logger for logger in loggers if logger is not None), resolved, record)]


def train(cfg: DictConfig, overrides: Sequence[str] = (), verbose: bool = True) -> TrainingResult:
    """Run one job.

    Args:
        cfg: the composed configuration (``config.load_config`` or Hydra); it is not changed.
        overrides: the command-line overrides that made it, for the record.
        verbose: print what trains, a progress bar and the results, as the command line does; false prints nothing.

    Raises:
        ConfigError: before anything is written.
        KeyboardInterrupt: as it came. The record says "interrupted"; ``ckpt_path=auto`` goes on.
    """
    if not isinstance(cfg, DictConfig):
        raise TypeError(f"train takes a configuration, not {type(cfg).__name__}; give it load_config([...])")
    cfg = deepcopy(cfg)
    quiet_libraries()
    if cfg.seeds_in_parallel > 1:
        raise ConfigError(f"seeds_in_parallel={cfg.seeds_in_parallel}", "train has one", "call seeds.train_seeds")
    settings = settings_of(cfg)
    parts = prepare(cfg)
    loaded = load_checkpoint(cfg.ckpt_path) if cfg.ckpt_path else {"global_step": 0, "epoch": 0}
    saved = loaded.get("resume", {}).get("threads") if cfg.fit else None
    with thread_count(cfg, saved, parts.on_cpu) as notes:
        parts = replace(parts, notes=(*parts.notes, *notes))
        if parts.rank or cfg.trainer.get("fast_dev_run"):
            return take_part(cfg, parts, loaded, verbose)
        with sole_process(cfg.paths.output_dir):
            return carry_out(cfg, parts, settings, loaded, overrides, verbose)


def carry_out(
    cfg: DictConfig,
    parts: Parts,
    settings: Mapping[str, Any],
    loaded: Mapping[str, Any],
    overrides: Sequence[str],
    verbose: bool,
) -> TrainingResult:
    """Run one job whose settings are checked: what ``train`` returns.

    Args:
        settings: see ``directory.settings_of``.
        loaded: the checkpoint that it takes.
    """
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    step = loaded["global_step"]
    card = new_card(resolved)
    if in_place(cfg):  # the same run, and its model
        card["id"] = loaded["hyper_parameters"]["run"]["id"]
    model = loaded["hyper_parameters"]["run"] if cfg.ckpt_path and not cfg.fit else card  # an evaluation is no model
    about = {"id": card["id"], "arm": model["arm"], "model": {**model, "step": step}}
    about |= {"task": parts.data.task.card(), "p": parts.data.p}
    epoch_end = loaded.get("resume", {}).get("epoch_end")
    try:
        write_settings(cfg.paths.output_dir, settings)
        record = RunRecord(cfg.paths.output_dir, resolved, list(overrides), step if cfg.fit else 0, about, epoch_end)
    except OSError as error:
        problem, remedy = error.strerror or str(error), "make room, or choose a directory that can be written"
        raise ConfigError(f"hydra.run.dir={cfg.paths.output_dir}", problem, remedy) from error
    exit_code, stopped, loggers = 1, False, []
    try:
        module = build_module(parts, cfg.seed, model)
        loggers = make_loggers(cfg, record)
        trainer, clock, measured, resume = build_trainer(cfg, parts, loaded, loggers, verbose)
        parameters, rows = parameter_table(module.decoder), rows_used(trainer, parts.data)
        device = describe_device(trainer.strategy.root_device, trainer.world_size)
        record.update(parameters=parameters, rows=rows, leaked_rows=parts.data.leaked(), device=device)
        if verbose:
            console.print_setup(parameters, parts.data, cfg.name, parts.notes)
        with other_ranks(cfg, trainer, lambda reason: record.update(status="failed", error=reason)):
            metrics = resume.metrics | fit_and_test(cfg, trainer, module, parts.data, clock)
        metrics |= {name: value for one in measured.values() for name, value in one.metrics.items()}
        step = trainer.global_step if cfg.fit else step
        record.update(status="finished", metrics=metrics, model={**model, "step": step}, **clock.times())
        exit_code = 0
    except BaseException as error:
        stopped = ended(error, [record], cfg.paths.output_dir, verbose)
        raise
    finally:
        close_files(loggers, record.run["metrics"])
        where_to_look = finish_wandb(exit_code, at_once=stopped)
    if verbose:
        console.print_results(metrics, cfg.paths.output_dir, clock.train_seconds)
        print(where_to_look, end="")
    return TrainingResult(Path(cfg.paths.output_dir), metrics, cfg, parts.data, module, trainer, record)


def take_part(cfg: DictConfig, parts: Parts, loaded: Mapping[str, Any], verbose: bool = False) -> TrainingResult:
    """The work of a run without its record, loggers and instruments: on a further device, or as ``fast_dev_run``."""
    module = build_module(parts, cfg.seed)
    # some callbacks ask for a logger
    trainer, clock, _, _ = build_trainer(cfg, parts, loaded, [DummyLogger()], verbose and not parts.rank)
    with other_ranks(cfg, trainer, print):
        metrics = fit_and_test(cfg, trainer, module, parts.data, clock)
    if verbose and not parts.rank:
        console.print_tried(int(cfg.trainer.fast_dev_run))
    return TrainingResult(Path(cfg.paths.output_dir), metrics, cfg, parts.data, module, trainer, record=None)


def join() -> None:
    """A process that ``devices.other_ranks`` has started."""
    keep_freed_memory()
    train(settings_from_rank_zero())


@keyboard_interrupts()
def fit_and_test(
    cfg: DictConfig, trainer: pl.Trainer, module: pl.LightningModule, data: ArithmeticDataModule, clock: Clock
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
