"""The command line: Hydra around ``run.train``, and every foreseeable error as one line with exit code 2."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning.config import CONF_DIR, load_config, register_resolvers, suggestion
from fourier_lightning.errors import ConfigError

_sweep_dirs: list[Path] = []  # of the sweep that this process runs, if it runs one


class Lifecycle(Callback):
    """Hydra calls this before it makes a run directory, and when a sweep starts."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        """Refuse bad settings while nothing is on disk yet."""
        from fourier_lightning.run import prepare, quiet_libraries

        quiet_libraries()
        settings = config.copy()
        settings.pop("hydra")
        settings.paths.output_dir = config.hydra.run.dir
        try:
            prepare(settings)
        except ConfigError as error:
            # Hydra turns an Exception of a callback into a warning; SystemExit passes.
            raise SystemExit(fail(error)) from error

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Remember where the sweep lies: its summary is written also when a job fails."""
        _sweep_dirs.append(Path(config.hydra.sweep.dir))


def job(cfg: DictConfig) -> float | None:
    """One job. Returns the validation accuracy, for Hydra sweepers that optimise."""
    from fourier_lightning.run import train

    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN and cfg.group is None:
        cfg.group = Path(settings.sweep.dir).name
    try:
        return train(cfg, overrides=list(settings.overrides.task))["metrics"].get("val/accuracy")
    except ConfigError as error:
        if settings.mode == RunMode.MULTIRUN:  # the sweep goes on; say at once which job can't
            fail(error, prefix=f"job {settings.job.num}: ")
        raise


def fail(error: Exception, prefix: str = "") -> int:
    """Print an error's line(s) and return the exit code."""
    print("\n".join(f"error: {prefix}{line}" for line in str(error).splitlines()), file=sys.stderr)
    return 2


def main() -> None:
    """Entry point of ``train.py`` and of the console command."""
    register_resolvers()
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises, so that the lines and the exit code are ours
    code: int | None = None
    try:
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="train")(job)()
    except ConfigError as error:
        code = 2 if _sweep_dirs else fail(error)  # a sweep has said it already
    except (HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        code = fail(ConfigError(*explain(error)))
    finally:
        for sweep_dir in _sweep_dirs:
            if sweep_dir.is_dir():
                show_summary(sweep_dir)
    if code:
        raise SystemExit(code)


def show_summary(sweep_dir: Path) -> None:
    """Print and write the sweep's table."""
    from fourier_lightning.console import print_rows
    from fourier_lightning.tracking.sweep import write_summary

    rows = write_summary(sweep_dir)
    if rows:
        print_rows(rows, f"Sweep of {sum(r['seeds'] + r['failed'] for r in rows)} jobs: {sweep_dir}")


def explain(error: Exception) -> tuple[str, str, str]:
    """(key, problem, remedy) of an error from Hydra or OmegaConf while it composes the configuration."""
    text = " ".join(str(error).split("Config search path")[0].split())
    cause = error.__cause__
    quoted = text.split("'")[1] if "'" in text else "config"
    if "Could not override" in text or ("Key" in text and "not in" in text):
        key = getattr(error, "full_key", None) or getattr(cause, "full_key", None) or quoted
        return key, "no such setting", suggestion(key, known_keys())
    if "Could not find" in text:
        group, _, option = text.split("Could not find '")[-1].split("'")[0].partition("/")
        available = text.partition("Available options in")[2].partition(":")[2].split()
        remedy = f"choose from {', '.join(available)}" if available else "see python train.py --help"
        return f"{group}={option}" if option else group, "no such choice", remedy
    return "command line", text, "see python train.py --help"


def known_keys() -> list[str]:
    """Every key of the default configuration, dotted, and every config group."""
    from omegaconf import OmegaConf

    keys: list[str] = [d.name for d in CONF_DIR.iterdir() if d.is_dir()]

    def walk(prefix: str, node: object) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            keys.append(f"{prefix}{key}")
            walk(f"{prefix}{key}.", value)

    walk("", OmegaConf.to_container(load_config(), resolve=False))
    return keys
