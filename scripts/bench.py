"""What training, measuring and reading cost here, each beside something that you know: a table, and FILE as JSON.

    python -m scripts.bench                                     (make bench: a quarter of an hour on two cores)
    python -m scripts.bench --rounds 5 --parts training
    python -m scripts.bench --parts growth                      (with p, width, layers, seeds, runs in a report)
    python -m scripts.bench --device cuda                       (and what only a GPU can tell)

Others that train the same GPT-2 on the same prompts, in the same precision, take turns with ours, each in a process of
its own; see bench_training.py and bench_rivals.py. A part that is not asked for stays as FILE has it. Nothing else
should run meanwhile.
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
from scripts import bench_gpu, bench_growth, bench_instruments, bench_report, bench_training, time_to_98
from scripts.bench_rivals import RIVALS
from scripts.bench_worker import SHAPES

ROOT = Path(__file__).resolve().parents[1]
PARTS = ["training", "instruments", "start_up", "report"]
MORE = ["growth", "gpu", "time_to_98"]
# What `python train.py` imports from others before its first step.
BIG_LIBRARIES = """
import torch, torchmetrics, wandb, hydra, omegaconf, beartype, jaxtyping, rich.table
import pytorch_lightning, pytorch_lightning.loggers, pytorch_lightning.callbacks
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, get_linear_schedule_with_warmup
"""


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


def report(count: int = 20) -> dict[str, float]:
    """Seconds and megabytes of a report about so many runs."""
    (found,) = bench_growth.reports([count])
    return {"runs": count, "build, s": found["s"], "MB": found["MB"]}


def table(result: dict[str, Any], device: str) -> list[dict[str, Any]]:
    """What was measured, a line for each question."""
    lines = bench_training.rows(result["training"], device) if "training" in result else []

    def say(question: str, ours: str, beside: str, ratio: str, target: str) -> None:
        lines.append({"question": question, "ours": ours, "beside it": beside, "ratio": ratio, "target": target})

    if found := result.get("instruments"):
        training = f"training: {found['training, s']:g} s"
        share, target = (f"{found[name]:g}" for name in ("instruments / training", "target"))
        say("instruments beside the default run", f"{found['instruments, s']:g} s", training, share, target)
    if found := result.get("start_up"):
        total, libraries = found["first step, s"], found["of it libraries' imports, s"]
        beside = f"imports of the libraries: {libraries:g} s"
        say("start-up to the first step", f"{total:g} s", beside, f"{total / libraries:.2f}", "25 s")
    if found := result.get("report"):
        most = bench_report.TARGETS[20]
        target = f"{most['build_seconds']} s, {most['megabytes']} MB"
        say(f"report of {found['runs']} runs", f"{found['build, s']:g} s", f"{found['MB']:g} MB", "-", target)
    return lines + (bench_gpu.rows(result["gpu"]) if "gpu" in result else [])


def known_shape(words: str) -> str:
    """One of SHAPES, and settings that change it."""
    if words.split()[:1] == [] or words.split()[0] not in SHAPES:
        raise argparse.ArgumentTypeError(f"{words!r}: begin with {' or '.join(SHAPES)}")
    return words


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="of each pair, after a warm-up")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, *MORE], help=f"by default {', '.join(PARTS)}")
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", type=known_shape, default=list(SHAPES),
                        help='gpt2-small, quick, or one with settings: "gpt2-small data.batch_size=512"')  # fmt: skip
    parser.add_argument("--rivals", nargs="+", choices=list(RIVALS), default=list(RIVALS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds}: use 1 or more")
    import torch

    from fourier_lightning.console import print_rows
    from fourier_lightning.record.writer import describe_device
    from fourier_lightning.run import quiet_libraries

    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here")
    quiet_libraries()
    device, parts = args.device, args.parts or [*PARTS, *(["gpu"] if args.device == "cuda" else [])]
    made = {
        "training": lambda: bench_training.training(args.rounds, device, args.shapes, args.rivals),
        "instruments": lambda: bench_instruments.beside_training(1),
        "start_up": lambda: start_up(3),
        "report": report,
        "growth": lambda: [*bench_growth.steps(args.rounds, device), *bench_growth.seeds(), *bench_growth.reports()],
        "gpu": lambda: {"utilisation": bench_gpu.utilisation(args.rounds), "rescue_to_99": bench_gpu.rescue_to_99(),
                        "seeds_at_once": bench_gpu.seeds_at_once(), "projected": bench_gpu.projected(args.rounds)},
        "time_to_98": lambda: time_to_98.write(time_to_98.measure(2)),
    }  # fmt: skip
    result: dict[str, Any] = json.loads(args.out.read_text()) if args.out.is_file() else {}
    result |= {"machine": describe_device(torch.device(device)), "torch": torch.__version__}
    for part in parts:
        result[part] = made[part]()
        args.out.write_text(json.dumps(result, indent=2) + "\n")  # what is measured is kept
    print_rows(table(result, device), f"What it costs here ({result['machine']}, torch {torch.__version__})")
    if "time_to_98" in parts:
        print(result["time_to_98"])
    if "growth" in result:
        print_rows(bench_growth.rows(result["growth"]), "How cost grows")
    print(f"Ratio: times as fast (lowest and highest round), or a share. Written to {args.out}")


if __name__ == "__main__":
    main()
