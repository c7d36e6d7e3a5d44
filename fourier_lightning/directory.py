"""A directory holds one run: which settings make it that run, and which process is at work in it."""

import errno
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, SoftFileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from fourier_lightning.atomic import write_text
from fourier_lightning.checkpoint import load_checkpoint, recorded
from fourier_lightning.errors import ConfigError

# Settings, and groups of them, that may differ where a run goes on: what it is called, what it shows and logs, which
# checkpoints it keeps, and on which hardware it computes. All others make the run what it is (docs/settings.md).
MAY_DIFFER = (
    "name", "group", "tags", "logger", "allow_targets", "compile", "threads", "data.eval_batch_size",
    "callbacks.progress_bar", "callbacks.best_checkpoint", "callbacks.last_checkpoint",
    "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.profiler",
    "trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.log_every_n_steps",
    "trainer.num_sanity_val_steps",
)  # fmt: skip
LIMITS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")  # a fit may go on to a later end
LOCK = ".lock"
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # what a file system without locks answers
SHOWN = 3  # settings that a message names


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """The settings of a composed configuration less where it writes, flat: ``{"model.width": 128, ...}``.

    References (``${asset:...}``, ``${paths.output_dir}/checkpoints``) stay as they are written: what they stand for
    depends on the machine and on the directory. An evaluation's checkpoint is named by the weights that it holds, not
    by its path.
    """
    nodes: dict[str, Any] = OmegaConf.to_container(cfg, resolve=False)  # type: ignore[assignment]
    settings = dict(leaves({group: node for group, node in nodes.items() if group != "paths"}))
    if settings.get("fit") is False and settings.get("ckpt_path") is not None:
        settings["ckpt_path"] = weights_in(settings["ckpt_path"])
        settings.pop("backbone.path", None)  # the weights are the checkpoint's
    elif os.path.isdir(str(settings.get("backbone.path"))):  # noqa: PTH112  # of any text: pathlib raises on a long one
        settings["backbone.path"] = str(Path(settings["backbone.path"]).absolute())
    return json.loads(json.dumps(settings, default=str))  # as they are read back


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys and the values of nested dictionaries."""
    if not isinstance(node, dict):
        yield key, node
        return
    for name, value in node.items():
        yield from leaves(value, f"{key}.{name}" if key else str(name))


def weights_in(ckpt_path: Any) -> str:
    """The weights that a checkpoint holds, in words; its path where it can't be read."""
    try:
        saved = load_checkpoint(ckpt_path)
        return f"step {saved['global_step']} of the model {saved['hyper_parameters']['run']['id']}"
    except Exception:  # torch raises anything on a file of another kind; ``check_checkpoint`` says what is wrong
        return str(ckpt_path)


