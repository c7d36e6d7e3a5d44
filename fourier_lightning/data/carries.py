"""Carries of a column addition in decimal digits."""

import torch
from torch import Tensor


def carries(addends: Tensor) -> Tensor:
    """What each column hands on to the next when numbers are added up on paper.

    Args:
        addends: (n, m), none of them negative.

    Returns:
        int64 (n, digits of the largest addend): column i from 10^i to 10^(i + 1), 0 or more (up to m - 1).
    """
    tops = [10 ** (i + 1) for i in range(len(str(int(addends.max()))))]
    return torch.stack([(addends % top).sum(dim=1) // top for top in tops], dim=1)
