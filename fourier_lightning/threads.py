"""How many CPU threads a run uses: as many as make it faster now, beside whatever else the machine is doing."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from omegaconf import DictConfig

from fourier_lightning.errors import ConfigError

SET_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # the environment variables that torch obeys
MAX_THREADS = 4096
SECONDS = 0.2  # of the whole measurement, shared among the candidates
ROUNDS = 3
WORTH = 0.9  # more threads have to take at most this share of the time of fewer
SHAPE = (512, 256, 1024)  # a product as in the default training step: rows, width, width of an MLP


@contextmanager
def thread_count(cfg: DictConfig, saved: int | None, on_cpu: bool) -> Iterator[tuple[str, ...]]:
    """Let torch use the threads of a run, and as many as before when it is over.

    The first of these that says a number: ``threads=N``; the checkpoint that a fit goes on from, so that it rounds as
    it did; the environment (OMP_NUM_THREADS); a measurement. A measurement never takes more than torch would by itself.

    Args:
        saved: threads of the run that goes on, as its checkpoint says.
        on_cpu: whether the run computes on the CPU; elsewhere nothing is measured.

    Yields:
        A line that says how many there are and why, where they were measured.
    """
    before = torch.get_num_threads()
    notes: tuple[str, ...] = ()
    if cfg.threads != "auto":
        chosen = cfg.threads
    elif saved is not None:
        chosen = saved
    elif on_cpu and before > 1 and not any(os.environ.get(name) for name in SET_BY):
        seconds = measure(candidates(before))
        chosen = fastest(seconds)
        notes = (in_words(seconds, chosen),)
    else:
        chosen = before
    torch.set_num_threads(chosen)
    try:
        yield notes
    finally:
        torch.set_num_threads(before)


def check_threads(threads: Any) -> None:
    """Refuse a number of threads that there can't be.

    Raises:
        ConfigError: naming the setting.
    """
    if threads != "auto" and not 1 <= threads <= MAX_THREADS:
        raise ConfigError(f"threads={threads}", "out of range", f"use 1 to {MAX_THREADS}, or auto")


def candidates(most: int) -> list[int]:
    """1, 2, 4, ... and the most."""
    return sorted({*(2**n for n in range(most.bit_length()) if 2**n < most), most})


def measure(counts: list[int]) -> dict[int, float]:
    """Mean seconds of a matrix product for each number of threads, in turns, so that all meet the same neighbours.

    Means, not minima: a thread that waits for one without a core costs as much as it does in training.
    """
    rows, inner, columns = SHAPE
    left, right, out = torch.ones(rows, inner), torch.ones(inner, columns), torch.empty(rows, columns)
    times, calls = dict.fromkeys(counts, 0.0), dict.fromkeys(counts, 0)
    for _ in range(ROUNDS):
        for count in counts:
            torch.set_num_threads(count)
            torch.mm(left, right, out=out)  # starts the threads
            began = time.perf_counter()
            while (passed := time.perf_counter() - began) < SECONDS / ROUNDS / len(counts):
                torch.mm(left, right, out=out)
                calls[count] += 1
            times[count] += passed
    return {count: times[count] / calls[count] for count in counts}


def fastest(seconds: dict[int, float]) -> int:
    """The number of threads to use: more than the next lower candidate only where that is clearly faster."""
    chosen, *others = sorted(seconds)
    for count in others:
        if seconds[count] <= WORTH * seconds[chosen]:
            chosen = count
    return chosen


def in_words(seconds: dict[int, float], chosen: int) -> str:
    """What was measured."""
    each = ", ".join(f"{count}: {1e3 * value:.1f}" for count, value in seconds.items())
    return f"{chosen} CPU threads (ms a matrix product by threads: {each}); threads=N or OMP_NUM_THREADS sets another"
