"""``hydra/sweeper=resuming``, the default: a sweep that is started again, or extended, runs what is missing.

Hydra numbers the jobs of each command anew, so that a number means another run as soon as a seed is added. This sweeper
gives each job the directory that holds its run. Hydra finds sweepers in this namespace alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

NUMBERED = "${hydra.job.num}"  # of hydra.sweep.subdir: directories are chosen here


class ResumingSweeper(BasicSweeper):
    """Hydra's basic sweeper, with a directory for each run instead of each number."""

    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Split what was typed into the jobs that are to run, each with the directory that its run has or gets.

        Raises:
            SystemExit: the sweep's directory can't be used; the line is printed.
        """
        from fourier_lightning.commands.places import find_places
        from fourier_lightning.errors import ConfigError, fail

        jobs = [job for batch in super().split_arguments(overrides, max_batch_size) for job in batch]
        assert self.config is not None and self.hydra_context is not None
        configs = [self.hydra_context.config_loader.load_sweep_config(self.config, job) for job in jobs]
        if OmegaConf.to_container(self.config.hydra.sweep, resolve=False)["subdir"] == NUMBERED:
            try:
                self.places = find_places(Path(self.config.hydra.sweep.dir), configs)
            except ConfigError as error:  # in a sweep each job says its own
                raise SystemExit(fail(error)) from error
            jobs = [[*jobs[number], f"hydra.sweep.subdir={name}"] for number, name in self.places.names.items()]
        return list(self.split_overrides_to_chunks(jobs, max_batch_size)) if jobs else []

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Do nothing: ``split_arguments`` has composed every job."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs.

        Raises:
            ConfigError: another process runs one of them; the others have been run.
        """
        self.places = None
        try:
            returns = super().sweep(arguments)
        finally:
            if self.places is not None:
                self.places.give_back()
        if self.places is not None and self.places.refused:
            raise self.places.refused[0]
        return returns
