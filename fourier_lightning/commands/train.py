"""``train``: Hydra around ``run.train``, and every foreseeable error as one line with exit code 2."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning import targets
from fourier_lightning.allocator import keep_freed_memory
from fourier_lightning.commands.alike import check_jobs
from fourier_lightning.commands.files import check_packages
from fourier_lightning.commands.guard import check_hydra
from fourier_lightning.commands.jobs import from_where_it_was_typed, go_on, take_device
from fourier_lightning.commands.mistakes import explain
from fourier_lightning.commands.options import settings_first
from fourier_lightning.commands.sigterm import ended_by_sigterm
from fourier_lightning.config import CONF_DIR, register_resolvers, take_settings
from fourier_lightning.errors import ConfigError, fail, give_up, output_failed, unusable
from fourier_lightning.idle import check_idle
from fourier_lightning.terminal import our_command


@dataclass
class Session:
    """How far this process has come: Hydra calls the hooks and jobs below with no other thread between them."""

    job_started: bool = False
    sweep_dir: Path | None = None
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)  # the run directory, until it is over


_session = Session()


class Lifecycle(Callback):
    """Hydra calls this before it makes a run directory, and when a sweep starts."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        """Refuse bad settings while nothing is on disk yet."""
        from fourier_lightning.directory import nothing_left, sole_process
        from fourier_lightning.run import prepare, quiet_libraries

        quiet_libraries()
        try:
            if jobs := config.hydra.sweeper.get("params"):
                chosen = config.hydra.runtime.choices.get("sweep")
                key = f"sweep={chosen}" if chosen else "hydra.sweeper.params"
                raise ConfigError(key, f"a list of jobs ({', '.join(map(str, jobs))})", "add -m to run them")
            settings, overrides = own(config, config.hydra.run.dir)
            take_settings(settings, overrides)
            if nothing_left(settings) is not None:
                print(nothing_to_do(settings))
                raise SystemExit(0)
            parts = prepare(settings)
            check_idle(settings, overrides)
            if parts.rank == 0:  # before Hydra writes into it
                _session.held.enter_context(sole_process(settings.paths.output_dir))
        except ConfigError as error:
            # Hydra turns an Exception of a callback into a warning; SystemExit passes.
            raise SystemExit(fail(error)) from error
        except OSError as error:  # a path that is too long, or that may not be looked at
            raise SystemExit(fail(unusable(error))) from error

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Remember where the sweep lies: its summary is written also when a job fails."""
        where = Path(config.hydra.sweep.dir)
        try:
            if not config.hydra.sweep.dir.strip():
                raise ConfigError("hydra.sweep.dir=", "empty", "name a directory, or leave it out")
            if (where / "record" / "run.json").is_file():
                raise ConfigError(f"hydra.sweep.dir={where}", "holds a run already", "choose another")
            settings, overrides = own(config, config.hydra.sweep.dir)
            given = OverridesParser.create().parse_overrides(overrides)
            params = config.hydra.sweeper.get("params") or {}
            if targets.FLAG in params and targets.FLAG not in [one.key_or_group for one in given]:
                raise targets.not_by_a_file()
            swept = [*(one.key_or_group for one in given if one.is_sweep_override()), *params]
            listed = (f"{key}={value}" for key, value in params.items())
            check_idle(settings, [*overrides, *listed], swept)
            check_jobs(config)
        except ConfigError as error:
            raise SystemExit(fail(error)) from error
        except OSError as error:
            raise SystemExit(fail(unusable(error))) from error
        _session.sweep_dir = where

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: object) -> None:
        """Let go of a job's settings: launchers keep what jobs return until the sweep is over, megabytes of each."""
        job_return.cfg = job_return.hydra_cfg = None


def own(config: DictConfig, where: str) -> tuple[DictConfig, list[str]]:
    """The settings of a run in a directory, without Hydra's, and its overrides."""
    settings = config.copy()
    OmegaConf.set_struct(settings, False)
    hydra = settings.pop("hydra")
    check_packages(settings, hydra)
    overrides = as_typed(hydra.overrides.task)
    OmegaConf.update(settings, "paths.output_dir", where)
    return settings, overrides


def as_typed(overrides: ListConfig) -> list[str]:
    """A run's overrides, their ${...} as they were typed."""
    return OmegaConf.to_container(overrides, resolve=False)  # type: ignore[return-value]


