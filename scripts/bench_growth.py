"""How cost grows: a training step with p, width and layers, a sweep with its seeds, a report with its runs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.bench_report import SHORT, build, records
from scripts.bench_training import ROOT, Worker, spread
from scripts.bench_worker import shape

# From the quick shape (p = 521, width 128, 2 layers), one thing at a time.
STEPS = {
    "p": ["data.max_operand=50", "data.max_operand=100", "data.max_operand=260"],
    "width": ["model.width=64", "model.width=128", "model.width=256", "model.width=512"],
    "layers": ["model.n_layer=1", "model.n_layer=2", "model.n_layer=4", "model.n_layer=8"],
}
SEEDS = (1, 2, 4)
RUNS = (1, 20, 100, 500)


def steps(rounds: int, device: str) -> list[dict[str, Any]]:
    """Milliseconds of a training step, all settings of a kind in turn."""
    found = []
    for what, settings in STEPS.items():
        workers = [Worker("ours", f"quick {setting}", "adamw", "32-true", device) for setting in settings]
        try:
            times = [[worker.round()["seconds"] for worker in workers] for _ in range(rounds + 1)][1:]
        finally:
            for worker in workers:
                worker.close()
        for setting, seconds in zip(settings, zip(*times, strict=True), strict=True):
            each = [1000 * one / shape("quick")["steps"] for one in seconds]
            found.append({"grows with": what, "setting": setting, "ms a step": spread(each)})
    return found


def seeds(counts: Sequence[int] = SEEDS) -> list[dict[str, Any]]:
    """Seconds of a sweep of two epochs without instruments: what a further seed costs beside the first."""
    found = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "train.py", "-m", *SHORT, "instruments=none", f"seed=range(0,{count})"]
            began = time.perf_counter()
            subprocess.run([*command, f"hydra.sweep.dir={folder}/s"], cwd=ROOT, check=True, capture_output=True)
            seconds = round(time.perf_counter() - began, 1)
        found.append({"grows with": "seeds", "setting": f"{count} in a sweep", "s": seconds})
    return found


def reports(counts: Sequence[int] = RUNS) -> list[dict[str, Any]]:
    """Seconds and megabytes of a report."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        runs, page = records(Path(folder), max(counts)), Path(folder) / "report.html"
        for count in counts:
            seconds = round(build(runs[:count], page), 1)
            megabytes = round(page.stat().st_size / 1e6, 1)
            found.append({"grows with": "runs", "setting": f"{count} in a report", "s": seconds, "MB": megabytes})
    return found


def rows(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of a table: each beside the first of its kind."""
    first: dict[str, float] = {}
    lines = []
    for one in found:
        value = one["ms a step"]["median"] if "ms a step" in one else one["s"]
        said = f"{value:g} ms a step" if "ms a step" in one else f"{value:g} s"
        said += f", {one['MB']:g} MB" if "MB" in one else ""
        ratio = value / first.setdefault(one["grows with"], value)
        lines.append({"grows with": one["grows with"], "at": one["setting"], "cost": said, "times": f"{ratio:.2f}"})
    return lines
