"""Less memory for more work."""

from functools import partial
from typing import Any

import pytorch_lightning as pl
from torch.utils.checkpoint import checkpoint


class ActivationCheckpointing(pl.Callback):
    """Keeps the input of each block alone, and computes the rest of it again in the backward pass.

    Every number stays the same, dropout included. It costs one more forward pass in three. The last block of a GPT-2,
    of which one position is computed (``models.gpt2_fast``), keeps what it has.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        for block in pl_module.decoder.blocks:  # what transformers' layers look at; its own switch adds a hook, too
            block.gradient_checkpointing = True
            block._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        for block in pl_module.decoder.blocks:
            block.gradient_checkpointing = False