def job(cfg: DictConfig) -> float | None:
    """One job. Returns the validation accuracy, for Hydra sweepers that optimise."""
    from fourier_lightning.directory import nothing_left
    from fourier_lightning.run import train
    from fourier_lightning.seeds import train_seeds

    _session.job_started = True
    register_resolvers()  # a launcher's process has not been through main
    keep_freed_memory()
    settings = HydraConfig.get()
    in_sweep = settings.mode == RunMode.MULTIRUN
    overrides = as_typed(settings.overrides.task)
    try:
        from_where_it_was_typed(cfg, settings.runtime.cwd)
        if in_sweep:
            join_sweep(cfg, settings)
        check_packages(cfg, settings)
        take_settings(cfg, overrides)
        if (metrics := nothing_left(cfg)) is not None:
            print(nothing_to_do(cfg))
            return metrics.get("val/accuracy")
        run = train if cfg.seeds_in_parallel == 1 else train_seeds
        with ended_by_sigterm():
            return run(cfg, overrides, verbose=True).metrics.get("val/accuracy")
    except KeyboardInterrupt as stop:
        raise SystemExit(1) from stop
    except ConfigError as error:
        if not in_sweep:  # Hydra would print a line of its own
            raise SystemExit(fail(error)) from error
        fail(error, prefix=f"job {settings.sweep.subdir}: ")  # the sweep goes on; say at once which job can't
        raise
    except Exception as error:
        if output_failed(error):  # nor is anything more to be said of other jobs
            raise SystemExit(give_up(error)) from error
        if in_sweep:  # Hydra shows the first failure alone, and that when all is over
            logging.getLogger(__name__).exception("job %s failed", settings.sweep.subdir)
        raise


def nothing_to_do(cfg: DictConfig) -> str:
    """What is said of a run that has finished, and is asked to go on by whoever starts it again and again."""
    return f"{cfg.paths.output_dir}: finished already, and nothing is left to do"


def join_sweep(cfg: DictConfig, settings: DictConfig) -> None:
    """Make a run one of its sweep's, in place, in whatever process a launcher has put it.

    Args:
        cfg: the job's configuration.
        settings: Hydra's.
    """
    if cfg.get("group") is None:
        cfg.group = Path(settings.sweep.dir).name
    if OmegaConf.select(cfg, "trainer.devices") == 1 and OmegaConf.select(cfg, "trainer.accelerator") != "cpu":
        take_device()
    if not settings.launcher._target_.endswith(".BasicLauncher"):
        cfg.trainer.enable_progress_bar = False  # in a file, or one among others
    if "SUBMITIT_EXECUTOR" in os.environ:
        go_on(cfg)


def main(argv: Sequence[str]) -> None:
    """Command line: Hydra's, see ``conf/hydra/help``."""
    argv = settings_first(argv)
    register_resolvers()
    _session.job_started, _session.sweep_dir = False, None
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises, so that the lines and the exit code are ours
    called, sys.argv = sys.argv, [sys.argv[0], *argv]  # Hydra reads them there
    code = 0
    try:
        check_hydra(argv)
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="train")(job)()
    except ConfigError as error:
        code = error.code if _session.sweep_dir else fail(error)  # in a sweep each job has said its own
    except Exception as error:
        if output_failed(error):
            raise
        composing = isinstance(error, (HydraException, OmegaConfBaseException))
        if has_jobs(_session.sweep_dir) and not composing:  # a job's own traceback is out already
            print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
            code = 1
        elif _session.job_started or traceback_wanted == "1":  # not the command line's fault: show where it happened
            raise
        else:
            code = fail(explain(error, argv))
    finally:
        _session.held.close()
        sys.argv = called
        os.environ.pop("HYDRA_FULL_ERROR")
        if traceback_wanted is not None:
            os.environ["HYDRA_FULL_ERROR"] = traceback_wanted
        if _session.sweep_dir is not None and _session.sweep_dir.is_dir():
            close_sweep(_session.sweep_dir)
    if code:
        raise SystemExit(code)


def has_jobs(sweep_dir: Path | None) -> bool:
    """Whether a job of the sweep has begun."""
    if sweep_dir is None or not sweep_dir.is_dir():
        return False
    return any(path.is_dir() and not path.name.startswith(".") for path in sweep_dir.iterdir())  # .submitit is no job


def close_sweep(sweep_dir: Path) -> None:
    """Print and write the sweep's table; leave nothing behind of a sweep whose settings were refused."""
    from fourier_lightning.console import print_sweep
    from fourier_lightning.readings.contrasts import unequal_arms
    from fourier_lightning.readings.seeds import finished
    from fourier_lightning.record.runs import label_runs
    from fourier_lightning.record.sweep import jobs, write_summary

    if not has_jobs(sweep_dir):
        (sweep_dir / "multirun.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in there
            sweep_dir.rmdir()
        return
    runs = jobs(sweep_dir)
    if not runs:  # none has begun, or each was a fast_dev_run
        return
    label_runs(runs)
    print_sweep(write_summary(sweep_dir), runs, sweep_dir)
    if told := unequal_arms(finished(runs)):
        print(f"No equal contrast: {told}")
    print(f"To compare its arms: {our_command('report', sweep_dir)}")
