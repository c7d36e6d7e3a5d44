"""Measure what the Fourier instruments cost: time beside the training, time of the ablation table, memory.

    python -m scripts.bench_instruments [--rounds 2] [--parts ablation beside_training grid memory] [--out FILE]

Four questions, each answered by a ratio within one run of this script:
1. The quick run with and without its instruments, whole runs in turn: their time over the training's (target: 15 %).
2. The ablation table against plain forward passes over the validation split: what does a row cost? (target: 1.15)
   A row's controls are rows of their own here; the figure with a row's controls counted in is shown beside it.
3. The filter grid in one job, by its number of cut-offs: how much more CPU time do 20 take than 8? (target: 2.5)
4. All instruments on a model of GPT-2-small's shape with sentence prompts and the full validation split, in a process
   of its own: how much memory at its peak? (target: 3 GB). This takes several minutes.
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

ROOT = Path(__file__).resolve().parents[1]
QUIET = ["logger=none", "~callbacks.progress_bar", "trainer.accelerator=cpu"]
PARTS = ["ablation", "beside_training", "grid", "memory"]
CUTOFFS = {
    8: [1, 5, 10, 19, 30, 50, 75, 100],
    20: [1, 2, 3, 4, 5, 7, 9, 11, 14, 17, 19, 20, 24, 29, 35, 43, 52, 63, 77, 100],
}
GPT2_SMALL = ["model=scratch", "data=addition", "model.n_layer=12", "model.width=768", "model.n_head=12"]


def run(*overrides: str) -> dict[str, Any]:
    """A run in a process of its own: its record, with the peak memory, the seconds and the CPU time of the process."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "scripts.bench_instruments", "--worker", directory, *QUIET, *overrides]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        record = read_run(Path(directory)).info
    cpu, peak = map(float, done.stdout.splitlines()[-2:])
    return {**record, "peak_mb": peak, "cpu_seconds": cpu, "seconds": seconds}


def work(directory: str, overrides: list[str]) -> None:
    """The process that ``run`` starts; prints its CPU time and its peak memory last."""
    from fourier_lightning.config import load_config
    from fourier_lightning.run import train
    from scripts.bench_worker import peak_mb

    train(load_config(overrides, directory), verbose=False)
    print(time.process_time(), peak_mb(), sep="\n")


def beside_training(rounds: int) -> dict[str, Any]:
    """The default run with and without instruments, in turn."""
    pairs = [(run(), run("instruments=none")) for _ in range(rounds)]
    measured = [a["analysis_seconds"] for a, _ in pairs]
    shares = [a["analysis_seconds"] / a["train_seconds"] for a, _ in pairs]
    return {
        "training, s": round(statistics.median(a["train_seconds"] for a, _ in pairs), 1),
        "training without them, s": round(statistics.median(b["train_seconds"] for _, b in pairs), 1),
        "instruments, s": round(statistics.median(measured), 1),
        "of it on the way, s": round(statistics.median(a["fit_seconds"] - a["train_seconds"] for a, _ in pairs), 1),
        "instruments / training": round(statistics.median(shares), 3),
        "target": 0.15,
    }


def ablation(rounds: int) -> list[dict[str, Any]]:
    """The ablation table against plain passes, on the quick model and on the embedded backbone."""
    from fourier_lightning.config import load_config
    from fourier_lightning.run import quiet_libraries

    quiet_libraries()
    cases = {
        "quick model, a,b+": ["experiment=quick"],
        "embedded backbone, a,b+": ["model=pretrained", "data.max_operand=260"],
        "embedded backbone, sentences": ["model=pretrained", "data=addition", "data.max_operand=260"],
    }
    return [{"case": name, **_ablation(load_config(options), rounds)} for name, options in cases.items()]


def _ablation(cfg: Any, rounds: int) -> dict[str, Any]:
    import torch

    from fourier_lightning.instruments.base import View
    from fourier_lightning.instruments.filtering import Variant, evaluate
    from fourier_lightning.run import build_module, prepare

    parts = prepare(cfg)
    module, instrument = build_module(parts, 0).eval(), parts.instruments["filter_ablation"]
    view, times = View.of(module.decoder, parts.data), []
    for _ in range(rounds + 1):  # the first is a warm-up
        began = time.perf_counter()
        with torch.inference_mode():
            evaluate(view, instrument.batches(view), [Variant()], "all")  # the model itself, every position
        middle = time.perf_counter()
        found = instrument(view)
        times.append((middle - began, time.perf_counter() - middle))
    rows = [row for row in found.tables["filter_ablation"] if row["refused"] is None]
    passes = statistics.median(table / plain for plain, table in times[1:])
    evaluated = sum(1 + row["control_draws"] for row in rows)
    return {
        "a plain pass, s": round(statistics.median(plain for plain, _ in times[1:]), 2),
        "table, in passes": round(passes, 1),
        "rows": len(rows),
        "with controls": evaluated,
        "passes a row": round(passes / evaluated, 2),
        "passes a row and its controls": round(passes / len(rows), 2),
        "target": 1.15,
    }


def grid(rounds: int) -> dict[str, Any]:
    """CPU time of the default model's grid with 8 and with 20 cut-offs, whole jobs in turn; without training."""
    options = ["fit=false", "model=scratch_pretrained_emb", "instruments=filter_grid"]
    grids = [[*options, f"callbacks.filter_grid.cutoffs={ks}".replace(" ", "")] for ks in CUTOFFS.values()]
    found = [[run(*overrides)["cpu_seconds"] for overrides in grids] for _ in range(rounds)]
    few, many = (statistics.median(seconds) for seconds in zip(*found, strict=True))
    return {"8 cut-offs, CPU s": round(few, 1), "20 cut-offs, CPU s": round(many, 1), "20 / 8": round(many / few, 2),
            "target": 2.5}  # fmt: skip


def memory() -> dict[str, Any]:
    """Peak memory of all instruments on GPT-2-small's shape."""
    record = run(*GPT2_SMALL, "fit=false", "test=false")
    return {
        "shape": "12 layers, d 768, sentences",
        "validation rows": record["rows"]["val"],
        "analysis, s": round(record["analysis_seconds"]),
        "peak MB": round(record["peak_mb"]),
        "target MB": 3 * 1024,
    }


def down(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as columns: that fits a terminal."""
    return [{"": key, **{str(i): row[key] for i, row in enumerate(rows, 1)}} for key in rows[0]]


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="of the first three questions")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="the others stay as FILE has them")
    parser.add_argument("--out", type=Path, default=Path("bench_instruments.json"))
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds}: use 1 or more")
    import torch

    from fourier_lightning.console import print_rows
    from fourier_lightning.record.writer import describe_device

    result: dict[str, Any] = json.loads(args.out.read_text()) if args.out.is_file() else {}
    result |= {"machine": describe_device(torch.device("cpu")), "torch": torch.__version__}
    if "ablation" in args.parts:
        result["ablation"] = ablation(args.rounds)
        print_rows(down(result["ablation"]), "The ablation table, in forward passes over the validation split")
    if "beside_training" in args.parts:
        result["beside_training"] = beside_training(args.rounds)
        print_rows(down([result["beside_training"]]), "Instruments at their default cadence, beside the quick run")
    if "grid" in args.parts:
        result["grid"] = grid(args.rounds)
        print_rows(down([result["grid"]]), "The filter grid in one job, by its number of cut-offs")
    if "memory" in args.parts:
        result["memory"] = memory()
        print_rows(down([result["memory"]]), "All instruments on a model of GPT-2-small's shape")
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{result['machine']}, torch {torch.__version__}; written to {args.out}")


if __name__ == "__main__":
    main()
