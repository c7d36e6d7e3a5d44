"""What training several seeds as one batched model is worth, against the same runs in turn.

    python -m scripts.bench_seeds                                     (the shapes below, 5 seeds, on this CPU)
    python -m scripts.bench_seeds --device cuda --output bench_seeds.json
    python -m scripts.bench_seeds --seeds 2 --repeats 5 model.width=64    (one shape: the default with these settings)

Both ways train the same seeds for the same steps, validation included, instruments left out; they take turns, and
the medians count. On a GPU the order of the work is the same, so the ratio is what launching fewer kernels gives.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

from fourier_lightning import devices
from fourier_lightning.config import load_config
from fourier_lightning.run import train
from fourier_lightning.seeds import train_seeds

SHAPES = {
    "default (2 blocks, d 256, 1,802 pairs)": ["trainer.max_epochs=5"],
    "quick (2 blocks, d 128, 6,829 pairs)": ["experiment=quick", "trainer.max_epochs=2"],
    "small (1 block, d 64, 1,802 pairs)": ["model.n_layer=1", "model.width=64", "trainer.max_epochs=10"],
    "tiny (1 block, d 32, batch 32)": [
        "model.n_layer=1", "model.width=32", "data.max_operand=40", "data.batch_size=32", "trainer.max_epochs=10",
    ],
}  # fmt: skip
BARE = ["logger=none", "instruments=none", "test=false", "~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]


def seconds(overrides: list[str], seeds: int, together: bool) -> tuple[float, int]:
    """Seconds of training, and the steps of all seeds."""
    with tempfile.TemporaryDirectory() as where:
        if together:
            result = train_seeds(load_config([*overrides, f"seeds_in_parallel={seeds}"], where), verbose=False)
            times = [result.ones[0].record.run]
        else:
            configs = [load_config([*overrides, f"seed={seed}"], f"{where}/{seed}") for seed in range(seeds)]
            times = [train(cfg, verbose=False).record.run for cfg in configs]
    return sum(run["train_seconds"] for run in times), sum(run["steps"] for run in times) * (seeds if together else 1)


def compare(overrides: list[str], seeds: int, repeats: int) -> dict[str, Any]:
    """Medians of both ways, which take turns."""
    devices.MOST_AS_ONE = 2**62  # a run that would be slower is refused on a CPU: here it is what is asked
    took: dict[bool, list[float]] = {False: [], True: []}
    for repeat in range(repeats + 1):
        for together in took:
            spent, steps = seconds(overrides, seeds, together)
            if repeat:  # the first time warms up
                took[together].append(spent)
    in_turn, as_one = (statistics.median(values) for values in took.values())
    return {
        "seeds": seeds, "steps_of_all": steps, "in_turn_seconds": in_turn, "as_one_seconds": as_one,
        "ratio": in_turn / as_one, "all_in_turn": took[False], "all_as_one": took[True],
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of one shape, in place of all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    args = parser.parse_args()
    accelerator = {"cpu": "cpu", "cuda": "gpu"}[args.device]
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{device}; {args.seeds} seeds, {args.repeats} times each, seconds of training")
    found: dict[str, Any] = {"device": device, "shapes": {}}
    for name, overrides in ({"given": args.overrides} if args.overrides else SHAPES).items():
        found["shapes"][name] = one = compare(
            [*BARE, *overrides, f"trainer.accelerator={accelerator}"], args.seeds, args.repeats
        )
        print(f"{name}: in turn {one['in_turn_seconds']:.2f}, as one {one['as_one_seconds']:.2f}: "
              f"{one['ratio']:.2f} times as fast", flush=True)  # fmt: skip
    if args.output:
        args.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
