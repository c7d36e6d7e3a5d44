"""A model in pieces: each device keeps a part of every weight, its gradient and its moments (FSDP 2)."""

import pytorch_lightning as pl
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method


def share_weights(module: pl.LightningModule, blocks: nn.ModuleList, mesh: DeviceMesh) -> None:
    """Share a module's weights out, in place. Doing it again does nothing.

    A block's weights come together while it computes. All else does for a whole step: the tables, the final norm, and
    the last block, whose parts GPT-2's short forward pass calls one by one (``gpt2_fast``).

    Args:
        module: its steps are what gathers and frees weights.
        blocks: those of its network.
        mesh: two dimensions: copies (machines), and the devices that share one.
    """
    if isinstance(module, FSDPModule):
        return
    for block in blocks[:-1]:
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    for step in ("training_step", "validation_step", "test_step"):
        register_fsdp_forward_method(module, step)