def write_settings(run_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Write ``record/settings.json``: from now on the directory is that of a run of these settings."""
    path = Path(run_dir) / "record" / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(settings, indent=2) + "\n")


def settings_in(run_dir: str | Path) -> dict[str, Any] | None:
    """The settings of a directory's run; None where there is none, or an older revision wrote it."""
    try:
        settings = json.loads((Path(run_dir) / "record" / "settings.json").read_text())
    except (OSError, ValueError):
        return None
    return settings if isinstance(settings, dict) else None


def unlike(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Keys of the settings that differ, in the order of the configuration."""
    return [key for key in {**here, **there} if key not in there or key not in here or there[key] != here[key]]


def differing(
    there: Mapping[str, Any], here: Mapping[str, Any], limits: bool = False, swept: Set[str] = frozenset()
) -> list[str]:
    """Keys of the settings in which two runs differ, less those that may differ.

    Args:
        limits: whether a fit may have another end, too.
        swept: settings that may not differ.
    """
    free = may_differ(here) + (LIMITS if limits else ())
    return [key for key in unlike(there, here) if key in swept or not within(key, free)]


def may_differ(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings that may differ where a run goes on: a fit's checkpoint is its own, an evaluation has no end."""
    return (*MAY_DIFFER, *(LIMITS if settings.get("fit") is False else ("ckpt_path",)))


def within(key: str, groups: Sequence[str]) -> bool:
    """Whether a key is one of these, or below one of them."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def in_words(keys: Sequence[str], there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The first settings that differ, and how many more do."""
    words = [f"{key}={there.get(key, 'absent')} there, {here.get(key, 'absent')} here" for key in keys[:SHOWN]]
    return "; ".join(words) + (f"; {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")


def runs_in(run_dir: str | Path) -> list[dict[str, Any]]:
    """run.json of the runs that a directory holds: of one, or of each seed of several that trained as one."""
    found = [recorded(path) for path in (Path(run_dir), *sorted(Path(run_dir).glob("seed*")))]
    return [info for info in found if info is not None]


def nothing_left(cfg: DictConfig) -> dict[str, float] | None:
    """Metrics of a run that has finished and is asked for again: with ``ckpt_path=auto``, or an evaluation. Else None.

    Of several seeds that trained as one, their means.
    """
    fit, ckpt_path = (OmegaConf.select(cfg, key, throw_on_resolution_failure=False) for key in ("fit", "ckpt_path"))
    if ckpt_path != "auto" and fit is not False:
        return None
    runs, there = runs_in(cfg.paths.output_dir), settings_in(cfg.paths.output_dir)
    if not runs or there is None or any(run.get("status") != "finished" for run in runs):
        return None
    if differing(there, settings_of(cfg)):
        return None
    shared = set.intersection(*(set(run.get("metrics", {})) for run in runs))
    return {name: fmean(run["metrics"][name] for run in runs) for name in sorted(shared)}


@contextmanager
def sole_process(run_dir: str | Path, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of a directory for the block; it may be entered again within.

    The lock is the operating system's: it ends with the process, however that ends. Where a file system has no locks,
    nothing is kept out.

    Args:
        wait: until another process has left it.

    Raises:
        ConfigError: another process is in there, or it can't be written.
    """
    where = Path(run_dir).resolve()
    lock = FileLock(where / LOCK, is_singleton=True)
    entered, made = lock.is_locked, not where.exists()
    try:
        where.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=wait)
    except Timeout:
        raise occupied(run_dir) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            key, remedy = "sweep" if wait else "run", "make room, or choose a directory that can be written"
            raise ConfigError(f"hydra.{key}.dir={run_dir}", error.strerror or str(error), remedy) from error
    except NotImplementedError:  # how an older filelock says that there are no locks
        pass
    try:
        if not entered and lock.is_locked and not isinstance(lock, SoftFileLock):
            with suppress(OSError):
                (where / LOCK).write_text(json.dumps(this_process()))
        yield
    finally:
        if not entered and lock.is_locked:
            with suppress(OSError):
                (where / LOCK).unlink()
                if made:
                    where.rmdir()  # only if nothing was written
        lock.release()


def this_process() -> dict[str, Any]:
    """What others are told of the process that is at work in a directory."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}


def check_free(run_dir: str | Path) -> None:
    """Refuse a directory in which another process is running. Writes nothing.

    Raises:
        ConfigError: saying which.
    """
    path = Path(run_dir).resolve() / LOCK
    if not path.is_file():
        return
    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise occupied(run_dir) from None
    except (OSError, NotImplementedError):  # no locks here, or no right to write, which is said later
        return
    lock.release()


def occupied(run_dir: str | Path) -> ConfigError:
    """The error of a directory in which another process is running, with what that process left about itself."""
    try:
        process = json.loads((Path(run_dir) / LOCK).read_text())
        which = f" (pid {process['pid']} on {process['host']}, since {process['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        which = ""
    problem, remedy = f"another process is running here{which}", "wait until it ends, or choose another directory"
    return ConfigError(f"hydra.run.dir={run_dir}", problem, remedy)
