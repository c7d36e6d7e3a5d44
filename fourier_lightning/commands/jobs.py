"""What a job of a sweep owes the others: a GPU of its own, and to go on where it was stopped."""

import getpass
import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

_mine: list[FileLock] = []  # held until this process ends, however it ends


def take_device() -> None:
    """Leave this process one of the GPUs that it sees: one that no other job of this user on this machine has.

    A process keeps it for all of its jobs. Where there are more processes than GPUs they share them evenly.
    """
    import torch

    count = torch.cuda.device_count()
    if _mine or count < 2 or torch.cuda.is_initialized():
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(count)]
    chosen, lock = free_device(names, Path(tempfile.gettempdir()) / f"fourier_lightning-{getpass.getuser()}")
    _mine.append(lock)
    os.environ["CUDA_VISIBLE_DEVICES"] = chosen


def free_device(names: Sequence[str], locks: Path) -> tuple[str, FileLock]:
    """The first of the devices that the fewest processes have, and the lock that says so.

    Args:
        names: as in CUDA_VISIBLE_DEVICES.
        locks: where processes leave theirs.
    """
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    for turn in itertools.count():
        for name in names:
            lock = FileLock(locks / f"{name.replace('/', '_')}.{turn}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return name, lock
    raise AssertionError("there is always a next turn")


def go_on(cfg: DictConfig) -> None:
    """Let a fit that submitit starts again in its own directory resume from its last checkpoint, in place.

    An epoch is what a run resumes by. Without a checkpoint it starts anew, as an evaluation does.
    """
    from fourier_lightning.directory import runs_in  # and torch with it, which help and a mistake don't need

    runs = runs_in(cfg.paths.output_dir)
    if cfg.fit and runs and any(run.get("status") != "finished" for run in runs):
        cfg.ckpt_path = "auto"


def from_where_it_was_typed(cfg: DictConfig, typed_in: str) -> None:
    """Make relative paths of the settings absolute, in place, where ``hydra.job.chdir=true`` has moved the process.

    Args:
        typed_in: the working directory of the command.
    """
    if Path.cwd() == Path(typed_in):
        return
    for key in ("ckpt_path", "backbone.path"):
        path = OmegaConf.select(cfg, key)
        # "auto", or a name on the hub, is no path
        if isinstance(path, str) and path and os.path.exists(os.path.join(typed_in, path)):  # noqa: PTH110, PTH118
            OmegaConf.update(cfg, key, str(Path(typed_in, path)))
