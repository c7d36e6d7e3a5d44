"""A run on several devices, or of several seeds on one: what it can't have, and the processes that it needs.

Each device has a process, a rank. Rank zero is the run that the user started: it alone records, shows and measures.
The others are started here and do the same work on their share of every batch, unless torchrun or Slurm has started
all of them. Lightning would start them by repeating the command line, which a sweep's job and a notebook don't have.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy, ParallelStrategy

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.arms import ModelSettings
from fourier_lightning.targets import makes

JOIN = [sys.executable, "-c", "from fourier_lightning.run import join; join()"]
MOST_AS_ONE = 2**14  # batch size times width up to which seeds as one are no slower on two cores (docs/devices.md)
MOST_SEEDS = 1000
HEARD = 3.0  # seconds in which a rank that ended is known to have, where this one fails
GRACE = 30.0  # seconds for a run to end by itself after a rank was lost; NCCL would wait for it forever


def check_devices(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse what several devices can't do. Does nothing to a run on one.

    Raises:
        ConfigError: naming the setting.
    """
    strategy, ranks = trainer.strategy, trainer.world_size
    if not isinstance(strategy, ParallelStrategy):
        return
    started = isinstance(strategy, DDPStrategy) and strategy._start_method != "popen"
    if started or not isinstance(strategy, DDPStrategy | ModelParallelStrategy):
        problem = "not a way in which these runs use several devices"
        raise ConfigError(f"trainer.strategy={cfg.trainer.get('strategy')}", problem, "use trainer=ddp or trainer=fsdp")
    if not cfg.fit and ranks > 1:
        problem = f"{ranks} devices, and a run without a fit uses one"
        raise ConfigError(f"trainer.devices={cfg.trainer.devices}", problem, "use trainer=default")
    environment = strategy.cluster_environment
    if trainer.num_nodes > 1 and environment is not None and not environment.creates_processes_externally:
        problem = "a run starts processes on its own machine alone"
        raise ConfigError(f"trainer.num_nodes={trainer.num_nodes}", problem, "start them by torchrun or srun")
    if cfg.data.batch_size < ranks:
        problem = f"{ranks} devices share each batch"
        raise ConfigError(f"data.batch_size={cfg.data.batch_size}", problem, f"use {ranks} or more")
    if not isinstance(strategy, ModelParallelStrategy):
        return
    if cfg.optimizer.name == "muon":
        problem = "Muon needs whole matrices, and fsdp has them in pieces"
        raise ConfigError("optimizer.name=muon", problem, "use optimizer=adamw, or trainer=ddp")


