"""How many tokens a run passes through a model's blocks, by torch's FLOP counter: the cost of a model that is not here.

    python -m scripts.passes fit=false                          (the default's instruments, on the embedded backbone)
    python -m scripts.passes fit=false model=scratch model.n_layer=8

Times and memory of the presets in docs/models.md are reckoned from it.
"""

import argparse
import tempfile

from torch.utils.flop_counter import FlopCounterMode

from fourier_lightning.config import load_config
from fourier_lightning.run import train


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="+", metavar="KEY=VALUE", help="settings of the run, fit=false among them")
    overrides = parser.parse_args().overrides
    with tempfile.TemporaryDirectory() as where:
        cfg = load_config([*overrides, "logger=none"], where)
        with FlopCounterMode(display=False) as counter:
            run = train(cfg, verbose=False).record.run
    (blocks,) = (row["parameters"] for row in run["parameters"] if row["part"] == "h")
    # a token's products with a GPT-2's matrices are these; those of attention, spectra and filters are others
    products = counter.get_flop_counts()["Global"]
    flop = sum(count for name, count in products.items() if "addmm" in str(name))
    print(f"{flop / 1e12:.3g} Tflop for {blocks / 1e6:.3g} M weights of the blocks: {flop / 2 / blocks:,.0f} tokens")


if __name__ == "__main__":
    main()
