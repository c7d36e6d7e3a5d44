"""Where the jobs of a sweep run: each in the directory of its own run, whatever its number."""

import itertools
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fourier_lightning.commands.train import nothing_to_do, own
from fourier_lightning.config import take_settings
from fourier_lightning.directory import (
    check_free,
    differing,
    nothing_left,
    runs_in,
    settings_in,
    settings_of,
    sole_process,
    unlike,
    write_settings,
)
from fourier_lightning.errors import ConfigError, fail
from fourier_lightning.record.files import natural


@dataclass
class Places:
    """Where the jobs of a sweep run.

    Attributes:
        names: of the directories, by the job's number; without the jobs that are not to run.
        reserved: directories that were made for runs which the sweep did not have.
        refused: an error for each job that another process is running.
    """

    names: dict[int, str] = field(default_factory=dict)
    reserved: list[Path] = field(default_factory=list)
    refused: list[ConfigError] = field(default_factory=list)

    def give_back(self) -> None:
        """Remove the reserved directories in which no job has begun."""
        for path in self.reserved:
            settings = path / "record" / "settings.json"
            if {*path.rglob("*")} == {settings.parent, settings}:
                settings.unlink()
                settings.parent.rmdir()
                path.rmdir()


def find_places(sweep_dir: Path, configs: Sequence[DictConfig]) -> Places:
    """Find the directory of each job's run in a sweep's directory, and reserve numbered ones for runs that it lacks.

    Jobs whose run has finished are left out, and so are those whose run another process is at.

    Args:
        sweep_dir: made where there is none.
        configs: of the jobs, as Hydra composes them.

    Raises:
        ConfigError: the directory can't be written, or holds runs that don't say which they are.
    """
    jobs = [job_of(config, sweep_dir) for config in configs]
    settings = [settings_of(job) for job in jobs]
    swept = {key for key in set().union(*settings) if any(one.get(key) != settings[0].get(key) for one in settings)}
    places = Places()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    with sole_process(sweep_dir, wait=True):  # two sweeps at once reserve one after the other
        known = runs_of(sweep_dir)
        for number, job in enumerate(jobs):
            path = find(known, settings[number], swept)
            if path is None:
                path = reserve(sweep_dir, number, settings[number])
                known[path] = settings[number]
                places.reserved.append(path)
            job.paths.output_dir = str(path)
            if to_do(job, places):
                places.names[number] = path.name
    return places


def job_of(config: DictConfig, sweep_dir: Path) -> DictConfig:
    """The settings of a job as its run takes them."""
    job, overrides = own(config, str(sweep_dir))
    with suppress(ConfigError):  # the job itself says what is wrong
        take_settings(job, overrides)
    return job


def runs_of(sweep_dir: Path) -> dict[Path, Mapping[str, Any]]:
    """The directories of a sweep's runs, with their settings.

    Raises:
        ConfigError: an older revision wrote some of them, without their settings.
    """
    paths = [path for path in sorted(sweep_dir.iterdir(), key=natural) if path.is_dir()]
    known = {path: settings_in(path) for path in paths}
    silent = [path.name for path, settings in known.items() if settings is None and runs_in(path)]
    if silent:
        problem = f"holds runs of an older revision, which don't say what their settings are ({', '.join(silent)})"
        raise ConfigError(f"hydra.sweep.dir={sweep_dir}", problem, "choose another directory")
    return {path: settings for path, settings in known.items() if settings is not None}


def find(known: Mapping[Path, Mapping[str, Any]], settings: Mapping[str, Any], swept: Set[str]) -> Path | None:
    """The directory whose run has these settings; of several, the one that differs in the fewest that may differ.

    Args:
        swept: settings in which the jobs of the sweep differ: they count even if they may differ elsewhere.
    """
    limits = settings.get("ckpt_path") == "auto"
    same = [path for path, there in known.items() if not differing(there, settings, limits, swept)]
    return min(same, key=lambda path: len(unlike(known[path], settings)), default=None)


def reserve(sweep_dir: Path, number: int, settings: Mapping[str, Any]) -> Path:
    """Make a directory for a run: with the job's number, or the lowest one that is free."""
    for name in itertools.chain([number], itertools.count()):
        path = sweep_dir / str(name)
        with suppress(FileExistsError):
            path.mkdir()
            write_settings(path, settings)
            return path
    raise AssertionError("there is always a next number")


def to_do(job: DictConfig, places: Places) -> bool:
    """Whether a job is to run in the directory that it was given; prints why not."""
    where = Path(job.paths.output_dir)
    if where.name in places.names.values():
        print(f"{where}: two jobs have the same settings, and one of them runs")
        return False
    try:
        check_free(where)
    except ConfigError as error:
        fail(error, prefix=f"job {where.name}: ")
        places.refused.append(error)
        return False
    if nothing_left(job) is not None:
        print(nothing_to_do(job))
        return False
    return True
