"""``train``: Hydra around ``run.train``, and every foreseeable error as one line with exit code 2."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning.commands.mistakes import check_options, explain
from fourier_lightning.config import CONF_DIR, register_resolvers, take_settings
from fourier_lightning.errors import ConfigError, fail


@dataclass
class Session:
    """How far this process has come: Hydra calls the hooks and jobs below with no other thread between them."""

    job_started: bool = False
    sweep_dir: Path | None = None


_session = Session()


class Lifecycle(Callback):
    """Hydra calls this before it makes a run directory, and when a sweep starts."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        """Refuse bad settings while nothing is on disk yet."""
        from fourier_lightning.run import prepare, quiet_libraries

        quiet_libraries()
        settings = config.copy()
        OmegaConf.set_struct(settings, False)
        overrides = list(settings.pop("hydra").overrides.task)
        OmegaConf.update(settings, "paths.output_dir", config.hydra.run.dir)
        try:
            take_settings(settings, overrides)
            prepare(settings)
        except ConfigError as error:
            # Hydra turns an Exception of a callback into a warning; SystemExit passes.
            raise SystemExit(fail(error)) from error

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Remember where the sweep lies: its summary is written also when a job fails."""
        where = Path(config.hydra.sweep.dir)
        try:
            if not config.hydra.sweep.dir.strip():
                raise ConfigError("hydra.sweep.dir=", "empty", "name a directory, or leave it out")
            if (where / "record" / "run.json").is_file():
                raise ConfigError(f"hydra.sweep.dir={where}", "holds a run already", "choose another")
        except ConfigError as error:
            raise SystemExit(fail(error)) from error
        _session.sweep_dir = where


def job(cfg: DictConfig) -> float | None:
    """One job. Returns the validation accuracy, for Hydra sweepers that optimise."""
    from fourier_lightning.run import train
    from fourier_lightning.seeds import train_seeds

    _session.job_started = True
    settings = HydraConfig.get()
    in_sweep = settings.mode == RunMode.MULTIRUN
    if in_sweep and cfg.get("group") is None:
        cfg.group = Path(settings.sweep.dir).name
    overrides = list(settings.overrides.task)
    try:
        take_settings(cfg, overrides)
        run = train if cfg.seeds_in_parallel == 1 else train_seeds
        return run(cfg, overrides, verbose=True)["metrics"].get("val/accuracy")
    except ConfigError as error:
        if in_sweep:  # the sweep goes on; say at once which job can't
            fail(error, prefix=f"job {settings.job.num}: ")
        raise
    except Exception:
        if in_sweep:  # Hydra shows the first failure alone, and that when all is over
            logging.getLogger(__name__).exception("job %s failed", settings.job.num)
        raise


def main(argv: Sequence[str]) -> None:
    """Command line: Hydra's, see ``conf/hydra/help``."""
    check_options(argv)
    register_resolvers()
    _session.job_started, _session.sweep_dir = False, None
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises, so that the lines and the exit code are ours
    called, sys.argv = sys.argv, [sys.argv[0], *argv]  # Hydra reads them there
    code = 0
    try:
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="train")(job)()
    except ConfigError as error:
        code = 2 if _session.sweep_dir else fail(error)  # in a sweep each job has said its own
    except Exception as error:
        composing = isinstance(error, (HydraException, OmegaConfBaseException))
        if has_jobs(_session.sweep_dir) and not composing:  # a job's own traceback is out already
            print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
            code = 1
        elif _session.job_started or traceback_wanted == "1":  # not the command line's fault: show where it happened
            raise
        else:
            code = fail(explain(error))
    finally:
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
    return sweep_dir is not None and sweep_dir.is_dir() and any(path.is_dir() for path in sweep_dir.iterdir())


def close_sweep(sweep_dir: Path) -> None:
    """Print and write the sweep's table; leave nothing behind of a sweep whose settings were refused."""
    from fourier_lightning.console import print_rows
    from fourier_lightning.readings.contrasts import unequal_arms
    from fourier_lightning.readings.seeds import finished
    from fourier_lightning.record.sweep import jobs, write_summary

    if not has_jobs(sweep_dir):
        (sweep_dir / "multirun.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in there
            sweep_dir.rmdir()
        return
    rows = write_summary(sweep_dir)
    print_rows(rows, f"Sweep of {sum(r['seeds'] + r['failed'] for r in rows)} jobs: {sweep_dir}")
    if told := unequal_arms(finished(jobs(sweep_dir))):
        print(f"No equal contrast: {told}")
    print(f"To compare its arms: fourier-lightning report {sweep_dir}")
