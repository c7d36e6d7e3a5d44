"""``hydra/launcher=slurm`` and ``hydra/launcher=local``: the jobs of a sweep by submitit.

The launchers of hydra-submitit-launcher end a sweep at the first job that was killed, while the others still run: its
summary would miss them. These wait for all, say in the terminal what went wrong where, and give local jobs the GPUs
that submitit hides from them. Hydra finds launchers in this namespace alone; the extra "parallel" has what they need.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides

with suppress(ModuleNotFoundError):  # without the extra there is nothing to find here
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher

    class SlurmLauncher(BaseSubmititLauncher):
        """A job of the sweep is one of a Slurm array."""

        _EXECUTOR = "slurm"
        _OURS = ("submitit_folder",)  # settings that the executor has no parameter for

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Submit the jobs, wait for all of them."""
            log, state = logging.getLogger(__name__), Singleton.get_state()
            calls = []
            for number, overrides in enumerate(job_overrides, initial_job_idx):
                log.info("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
                calls.append((list(overrides), "hydra.sweep.dir", number, f"job_id_for_{number}", state))
            return [outcome(job, call[0], call[2]) for job, call in zip(self.submit(calls), calls, strict=True)]

        def executor(self) -> Any:
            """submitit's, with what hydra.launcher says."""
            import submitit

            shared = BaseQueueConf.__dataclass_fields__
            said = {key: value for key, value in self.params.items() if key not in self._OURS}
            retries = {"slurm_max_num_timeout": said.pop("max_num_timeout")} if "max_num_timeout" in said else {}
            made = submitit.AutoExecutor(self.params["submitit_folder"], cluster=self._EXECUTOR, **retries)
            made.update_parameters(**{key if key in shared else f"slurm_{key}": said[key] for key in said})
            return made

        def submit(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
            """All at once: the queue is Slurm's."""
            return self.executor().map_array(self, *zip(*calls, strict=True))

    class LocalLauncher(SlurmLauncher):
        """A job of the sweep is a process on this machine; a few of them at once."""

        _EXECUTOR = "local"
        _OURS = ("submitit_folder", "array_parallelism")

        def submit(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
            """Each when there is room. Stopped from outside, they stop."""
            self.visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            executor, jobs = self.executor(), []
            try:
                for call in calls:
                    while sum(not job.done() for job in jobs) >= self.params["array_parallelism"]:
                        time.sleep(0.2)
                    jobs.append(executor.submit(self, *call))
                for job in jobs:
                    job.wait()
            except BaseException:
                for job in jobs:
                    job.cancel(check=False)
                raise
            return jobs

        def __call__(self, *args: Any, **kwargs: Any) -> JobReturn:
            """In the job's process, from which submitit hides every GPU."""
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            if self.visible is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = self.visible
            return super().__call__(*args, **kwargs)


def outcome(job: Any, overrides: list[str], number: int) -> JobReturn:
    """What a job returned, or that it failed or was killed, which it can't say in this terminal itself.

    Args:
        number: of the job, if its overrides don't name its directory.
    """
    from submitit.core.utils import FailedJobError, UncompletedJobError

    from fourier_lightning.errors import ConfigError, fail

    chosen = [one.partition("=")[2] for one in overrides if one.startswith("hydra.sweep.subdir=")]
    name = chosen[0] if chosen else number
    try:
        done: JobReturn = job.results()[0]
    except (FailedJobError, UncompletedJobError):
        done = JobReturn(overrides=overrides, status=JobStatus.FAILED)
        done.return_value = RuntimeError(f"job {name} ended without a result: killed, or out of memory or time")
    if done.status is JobStatus.FAILED:
        error = done._return_value
        if isinstance(error, ConfigError):
            fail(error, prefix=f"job {name}: ")
        else:
            print(f"error: job {name}: {error}; its output: {job.paths.stderr}", file=sys.stderr)
    return done
