"""What can work in no job of a sweep is refused once, before the first of them begins."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning.checkpoint import no_file
from fourier_lightning.config import take_settings
from fourier_lightning.errors import ConfigError, refuse

# A device that every machine has: the one that starts the jobs need not be the one that they run on.
ONE_CPU = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "32-true"}


def check_jobs(config: DictConfig) -> None:
    """Refuse a sweep of which no job can work, or that names a checkpoint which isn't there.

    What depends on a job's device or directory is left to the job. Looks at jobs until one can work: mostly the first.

    Args:
        config: the sweep's, with Hydra's node.

    Raises:
        ConfigError: what the jobs would say.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    if not config.hydra.sweeper._target_.endswith(
        (".BasicSweeper", ".ResumingSweeper")
    ):  # others choose their jobs on the way
        return
    loader, parser = GlobalHydra.instance().config_loader(), OverridesParser.create()
    typed: list[str] = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)  # type: ignore[assignment]
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    try:
        (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides([*params, *typed]), None)
        check_checkpoints(config, jobs)
        check_first(jobs, lambda job: loader.load_sweep_config(config, list(job)))
    except (HydraException, OmegaConfBaseException):  # what can't be composed Hydra says itself
        return


def check_checkpoints(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    """Refuse checkpoints that are not there.

    Raises:
        ConfigError: one line for each.
    """
    parser, missing = OverridesParser.create(), {}
    given = dict.fromkeys(one for job in jobs for one in job if one.startswith("ckpt_path="))
    paths = [parser.parse_override(one).value() for one in given] or [config.get("ckpt_path")]
    for path in paths:
        if isinstance(path, str) and path != "auto" and not os.path.isfile(path):  # noqa: PTH113  # of any text
            missing[path] = no_file(path)
    refuse(missing.values())


def check_first(jobs: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], DictConfig]) -> None:
    """Refuse a sweep none of whose jobs can work.

    Raises:
        ConfigError: what the first of them says.
    """
    first: ConfigError | None = None
    for job in jobs:
        error = why_not(compose(job))
        if error is None:
            return
        first = first or error
    if first is not None:
        raise first


def why_not(config: DictConfig) -> ConfigError | None:
    """Why a job can't work, on one CPU and in a directory of its own; None if it can."""
    from fourier_lightning.commands.train import own
    from fourier_lightning.run import prepare, quiet_libraries

    quiet_libraries()
    before, where = HydraConfig.instance().cfg, Path(config.hydra.sweep.dir) / ".job"  # no job is called that
    with open_dict(config):
        config.hydra.job.id, config.hydra.job.num = "0", 0
        config.hydra.runtime.output_dir = str(where)
    HydraConfig.instance().set_config(config)  # for ${hydra:...}
    try:
        settings, overrides = own(config, str(where))
        if isinstance(settings.get("trainer"), DictConfig):
            settings.trainer = {**settings.trainer, **ONE_CPU}
        if OmegaConf.select(settings, "data.batch_size") == "auto":
            settings.data.batch_size = 1
        settings.compile = None
        take_settings(settings, overrides)
        prepare(settings)
    except ConfigError as error:
        return error
    finally:
        HydraConfig.instance().cfg = before
    return None