def check_compile(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse to compile what is not trained, or where there is nothing to compile with.

    Raises:
        ConfigError: naming the setting.
    """
    if cfg.compile is None:
        return
    key = f"compile={cfg.compile}"
    if not cfg.fit:
        raise ConfigError(key, "nothing is trained", "leave it out")
    if cfg.seeds_in_parallel > 1:
        raise ConfigError(key, "the step of several seeds is not compiled", "use seeds_in_parallel=1")
    device = trainer.strategy.root_device.type
    if device == "cpu" and cfg.compile == "reduce-overhead":
        raise ConfigError(key, "CUDA graphs are a GPU's", "use compile=default")
    if isinstance(trainer.strategy, ModelParallelStrategy):
        raise ConfigError(key, "not of a model in pieces", "use trainer=ddp, or leave it out")
    # inductor writes C++ for a CPU, and Triton builds its launcher with a C compiler
    named, usual = ("CXX", "g++") if device == "cpu" else ("CC", "gcc")
    compilers = os.environ.get(named, "").split()[:1] or [usual, "clang"]
    if not any(map(shutil.which, compilers)):
        raise ConfigError(key, f"torch.compile needs a compiler here, and there is no {compilers[0]}", "install one")


def check_whole(trainer: pl.Trainer, instruments: list[str]) -> None:
    """Refuse to take a model apart whose weights lie in pieces on several devices.

    Raises:
        ConfigError: naming the instruments.
    """
    if instruments and isinstance(trainer.strategy, ModelParallelStrategy):
        key, problem = f"callbacks.{instruments[0]}", "instruments look at whole weights, and fsdp has them in pieces"
        remedy = (
            "use instruments=none, then dissect the checkpoint: fit=false ckpt_path=<run dir>/checkpoints/last.ckpt"
        )
        raise ConfigError(key, problem, remedy)


def seeds_of(cfg: DictConfig) -> list[int]:
    """The seeds that a run trains."""
    return list(range(cfg.seed, cfg.seed + cfg.seeds_in_parallel))


def seed_dir(cfg: DictConfig, seed: int) -> Path:
    """Where one of several seeds leaves its run."""
    return Path(cfg.paths.output_dir) / f"seed{seed}"


def check_seeds(
    cfg: DictConfig, data: ArithmeticDataModule, model: ModelSettings, trainer: pl.Trainer, width: int
) -> None:
    """Refuse several seeds in one fit where one of them would not be what it is alone, or where it would take longer.

    Args:
        width: of the residual stream.

    Raises:
        ConfigError: naming the setting.
    """
    key = f"seeds_in_parallel={cfg.seeds_in_parallel}"
    if cfg.seeds_in_parallel < 1:
        raise ConfigError(key, "too small", "use 1 or more")
    if cfg.seeds_in_parallel > MOST_SEEDS:
        raise ConfigError(key, "more than a device has room for", f"use {MOST_SEEDS} or fewer")
    if cfg.seeds_in_parallel == 1:
        return
    stops = [name for name, node in cfg.callbacks.items() if makes(node, EarlyStopping)]
    stop = f"callbacks.{next(iter(stops), '')}"
    busy = trainer.strategy.root_device.type == "cpu" and data.batch_size * width > MOST_AS_ONE
    one_by_one = f"-m seed={','.join(map(str, seeds_of(cfg)))}"
    for reason, remedy in (
        (not cfg.fit and "nothing is trained", "leave it out"),
        (cfg.ckpt_path is not None and "a checkpoint is one seed's", "resume each by itself, without it"),
        (model.dropout > 0 and "all seeds would share one stream of dropout", "use model.dropout=0"),
        (model.loss != "answer" and f"not with model.loss={model.loss}", "use model.loss=answer"),
        (len(data.examples("train")) > 1 and "prompts of several lengths", "use one template: data=format"),
        (trainer.world_size > 1 and "several devices", "use trainer.devices=1"),
        (cfg.trainer.precision == "16-mixed" and "one scale for all gradients", "use trainer.precision=bf16-mixed"),
        (stops and f"{stop} would end all seeds at once", f"remove it with ~{stop}"),
        (busy and f"{data.batch_size} rows of d {width} fill a CPU, and together they take longer",
         f"train one after another: {one_by_one}"),
        (seeds_of(cfg)[-1] >= 2**32 and "the last seed is out of range", "use seeds below 2^32"),
    ):  # fmt: skip
        if reason:
            raise ConfigError(key, reason, remedy)


@contextmanager
def other_ranks(cfg: DictConfig, trainer: pl.Trainer, lost: Callable[[str], None]) -> Iterator[None]:
    """The other processes of a run on several devices, as long as the run goes on. None where it uses one.

    They get the run's settings on their standard input, and end when it closes: none outlives this process, however
    it ends.

    Args:
        lost: called with a reason, from another thread, just before the process ends at once: a rank is gone, and this
            one waits for it inside of a library.

    Raises:
        RuntimeError: a rank ended early, and this one with it.
    """
    strategy = trainer.strategy
    environment = strategy.cluster_environment if isinstance(strategy, ParallelStrategy) else None
    if environment is None or environment.creates_processes_externally:
        yield
        return
    threads = torch.get_num_threads()
    each = max(1, threads // trainer.world_size)
    mine = {"MASTER_ADDR": environment.main_address, "MASTER_PORT": str(environment.main_port), "LOCAL_RANK": "0"}
    mine |= {"WORLD_SIZE": str(trainer.world_size), "OMP_NUM_THREADS": str(each)}
    before = {name: os.environ.get(name) for name in mine}
    os.environ |= mine
    torch.set_num_threads(each)
    ranks: list[subprocess.Popen[bytes]] = []
    over = threading.Event()
    try:
        for rank in range(1, trainer.world_size):
            ranks.append(_start(cfg, rank))
        threading.Thread(target=_watch, args=(ranks, over, lost), daemon=True).start()
        yield
        for process in ranks:
            process.wait()
        if reason := _ended_early(ranks):
            raise RuntimeError(reason)
    except Exception as error:
        reason, until = _ended_early(ranks), time.monotonic() + HEARD
        while reason is None and time.monotonic() < until:  # of two that end, one is the first to be heard
            time.sleep(0.1)
            reason = _ended_early(ranks)
        if reason and str(error) != reason:
            raise RuntimeError(reason) from error
        raise
    finally:
        over.set()
        for process in ranks:
            process.kill()
            process.communicate()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {} if value is None else {name: value}
        torch.set_num_threads(threads)


def _start(cfg: DictConfig, rank: int) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, sys.path))  # what is imported here by name is there, too
    environment = {**os.environ, "LOCAL_RANK": str(rank), "PYTHONPATH": path}
    process = subprocess.Popen(JOIN, stdin=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already: ``_watch`` says so
        process.stdin.write(json.dumps(OmegaConf.to_container(cfg, resolve=True)).encode() + b"\n")
        process.stdin.flush()
    return process


def _ended_early(ranks: "Sequence[subprocess.Popen[bytes]]") -> str | None:
    ended = [f"rank {rank} ended with exit code {one.poll()}" for rank, one in enumerate(ranks, 1) if one.poll()]
    return ended[0] if ended else None


def _watch(ranks: "Sequence[subprocess.Popen[bytes]]", over: threading.Event, lost: Callable[[str], None]) -> None:
    while not over.wait(1):
        if reason := _ended_early(ranks):
            if not over.wait(GRACE):
                lost(reason)
                os._exit(1)
            return


def settings_from_rank_zero() -> DictConfig:
    """The run's settings, in a process that ``other_ranks`` has started. It ends when rank zero does."""

    def follow() -> None:
        os.read(sys.stdin.fileno(), 1)  # nothing more is written: this waits for the other end to close
        os._exit(1)

    settings = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=follow, daemon=True).start()
    return OmegaConf.create(settings)
