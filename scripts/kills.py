"""Kill a run at random moments, let it go on, and see whether it ends as if nothing had happened, to the bit.

    python -m scripts.kills --kills 20

A small run with every instrument, dropout and Muon is killed (SIGKILL) one to three times and then left to finish, with
``ckpt_path=auto`` each time; again and again in new directories, until there were as many kills. Everything that it
leaves is held against an undisturbed run: weights and the optimizer's state in both checkpoints, tables, arrays,
metrics.jsonl and the final metrics.
"""

import argparse
import copy
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from fourier_lightning.config import load_config
from fourier_lightning.directory import nothing_left
from fourier_lightning.models.saved import tensors
from fourier_lightning.run import train

SMALL = [
    "data.max_operand=20", "data.batch_size=32", "data.train_fraction=0.8", "model.n_layer=1", "model.width=16",
    "model.dropout=0.1", "trainer.max_epochs=6", "trainer.accelerator=cpu", "optimizer.warmup_steps=2",
    "callbacks.logit_lens.every_n_epochs=2", "callbacks.answer_phase.every_n_epochs=4", "~callbacks.progress_bar",
    "logger=none",
]  # fmt: skip


def run(cfg: DictConfig, where: Path) -> None:
    """A run in a directory, from wherever it is: in place of a command, whose start takes longer than all of it."""
    cfg = copy.deepcopy(cfg)
    cfg.paths.output_dir = str(where)
    if nothing_left(cfg) is None:  # as the command does: a kill that came too late has killed nothing
        train(cfg, verbose=False)


def in_child(work: Callable[[], Any], killed_after: float | None = None) -> int:
    """Do something in a forked process, on one thread, and kill it after so many seconds.

    Returns:
        0, or the negative number of the signal that ended it.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            work()
            code = 0
        finally:
            os._exit(code)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)  # no harm where it has ended: nobody has waited for it
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def left(run_dir: Path) -> dict[str, Any]:
    """Everything that a run leaves and that must not depend on how often it was killed, by name."""
    record, found = run_dir / "record", {}
    for path in sorted(path for path in record.rglob("*") if path.is_file() and path.name != "run.json"):
        found[str(path.relative_to(run_dir))] = path.read_bytes()
    info = json.loads((record / "run.json").read_text())
    found |= {f"run.json {name}": info[name] for name in ("status", "metrics", "steps")}
    found["run.json step"] = info["model"]["step"]
    for path in sorted((run_dir / "checkpoints").iterdir()):
        checkpoint = torch.load(path, weights_only=True)
        for part in ("state_dict", "optimizer_states"):
            found |= {f"{path.name} {name}": values for name, values in tensors(checkpoint.get(part, {}), part)}
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of what is in one alone, or not the same to the bit."""
    shared = one.keys() & other.keys()
    unlike = [name for name in shared if not same(one[name], other[name])]
    return sorted([*unlike, *(one.keys() ^ other.keys())])


def same(one: Any, other: Any) -> bool:
    """Equal, tensors in every element."""
    return bool(one.equal(other)) if isinstance(one, torch.Tensor) else one == other


def main(argv: Sequence[str] | None = None) -> None:
    """Command line. Exit code 1 if anything came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args(argv)
    moments, wrong, small = random.Random(args.seed), [], partial(run, load_config([*SMALL, "ckpt_path=auto"]))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        assert in_child(partial(small, Path(folder) / "undisturbed")) == 0
        seconds, expected = time.perf_counter() - began, left(Path(folder) / "undisturbed")
        done = trial = 0
        while done < args.kills:
            trial += 1
            where, wanted = Path(folder) / str(trial), min(moments.randint(1, 3), args.kills - done)
            at = [moments.uniform(0, seconds) for _ in range(wanted)]
            killed = sum(in_child(partial(small, where), moment) == -signal.SIGKILL for moment in at)
            code = in_child(partial(small, where))
            unlike = differences(expected, left(where)) if code == 0 else [f"it ended with {code}"]
            done, wrong = done + killed, wrong + unlike
            told = ", ".join(f"{moment:.2f} s" for moment in at)
            print(f"{where.name}: {killed} kills (after {told} of {seconds:.2f} s): {'; '.join(unlike) or 'identical'}")
    print(f"{done} kills in {trial} runs: {'something differs' if wrong else 'every run ended bit-identical'}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
