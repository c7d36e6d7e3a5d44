"""Several seeds in one fit: ``seeds_in_parallel=5`` leaves the five runs that five commands would leave."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning.callbacks import ProgressBar

from fourier_lightning import console
from fourier_lightning.attached import close_files, make_callbacks, shown
from fourier_lightning.callbacks.clock import Clock
from fourier_lightning.callbacks.finite import Finite
from fourier_lightning.callbacks.measurement import Measurement
from fourier_lightning.callbacks.resume import AtomicCheckpoints
from fourier_lightning.callbacks.seeds import OneOf, Seeds, SeedsLogger
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.devices import seed_dir, seeds_of
from fourier_lightning.directory import settings_of, sole_process, write_settings
from fourier_lightning.failures import ended
from fourier_lightning.limits import rows_used
from fourier_lightning.mirror.ending import finish_wandb
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.models.arms import parameter_table
from fourier_lightning.models.stacked import StackedModule
from fourier_lightning.parts import Parts, make, make_instruments, make_trainer, prepare
from fourier_lightning.record.models import new_card
from fourier_lightning.record.writer import RunRecord, describe_device
from fourier_lightning.run import build_module, fit_and_test, make_loggers, quiet_libraries
from fourier_lightning.targets import makes
from fourier_lightning.threads import thread_count
from fourier_lightning.values import key_of


@dataclass(frozen=True)
class SeedRun(OneOf):
    """A seed with what its run leaves."""

    record: RunRecord
    card: dict[str, Any]
    measured: dict[str, Measurement]


@dataclass(frozen=True, repr=False, eq=False)
class SeedsResult:
    """What ``train_seeds`` returns: the metrics are means over seeds, the module has all of their models."""

    run_dir: Path
    metrics: dict[str, float]
    data: ArithmeticDataModule
    module: StackedModule
    trainer: pl.Trainer
    ones: list[SeedRun]


def train_seeds(cfg: DictConfig, overrides: Sequence[str] = (), verbose: bool = True) -> SeedsResult:
    """Run one job of several seeds, ``cfg.seed`` and those after it.

    Args:
        cfg, overrides, verbose: as ``run.train`` takes them.

    Raises:
        ConfigError: before anything is written.
    """
    quiet_libraries()
    settings = settings_of(cfg)
    parts = prepare(cfg)
    with thread_count(cfg, None, parts.on_cpu) as notes, sole_process(cfg.paths.output_dir):
        parts = replace(parts, notes=(*parts.notes, *notes))
        write_settings(cfg.paths.output_dir, settings)
        return carry_out_seeds(cfg, parts, settings, overrides, verbose)


def carry_out_seeds(
    cfg: DictConfig, parts: Parts, settings: Mapping[str, Any], overrides: Sequence[str], verbose: bool
) -> dict[str, Any]:
    """Run one job of several seeds whose settings are checked: what ``train_seeds`` returns.

    Args:
        settings: see ``directory.settings_of``.
    """
    parts.data.seeds = seeds_of(cfg)
    ones: list[SeedRun] = []
    exit_code, stopped = 1, False
    try:
        for index, seed in enumerate(parts.data.seeds):
            write_settings(seed_dir(cfg, seed), {**settings, "seed": seed, "seeds_in_parallel": 1})
            ones.append(begin(own_settings(cfg, seed), parts, overrides, seed, index))
        module = StackedModule([one.model for one in ones], parts.data.seeds)  # type: ignore[misc]
        clock = Clock([measurement for one in ones for measurement in one.measured.values()])
        bars = shown([make(node) for node in cfg.callbacks.values() if makes(node, ProgressBar)], cfg, verbose)
        trainer = make_trainer(
            cfg,
            logger=SeedsLogger(ones),
            callbacks=[clock, Seeds(ones), *bars],
            default_root_dir=cfg.paths.output_dir,
            enable_checkpointing=False,  # each seed's own do
            **({} if verbose else {"enable_progress_bar": False}),
        )
        trainer.strategy.checkpoint_io = AtomicCheckpoints()
        parameters = parameter_table(ones[0].model.decoder)
        rows = rows_used(trainer, parts.data)
        device = describe_device(trainer.strategy.root_device)
        for one in ones:
            one.record.update(parameters=parameters, rows=rows, leaked_rows=parts.data.leaked(), device=device)
        if verbose:
            console.print_setup(parameters, parts.data, f"{len(ones)} seeds as one", parts.notes)
        found = fit_and_test(cfg, trainer, module, parts.data, clock)
        for one in ones:
            metrics = one.mine(found) | {k: v for each in one.measured.values() for k, v in each.metrics.items()}
            model = {**one.card, "step": trainer.global_step}
            one.record.update(status="finished", metrics=metrics, model=model, **clock.times())
        exit_code = 0
    except BaseException as error:
        stopped = ended(error, [one.record for one in ones], cfg.paths.output_dir, verbose)
        raise
    finally:
        for one in ones:
            close_files(one.loggers, one.record.run["metrics"])
        mirrors = [logger for one in ones for logger in one.loggers if isinstance(logger, MirrorLogger)]
        where_to_look = finish_wandb(exit_code, stopped, [mirror.experiment for mirror in mirrors])
    means = {name: sum(one.record.run["metrics"][name] for one in ones) / len(ones) for name in metrics}
    if verbose:
        console.print_seeds({one.seed: one.record.run["metrics"] for one in ones}, cfg.paths.output_dir,
                            clock.train_seconds)  # fmt: skip
        print(where_to_look, end="")
    return SeedsResult(Path(cfg.paths.output_dir), means, parts.data, module, trainer, ones)


def own_settings(cfg: DictConfig, seed: int) -> DictConfig:
    """The settings that a seed would have alone, in a directory below the run's; one W&B group for all of them."""
    own = copy.deepcopy(cfg)
    with open_dict(own):
        own.seed, own.seeds_in_parallel = seed, 1
        own.paths.output_dir = str(seed_dir(cfg, seed))
        own.group = cfg.group or Path(cfg.paths.output_dir).name
    return own


def begin(cfg: DictConfig, parts: Parts, overrides: Sequence[str], seed: int, index: int) -> SeedRun:
    """A seed's record, model, instruments and loggers."""
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    card = new_card(resolved)
    about = {"id": card["id"], "arm": card["arm"], "model": {**card, "step": 0}}
    about |= {"task": parts.data.task.card(), "p": parts.data.p}
    mine = [one for one in overrides if key_of(one) not in ("seed", "seeds_in_parallel")]
    record = RunRecord(cfg.paths.output_dir, resolved, [*mine, f"seed={seed}"], about=about)
    model = build_module(parts, seed, card)
    instruments = make_instruments(cfg, parts.data, parts.network.hidden_size)
    measured = {name: Measurement(one, cfg.split) for name, one in instruments.items()}
    callbacks = [Finite(), *make_callbacks(cfg, measured, bar=False)]
    return SeedRun(seed, index, model, callbacks, make_loggers(cfg, record, beside=True), record, card, measured)
