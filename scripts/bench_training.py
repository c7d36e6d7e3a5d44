"""Training speed and memory: ours in turn with one rival at a time, each in a process of its own.

A round of ours, a round of the rival's, and so on, so that a drift of the machine hits both; the first of each is a
warm-up. Prompts of different lengths make single rounds differ by a third: the ratio is over all rounds, with the
lowest and highest of a round beside it.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scripts.bench_worker import our_config, shape

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "plain": "a plain Hugging Face loop",
    "trainer": "Hugging Face's Trainer",
    "nanogpt": "a nanoGPT-style loop",
    "nanogpt_compact": "the same, on our tokens alone",
}
# (shape, rival): times as fast in equal precision
TARGETS = {("gpt2-small", "trainer"): 5, ("gpt2-small", "nanogpt"): 2, ("quick", "trainer"): 20}
CEILING_TARGET = {"cpu": 0.6, "cuda": 0.4}


class Worker:
    """One side in its own process."""

    def __init__(self, *args: str) -> None:
        command = [sys.executable, "-m", "scripts.bench_worker", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)

    def round(self) -> dict[str, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("{"):
            if not line:
                raise RuntimeError(f"a bench worker ended early: {self.process.args}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, optimizer: str, precision: str, rival: str, rounds: int, device: str) -> dict[str, Any]:
    """Rounds of both sides in turn, after a warm-up of each."""
    settings = (name, optimizer, precision, device)
    ours, other = Worker("ours", *settings), Worker(rival, *settings)
    try:
        pairs = [(ours.round(), other.round()) for _ in range(rounds + 1)][1:]
    finally:
        ours.close()
        other.close()
    sizes = shape(name)
    examples = [sizes[steps] * sizes["batch"] for steps in ("steps", "rival_steps")]
    rates = [[count / pair[i]["seconds"] for pair in pairs] for i, count in enumerate(examples)]
    rate, other_rate = (rounds * count / sum(pair[i]["seconds"] for pair in pairs) for i, count in enumerate(examples))
    by_round = [a / b for a, b in zip(*rates, strict=True)]
    memory = "gpu_mb" if device == "cuda" else "peak_mb"
    return {
        "shape": name,
        "optimizer": optimizer,
        "precision": precision,
        "rival": rival,
        "ours examples/s": round(rate, 1),
        "ours, of a round": spread(rates[0]),
        "rival examples/s": round(other_rate, 1),
        "rival, of a round": spread(rates[1]),
        "times faster": round(rate / other_rate, 2),
        "times faster, of a round": spread(by_round),
        "target": TARGETS.get((name.split()[0], rival)),
        "share of ceiling": round(rate * example_flop(name) / 1e9 / matmul_ceiling(precision, device), 3),
        "ours peak MB": round(pairs[-1][0][memory]),
        "rival peak MB": round(pairs[-1][1][memory]),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": round(statistics.median(values), 2), "low": round(min(values), 2), "high": round(max(values), 2)}


@cache
def example_flop(name: str) -> float:
    """Matrix-multiply FLOP of one forward and backward pass of ours for each example."""
    return step_flop(name) / shape(name)["batch"]


def step_flop(name: str) -> float:
    """Matrix-multiply FLOP of one forward and backward pass of ours, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    from fourier_lightning.run import build_module, prepare

    parts = prepare(our_config(name, "adamw"))
    module = build_module(parts, 0)
    batch = max(parts.data.train_dataloader(), key=lambda b: b["prompt"].shape[0])
    with FlopCounterMode(display=False) as counter:
        module.loss_and_logits(batch)[0].backward()
    return counter.get_total_flops()


@cache
def matmul_ceiling(precision: str, device: str = "cpu", size: int = 0, seconds: float = 2.0) -> float:
    """GFLOP/s of a large matrix product in that precision: what this machine could do at best."""
    import torch

    size = size or (8192 if device == "cuda" else 1536)
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    a, b = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    return best


def training(rounds: int, device: str, shapes: Sequence[str], rivals: Sequence[str]) -> list[dict[str, Any]]:
    """Every shape, in float32 and in what a run chooses by itself here, against every rival."""
    from fourier_lightning.config import auto_precision

    found = []
    for name in shapes:
        precisions = (
            ["32-true"] if name.startswith(("quick", "default")) else dict.fromkeys((auto_precision(device), "32-true"))
        )
        for precision in precisions:
            found += [compare(name, "adamw", precision, rival, rounds, device) for rival in rivals]
    if "quick" in shapes:  # what the quick run uses
        found.append(compare("quick", "muon", "32-true", rivals[0], rounds, device))
    return found


def rows(found: Sequence[dict[str, Any]], device: str) -> list[dict[str, Any]]:
    """Lines of the bench's table."""
    lines = []
    for one in found:
        low, high = (one["times faster, of a round"][end] for end in ("low", "high"))
        lines.append({
            "question": f"training {one['shape']}, {one['optimizer']}, {one['precision']}",
            "ours": f"{one['ours examples/s']:g} examples/s",
            "beside it": f"{NAMES[one['rival']]}: {one['rival examples/s']:g}",
            "ratio": f"{one['times faster']:g} ({low:g} to {high:g})",
            "target": f"{one['target']:g}" if one["target"] else "-",
        })  # fmt: skip
    for (name, precision), one in {(one["shape"], one["precision"]): one for one in found[::-1]}.items():
        lines.append({
            "question": f"share of a bare matrix product, {name}, {precision}", "ours": one["optimizer"],
            "beside it": f"{matmul_ceiling(precision, device):.0f} GFLOP/s", "ratio": f"{one['share of ceiling']:g}",
            "target": f"{CEILING_TARGET[device]:g}" if name.startswith(("gpt2", "default")) else "-",
        })  # fmt: skip
        lines.append({
            "question": f"peak memory, {name}, {precision}", "ours": f"{one['ours peak MB']} MB",
            "beside it": f"{NAMES[one['rival']]}: {one['rival peak MB']} MB",
            "ratio": f"{one['ours peak MB'] / one['rival peak MB']:.2f}", "target": "-",
        })  # fmt: skip
    return lines
