"""One side of the bench in a process of its own: run by bench_training.py, one round for each line on its stdin.

    python -m scripts.bench_worker SIDE SHAPE OPTIMIZER PRECISION DEVICE

Ours is Lightning's own loop over `AdditionModule`; the others are in bench_rivals.py.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

QUIET = ["logger=none", "~callbacks.progress_bar", "~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]
GPT2_SMALL = ["data=addition", "data.max_operand=260", "model.n_layer=12", "model.width=768", "model.n_head=12"]
# Steps of a round, ours and a rival's: each takes seconds.
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2-small": {"config": [*GPT2_SMALL, "data.batch_size=64"], "batch": 64, "steps": 3, "rival_steps": 3},
    "default": {"config": [], "batch": 128, "steps": 20, "rival_steps": 4},
    "quick": {"config": ["experiment=quick", "size=small"], "batch": 256, "steps": 20, "rival_steps": 4},
}


def shape(name: str) -> dict[str, Any]:
    """One of SHAPES, changed by the settings that follow its name: "quick model.width=256"."""
    base, *words = name.split()
    batch = [int(word.partition("=")[2]) for word in words if word.startswith("data.batch_size=")]
    found = SHAPES[base]
    return {**found, "config": [*found["config"], *words], "batch": batch[-1] if batch else found["batch"]}


def our_config(name: str, optimizer: str, precision: str = "32-true", device: str = "cpu") -> Any:
    """The run's configuration: a scratch model of that shape; 80 % of the pairs."""
    from fourier_lightning.config import load_config

    training = [f"optimizer={optimizer}", "data.train_fraction=0.8", "trainer.max_epochs=1000", "model.dropout=0.0"]
    training += [f"trainer.accelerator={'gpu' if device == 'cuda' else device}", f"trainer.precision={precision}"]
    training += ["compile=reduce-overhead"] if device == "cuda" else []  # as docs/devices.md advises
    return load_config(["model=scratch", *training, *shape(name)["config"], *QUIET, "trainer.limit_val_batches=0"])


def peak_mb() -> float:
    """Peak memory of this process."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux getrusage remembers the parent's peak across fork and exec
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def take_turns(steps: int, device: str = "cpu") -> Generator[None]:
    """To be advanced before each step: every ``steps`` steps it reports the time and waits for its turn."""
    import torch

    done, began = 0, None
    while True:
        if done % steps == 0:
            if device == "cuda":
                torch.cuda.synchronize()
            if began is not None:
                said = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}
                said |= {"gpu_mb": torch.cuda.max_memory_allocated() / 1e6} if device == "cuda" else {}
                print(json.dumps(said), flush=True)
            if not sys.stdin.readline():
                os._exit(0)  # the bench has seen enough; a fit has no cleaner way out
            began = time.perf_counter()
        yield
        done += 1


def work_ours(name: str, optimizer: str, precision: str, device: str) -> None:
    """Our side: Lightning's loop."""
    import pytorch_lightning as pl

    from fourier_lightning.allocator import keep_freed_memory
    from fourier_lightning.run import build_module, make_trainer, prepare, quiet_libraries

    quiet_libraries()
    keep_freed_memory()  # as the command does
    cfg = our_config(name, optimizer, precision, device)
    parts = prepare(cfg)
    turns = take_turns(shape(name)["steps"], device)

    class Turns(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            next(turns)

    trainer = make_trainer(cfg, logger=False, callbacks=[Turns()], enable_checkpointing=False)
    trainer.fit(build_module(parts, 0), datamodule=parts.data)


def work_rival(side: str, name: str, precision: str, device: str) -> None:
    """Another side, on the rows that ours trains on."""
    from fourier_lightning.run import prepare, quiet_libraries
    from scripts.bench_rivals import RIVALS, job

    quiet_libraries()
    parts = prepare(our_config(name, "adamw"))
    RIVALS[side](
        job(parts, device, precision, compact=side == "nanogpt_compact"),
        take_turns(shape(name)["rival_steps"], device),
    )


if __name__ == "__main__":
    side, name, optimizer, precision, device = sys.argv[1:]
    if side == "ours":
        work_ours(name, optimizer, precision, device)
    else:
        work_rival(side, name, precision, device)
