"""Measure what training costs here: speed and memory against a plain Hugging Face loop, and start-up.

    python -m scripts.bench [--rounds 5] [--out bench.json]

Both sides (bench_worker.py) train the same GPT-2 on the same prompts with the same batch size. They are processes
of their own and take turns, a round each, so that a drift of the machine hits both; figures are over all rounds
after the first. The plain side always uses AdamW in float32; ours is shown with each optimizer and precision that
a run would choose by itself on this machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fourier_lightning.record.runs import read_run
from scripts.bench_worker import SHAPES, our_config

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"gpt2-small": 4, "quick": 20}
# What `python train.py` imports from others before its first step.
BIG_LIBRARIES = """
import torch, torchmetrics, wandb, hydra, omegaconf, beartype, jaxtyping, rich.table
import pytorch_lightning, pytorch_lightning.loggers, pytorch_lightning.callbacks
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, get_linear_schedule_with_warmup
"""


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


def compare(shape: str, optimizer: str, precision: str, rounds: int) -> dict[str, Any]:
    """Rounds of both sides in turn; the first of each is a warm-up."""
    ours, plain = Worker("ours", shape, optimizer, precision), Worker("plain", shape)
    try:
        pairs = [(ours.round(), plain.round()) for _ in range(rounds + 1)][1:]
    finally:
        ours.close()
        plain.close()
    examples = SHAPES[shape]["steps"] * SHAPES[shape]["batch"]
    # Over all rounds: prompts of different lengths make single rounds of ours differ by a third.
    rate, plain_rate = (rounds * examples / sum(pair[i]["seconds"] for pair in pairs) for i in (0, 1))
    ceiling = matmul_ceiling(precision)
    return {
        "shape": shape,
        "optimizer": optimizer,
        "precision": precision,
        "ours examples/s": round(rate, 1),
        "plain examples/s": round(plain_rate, 1),
        "times faster": round(rate / plain_rate, 2),
        "target": TARGETS[shape],
        "ceiling GFLOP/s": round(ceiling),
        "share of ceiling": round(rate * step_flop(shape) / SHAPES[shape]["batch"] / 1e9 / ceiling, 3),
        "ours peak MB": round(pairs[-1][0]["peak_mb"]),
        "plain peak MB": round(pairs[-1][1]["peak_mb"]),
    }


def step_flop(shape: str) -> float:
    """Matrix-multiply FLOP of one forward and backward pass of ours, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    from fourier_lightning.run import build_module, prepare

    parts = prepare(our_config(shape, "adamw"))
    module = build_module(parts, 0)
    batch = max(parts.data.train_dataloader(), key=lambda b: b["prompt"].shape[0])
    with FlopCounterMode(display=False) as counter:
        module.loss_and_logits(batch)[0].backward()
    return counter.get_total_flops()


def matmul_ceiling(precision: str, size: int = 1536, seconds: float = 2.0) -> float:
    """GFLOP/s of a large matrix product in that precision: what this machine could do at best."""
    import torch

    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    return best


def start_up(rounds: int) -> dict[str, float]:
    """Seconds from the command to the first training step, and of the big libraries' imports alone, in turn."""
    totals, imports = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            where = [f"hydra.run.dir={directory}", "logger.wandb.mode=offline", "trainer.accelerator=cpu"]
            command = [sys.executable, "train.py", "trainer.max_steps=1", "test=false", *where]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            run = read_run(Path(directory)).info
        totals.append(timed("pass") + run["first_step_seconds"])  # the interpreter's start, then ours to the step
        imports.append(timed(BIG_LIBRARIES))
    total, libraries = statistics.median(totals), statistics.median(imports)
    return {
        "first step, s": round(total, 1),
        "of it libraries' imports, s": round(libraries, 1),
        "ours, s": round(total - libraries, 1),
    }


def timed(code: str) -> float:
    """Seconds of a Python process that runs ``code``."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each pair, after a warm-up")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds}: use 1 or more")
    import torch

    from fourier_lightning.config import auto_precision
    from fourier_lightning.console import print_rows
    from fourier_lightning.record.writer import describe_device
    from fourier_lightning.run import quiet_libraries
    from scripts.bench_instruments import down

    quiet_libraries()
    sides = [("gpt2-small", "adamw", "32-true"), ("quick", "adamw", "32-true"), ("quick", "muon", "32-true")]
    if (auto := auto_precision("cpu")) != "32-true":  # what the paper's experiments choose by themselves here
        sides.insert(0, ("gpt2-small", "adamw", auto))
    rows = [compare(*side, args.rounds) for side in sides]
    startup = start_up(rounds=3)
    result = {
        "machine": describe_device(torch.device("cpu")),
        "torch": torch.__version__,
        "training": rows,
        "start_up": startup,
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print_rows(down(rows), "Training, ours against a plain Hugging Face loop")
    print_rows([startup], "Start-up (targets: 25 s in all, 5 s ours)")
    print(f"{result['machine']}, torch {torch.__version__}; written to {args.out}")


if __name__ == "__main__":
    main()
