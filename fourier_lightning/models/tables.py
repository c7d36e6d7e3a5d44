"""A model's token tables, which is all that is looked at where nothing is computed."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Tables:
    """The rows of a model: of an encoder all that is read; a ``Decoder`` has places and passes, too.

    Args:
        net: the table itself. It is used where it is: later moves show.
    """

    def __init__(self, net: Any) -> None:
        self.net = net

    @property
    def table(self) -> nn.Embedding:
        """The input table."""
        return self.net

    @property
    def head(self) -> nn.Linear | None:
        """The unembedding, where there is one."""
        return None

    @property
    def width(self) -> int:
        """d of the rows."""
        return self.table.weight.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.table.weight.device

    @property
    def tied(self) -> bool:
        """Whether there is no other table than the input's."""
        return self.head is None or self.table.weight is self.head.weight

    def input_rows(self) -> Float[Tensor, "V d"]:
        """What each token puts into the stream (V, d), a model's own factor (Gemma's sqrt(d)) included. Detached."""
        rows, factor = self.table.weight.detach(), getattr(self.table, "embed_scale", None)
        return rows if factor is None else rows * factor

    def output_rows(self) -> Float[Tensor, "V d"]:
        """The unembedding (V, d) as it is stored. Detached."""
        return (self.table if self.head is None else self.head).weight.detach()
