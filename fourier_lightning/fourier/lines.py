"""Waves over a table's own rows: what goes with them, and how much of the rows that are used that is."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def wave_part(rows: Float[Tensor, "r q"], table: Float[Tensor, "q d"]) -> Float[Tensor, "q d"]:
    """The part of a table that lies in these orthonormal rows over its number line."""
    return rows.T @ (rows @ table)


def leading_energies(
    rows: Float[Tensor, "r q"], table: Float[Tensor, "q d"], used: Bool[Tensor, " q"]
) -> Float[Tensor, " r"]:
    """Share of the used rows' centred power that goes with the first row, the first two, and so on.

    Numerator and denominator are both centred over the used numbers: what goes from all of them alike is a constant
    that tells no number from another. (Waves over the whole line do have a mean over a part of it.) Over the used
    numbers orthonormal rows are orthonormal no more: the power of a sum has cross terms.

    Args:
        rows: orthonormal, over the whole number line.
        table: the vectors of all numbers of the line.
        used: which of them are ever looked at.
    """
    coefs, seen = rows @ table, rows[:, used]
    seen = seen - seen.mean(dim=1, keepdim=True)
    sums = ((seen @ seen.T) * (coefs @ coefs.T)).cumsum(dim=0).cumsum(dim=1).diagonal()
    whole = (table[used] - table[used].mean(dim=0)).square().sum()
    return sums / whole.clamp_min(torch.finfo(torch.float64).tiny)
