"""What only a GPU can tell: the best batch and its share of the matrix rate, the rescue to 99 %, the paper's runs."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fourier_lightning.record.runs import read_run
from scripts.bench_seeds import BARE, SHAPES, compare
from scripts.bench_training import ROOT, Worker, example_flop, matmul_ceiling, spread
from scripts.bench_worker import GPT2_SMALL, shape

BATCHES = (16, 64, 256, 1024, 4096)
XL = "model.n_layer=48 model.width=1600 model.n_head=25"
# The paper's own runs, at the shapes of their backbones: GPT-2's weights need not be here to know what a step costs.
EXPERIMENTS = {"rescue_small": "", "finetune_small": "", "finetune_xl": XL, "scratch_xl": XL}
PAPER_ROWS = 27352  # training rows: 80 % of the pairs of 0..260
RESCUE = [
    "model=scratch_pretrained_emb", *GPT2_SMALL, "data.batch_size=256", "data.train_fraction=0.8", "optimizer=adamw",
    "instruments=none", "logger=none", "~callbacks.progress_bar", "trainer.accelerator=gpu", "trainer.max_epochs=700",
    "trainer.precision=bf16-mixed", "compile=reduce-overhead",
    "+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/accuracy, mode: max, "
    "stopping_threshold: 0.99, patience: 1000}",
]  # fmt: skip


def rate(name: str, rounds: int, device: str, precision: str = "bf16-mixed") -> dict[str, Any]:
    """Examples a second of ours alone, and the most memory."""
    worker, sizes = Worker("ours", name, "adamw", precision, device), shape(name)
    try:
        found = [worker.round() for _ in range(rounds + 1)][1:]
    finally:
        worker.close()
    each = spread([sizes["steps"] * sizes["batch"] / one["seconds"] for one in found])
    return {"shape": name, "batch": sizes["batch"], "examples/s": each, "peak MB": round(found[-1].get("gpu_mb", 0))}


def utilisation(rounds: int, device: str = "cuda") -> list[dict[str, Any]]:
    """Model FLOP utilisation at GPT-2-small's shape by batch size: of the rate of a large bf16 product on this GPU."""
    found = []
    for batch in BATCHES:
        name = f"gpt2-small data.batch_size={batch}"
        one = rate(name, rounds, device)
        used = one["examples/s"]["median"] * example_flop("gpt2-small") / 1e9 / matmul_ceiling("bf16-mixed", device)
        found.append({**one, "utilisation": round(used, 3), "target": 0.4})
    return found


def rescue_to_99() -> dict[str, Any]:
    """Seconds of training until GPT-2-small's shape with a pretrained, frozen table is right on 99 % of validation."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "train.py", *RESCUE, f"hydra.run.dir={folder}/run"], cwd=ROOT, check=True)
        run = read_run(Path(folder) / "run")
    reached = run.metrics["val/accuracy"]
    return {"train s": round(run.info["train_seconds"], 1), "steps": run.info["steps"], "val/accuracy": reached}


def seeds_at_once(seeds: int = 5, repeats: int = 3, device: str = "cuda") -> list[dict[str, Any]]:
    """Five runs of the default's and of the quick shape as one batched model, against the five in turn."""
    found = []
    for name in list(SHAPES)[:2]:
        accelerator = f"trainer.accelerator={'gpu' if device == 'cuda' else device}"
        found.append({"shape": name, **compare([*BARE, *SHAPES[name], accelerator], seeds, repeats)})
    return found


def projected(rounds: int, device: str = "cuda") -> list[dict[str, Any]]:
    """Hours of each of the paper's runs on this device: its own batch size, at the speed of a few steps."""
    from fourier_lightning.config import load_config

    found = []
    for name, words in EXPERIMENTS.items():
        cfg = load_config([f"experiment=paper/{name}", f"trainer.accelerator={'gpu' if device == 'cuda' else device}"])
        settings = f"gpt2-small {words} data.batch_size={cfg.data.batch_size} model.dropout={cfg.model.dropout}"
        one = rate(settings, rounds, device)
        examples = PAPER_ROWS * cfg.trainer.max_epochs
        hours = examples / one["examples/s"]["median"] / 3600
        found.append({"experiment": name, "epochs": cfg.trainer.max_epochs, **one, "hours": round(hours, 2)})
    return found


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of the bench's table."""
    best = max(found["utilisation"], key=lambda one: one["utilisation"])
    reached = found["rescue_to_99"]
    lines = [
        {"question": "model FLOP utilisation, gpt2-small", "ours": f"{best['examples/s']['median']:g} examples/s",
         "beside it": f"batch {best['batch']}, {best['peak MB']} MB", "ratio": f"{best['utilisation']:g}",
         "target": f"{best['target']:g}"},
        {"question": "the rescue to 99 % of validation", "ours": f"{reached['train s']:g} s",
         "beside it": f"{reached['steps']} steps", "ratio": f"reached {reached['val/accuracy']:.3f}", "target": "-"},
    ]  # fmt: skip
    for one in found["seeds_at_once"]:
        lines.append({
            "question": f"{one['seeds']} seeds as one, {one['shape']}", "ours": f"{one['as_one_seconds']:.1f} s",
            "beside it": f"in turn: {one['in_turn_seconds']:.1f} s", "ratio": f"{one['ratio']:.2f}", "target": "2.5",
        })  # fmt: skip
    for one in found["projected"]:
        lines.append({
            "question": f"paper/{one['experiment']}, projected", "ours": f"{one['hours']:g} h a seed",
            "beside it": f"{one['epochs']} epochs, batch {one['batch']}", "ratio": "-", "target": "-",
        })  # fmt: skip
    return lines
