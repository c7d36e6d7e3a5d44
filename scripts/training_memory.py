"""How much memory training takes on each device: computed, not measured.

    python -m scripts.training_memory

Weights, gradients and AdamW's moments are counted in the model's own shape (float32, 16 bytes a parameter). What the
backward pass needs is counted in a forward pass of two and of three blocks of the model's width, in bf16 autocast, by
what autograd saves; one block more is the difference. Not counted: what the allocator leaves unused, and the libraries.
"""

from typing import Any

import torch
from transformers import GPT2Config, GPTJConfig

from fourier_lightning.models.arms import blank_network
from fourier_lightning.models.batch_memory import bytes_kept
from fourier_lightning.models.decoder import Decoder

VOCABULARY = 560  # tokens of the paper's task, compact
TOKENS = 16  # of its longest prompts
GB = 1e9
SHAPES = {
    "GPT-2-XL": (GPT2Config, {"n_layer": 48, "n_embd": 1600, "n_head": 25}, [1]),
    "GPT-J": (GPTJConfig, {"n_layer": 28, "n_embd": 4096, "n_head": 16, "rotary_dim": 64}, [2, 4, 8]),
}


def saved(kind: Any, shape: dict[str, int], blocks: int, rows: int) -> int:
    """Bytes that autograd keeps of one forward pass, weights aside; bf16 copies of weights are among them."""
    config = kind(**{**shape, "n_layer": blocks}, vocab_size=VOCABULARY)
    return bytes_kept(config, rows, TOKENS, torch.bfloat16)


def activations(kind: Any, shape: dict[str, int]) -> tuple[float, float]:
    """Bytes that a prompt adds: in one block, and outside of the blocks that are alike (all but the last)."""
    by_row = {blocks: (saved(kind, shape, blocks, 4) - saved(kind, shape, blocks, 2)) / 2 for blocks in (2, 3)}
    return by_row[3] - by_row[2], 2 * by_row[2] - by_row[3]


def parameters(kind: Any, shape: dict[str, int]) -> tuple[int, int]:
    """Of the whole model, and of one block."""
    with torch.device("meta"):
        net = blank_network(kind(**shape, vocab_size=VOCABULARY))
    return tuple(sum(one.numel() for one in part.parameters()) for part in (net, Decoder(net).blocks[0]))


def main() -> None:
    """Print a line for each shape, number of devices and batch."""
    for name, (kind, shape, devices) in SHAPES.items():
        whole, block = parameters(kind, shape)
        in_block, outside = activations(kind, shape)
        print(f"{name}: {whole / 1e9:.3f} G parameters, a block {block / 1e6:.1f} M")
        print(f"  a prompt of {TOKENS} tokens keeps {in_block / 1e6:.2f} MB in a block, {outside / 1e6:.2f} MB outside")
        for n in devices:
            states, copies = 16 * whole / n, 2 * whole  # autocast keeps its copies of all weights for a forward pass
            # together at a time: what is not a block of its own and its gradient, two blocks and a gradient
            gathered = 0 if n == 1 else 8 * (whole - (shape["n_layer"] - 1) * block) + 12 * block
            for rows in (16, 256, 1024):
                mine, alike = rows / n, shape["n_layer"] - 1
                plain = mine * (alike * in_block + outside)
                kept = mine * (alike * 4 * TOKENS * shape["n_embd"] + in_block + outside)  # inputs, in float32
                fixed = states + copies + gathered
                print(f"  {n} device(s), batch {rows}: {fixed / GB:.1f} GB, and activations {plain / GB:.1f} GB; "
                      f"with activation checkpointing {kept / GB:.1f} GB: {(fixed + kept) / GB:.1f} GB")  # fmt: skip


if __name__ == "__main__":
    main()
