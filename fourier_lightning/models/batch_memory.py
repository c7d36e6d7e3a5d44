"""How many prompts a training step can hold: counted without a weight, on a model that is only pretended."""

from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from fourier_lightning.models.arms import blank_network
from fourier_lightning.models.decoder import Decoder

BYTES_OF_A_WEIGHT = 16  # float32: itself, its gradient, and the optimizer's two moments (Muon has one)
USED = 0.7  # of the free memory: the rest is for what a backward pass has in hand, and for the allocator's gaps


def bytes_kept(network: Any, rows: int, length: int, autocast: torch.dtype | None) -> int:
    """Bytes that a forward pass keeps for the backward pass, beside the weights.

    Args:
        network: the model's configuration.
        rows, length: of a batch.
        autocast: the half precision that products are computed in, if any.
    """
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no other comes to lie at its address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with FakeTensorMode(allow_non_fake_inputs=True):
        net = blank_network(network, torch.float32).train()
        prompt = torch.zeros(rows, length, dtype=torch.long)
        half = torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), half:
            F.cross_entropy(Decoder(net).answer_logits(prompt), prompt[:, 0])
        for weight in net.parameters():
            kept.pop(weight.untyped_storage()._cdata, None)
        return sum(storage.nbytes() for storage in kept.values())


def most_rows(network: Any, length: int, autocast: torch.dtype | None, free: int, copies: int = 1) -> int:
    """The most rows of a batch that fit; 0 if none does.

    Args:
        network, length, autocast: see ``bytes_kept``.
        free: bytes of memory.
        copies: models that train at once.
    """
    few, more = (bytes_kept(network, rows, length, autocast) for rows in (8, 16))
    a_row = (more - few) / 8
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in blank_network(network, torch.float32).parameters())
    always = weights * BYTES_OF_A_WEIGHT + few - 8 * a_row  # with the weights' half-precision copies
    return max(0, int((USED * free / copies - always) / a_row))
