"""How much memory an analysis takes: a random model of a known shape, saved, measured by the command line's own path.

    python -m scripts.memory                                    (GPT-2-XL's shape in bfloat16, the validation split)
    python -m scripts.memory backbone.dtype=float32 trainer.accelerator=gpu instruments=default
    python -m scripts.memory --layers 12 --width 768 --heads 12 --keep DIR

Prints the largest resident memory of the process that measured (its file-backed part, the weights on disk, included),
what the GPU held if there was one, and the seconds. Random weights do: nothing is asked of them but their size.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.initialization import no_init_weights

from fourier_lightning.config import asset_path, load_config
from fourier_lightning.models.backbones import Backbone

# One pass over the examples each: filters take the same memory, and hours on a CPU.
ONCE = "instruments=[embedding_spectrum,layer_spectrum,answer_phase,logit_lens,final_logits]"


def save(where: Path, layers: int, width: int, heads: int) -> None:
    """A random GPT-2 in bfloat16 with the embedded backbone's tokenizer, whose numbers 0..520 are single tokens."""
    tokenizer = Backbone("embedded", asset_path("whisper-tiny-en-text")).tokenizer()
    config = GPT2Config(vocab_size=50257, n_embd=width, n_layer=layers, n_head=heads)
    with no_init_weights():
        net = GPT2LMHeadModel._from_config(config, dtype=torch.bfloat16)
    rng = torch.Generator().manual_seed(0)
    for name, weights in net.named_parameters():
        weights.data.normal_(1.0 if "ln_" in name and "weight" in name else 0.0, 0.02, generator=rng)
    net.save_pretrained(where)
    tokenizer.save_pretrained(where)


def measure(where: Path, overrides: list[str]) -> None:
    """Run it in this process, and print what it took."""
    from fourier_lightning.run import train

    began = time.perf_counter()
    settings = ["fit=false", "test=false", "logger=none", "backbone=local", "backbone.dtype=auto", ONCE]
    with tempfile.TemporaryDirectory() as run_dir:
        result = train(load_config([*settings, *overrides, f"backbone.path={where}"], run_dir))
    rows = len(result.data.split["val"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts kB
    gpu = f", {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB on the GPU" if torch.cuda.is_available() else ""
    print(f"peak {peak:.2f} GiB resident{gpu}; {rows:,} prompts in {time.perf_counter() - began:.0f} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of the run")
    for name, value in (("layers", 48), ("width", 1600), ("heads", 25)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--keep", type=Path, help="directory of the model: made if it is not there, and kept")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.overrides)
        return
    where = args.keep or Path(tempfile.mkdtemp())
    try:
        if not (where / "config.json").is_file():
            save(where, args.layers, args.width, args.heads)
        # a process of its own: what saving took does not count
        subprocess.run([sys.executable, "-m", "scripts.memory", "--measure", where, *args.overrides], check=True)
    finally:
        if not args.keep:
            shutil.rmtree(where)


if __name__ == "__main__":
    main()
