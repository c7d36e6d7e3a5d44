"""Do short jobs leave anything behind? A sweep of 200 in one process, and what the process holds after each.

    python -m scripts.many_jobs [--jobs 200] [--out many_jobs.json] [KEY=VALUE ...]

After every job: resident memory, open files, threads, child processes (W&B's among them), models that are still alive
and the hooks on them, settings of jobs that are over, log handlers, exit handlers. Target: memory between job 20 and
the last within 5 %, all else the same. Ends with exit code 1 where that is not so.
"""

import argparse
import atexit
import gc
import json
import logging
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hydra.core.utils import JobReturn
from torch import nn

from fourier_lightning import cli
from fourier_lightning.commands.train import Lifecycle
from fourier_lightning.console import print_rows

TINY = [
    "data.max_operand=20", "data.batch_size=32", "data.train_fraction=0.8", "model.n_layer=1", "model.width=16",
    "trainer.max_steps=2", "trainer.accelerator=cpu", "instruments=none", "trainer.enable_progress_bar=false",
]  # fmt: skip
SETTLED = 20  # jobs: by then every library has what it keeps
GROWTH = 0.05


def sweep(jobs: int, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run it, and look after each job."""
    found: list[dict[str, Any]] = []
    end = Lifecycle.on_job_end

    def on_job_end(self: Lifecycle, **kwargs: Any) -> None:
        end(self, **kwargs)
        del kwargs
        found.append(holds())

    with tempfile.TemporaryDirectory() as folder, patch.object(Lifecycle, "on_job_end", on_job_end):
        cli.main(["train", "-m", *TINY, *overrides, f"seed=range(0,{jobs})", f"hydra.sweep.dir={folder}/sweep"])
    return found


def holds() -> dict[str, Any]:
    """What this process holds now, garbage collected."""
    gc.collect()
    modules = [thing for thing in gc.get_objects() if issubclass(type(thing), nn.Module)]
    returns = [thing for thing in gc.get_objects() if issubclass(type(thing), JobReturn)]
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)
    status = Path("/proc/self/status").read_text().splitlines()
    (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
    handlers = sum(len(getattr(logger, "handlers", ())) for logger in logging.root.manager.loggerDict.values())
    return {
        "memory MB": round(resident / 1024, 1),
        "open files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "child processes": len(children()),
        "models' modules": len(modules),
        "hooks": hooks,
        "jobs' settings": sum(one.cfg is not None for one in returns),
        "log handlers": handlers + len(logging.root.handlers),
        "exit handlers": atexit._ncallbacks(),
    }


def children() -> list[str]:
    """Processes that this one has started and that are not gone."""
    return [child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()]


def judge(found: list[dict[str, Any]]) -> list[str]:
    """What grew between the job where all has settled and the last."""
    settled, last = found[min(SETTLED, len(found)) - 1], found[-1]
    grown = [
        f"{name}: {settled[name]}, then {last[name]}"
        for name in last
        if name != "memory MB" and last[name] > settled[name]
    ]
    growth = last["memory MB"] / settled["memory MB"] - 1
    return [*grown, *([f"memory: {growth:.1%}"] if growth > GROWTH else [])]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of the jobs")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("many_jobs.json"))
    args = parser.parse_args()
    os.environ.setdefault("WANDB_MODE", "offline")
    found = sweep(args.jobs, args.overrides)
    grown = judge(found)
    shown = [number for number in (1, 2, 5, 10, 20, 50, 100, 150, 200, 500) if number < len(found)] + [len(found)]
    rows = [{"after job": name, **{str(job): found[job - 1][name] for job in shown}} for name in found[0]]
    print_rows(rows, "What the process holds")
    args.out.write_text(json.dumps({"after each job": found, "grown": grown}, indent=2) + "\n")
    print("\n".join(grown) or f"nothing grew; memory {found[-1]['memory MB']} MB")
    raise SystemExit(1 if grown else 0)


if __name__ == "__main__":
    main()
