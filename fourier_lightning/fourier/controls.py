"""What a filter's fair controls are: random directions of the number line, equal in rank or equal in energy.

Equal rank is not equal energy: 98 low rows of 521 may hold 61 % of what a module adds to the number logits, 98 random
ones hold 19 % of it. A control that changes less says little when it breaks less. So beside the random rows of equal
number stand random rows that hold as much of the power: the ``energy`` of a filter is the share of the centred power
of the actual contributions (or of the actual input rows) that lies in the rows that it removes.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.fourier.basis import fourier_basis


def random_rows(p: int, count: int, seed: int) -> Float[Tensor, "count p"]:
    """Random directions of the number line: orthonormal rows, orthogonal to the constant too.

    Of one seed the fewer rows are the first of the more.
    """
    rng = torch.Generator().manual_seed(seed)
    # all of them are drawn: with another number of values torch draws the last ones anew
    gaussian = torch.randn(p - 1, p, generator=rng, dtype=torch.float64)[:count].T
    return torch.linalg.qr(gaussian - gaussian.mean(dim=0)).Q.T


def centred_moment(values: Float[Tensor, "n p"]) -> Float[Tensor, "p p"]:
    """Sum over n of the outer products of values, each centred over the number line, in float64."""
    values = values.double()
    values = values - values.mean(dim=1, keepdim=True)
    return values.T @ values


def energy_of(rows: Float[Tensor, "r p"], moment: Float[Tensor, "p p"]) -> float:
    """Share of the centred power that lies in these orthonormal rows; 0 of nothing.

    Args:
        rows: over the number line; a constant among them holds nothing.
        moment: ``centred_moment`` of what is filtered.
    """
    rows = rows.to(moment.device)
    whole = moment.trace()
    return float(((rows @ moment) * rows).sum() / whole) if len(rows) and whole > 0 else 0.0


def leading_rows(rotation: Float[Tensor, "m p"], moment: Float[Tensor, "p p"], energies: Sequence[float]) -> list[int]:
    """How many leading rows of a rotation come nearest to each share of the centred power: at least one.

    Args:
        rotation: orthonormal rows, ``random_rows(p, p - 1, seed)``.
        moment: ``centred_moment`` of what is filtered.
        energies: shares, 0 to 1.
    """
    moment = moment.cpu()
    held = ((rotation @ moment) * rotation).sum(dim=1).cumsum(dim=0) / moment.trace().clamp_min(1e-300)
    return [int((held - energy).abs().argmin()) + 1 for energy in energies]


def turned(rows: Float[Tensor, "r p"], draws: int, seed: int) -> Iterator[Float[Tensor, "r p"]]:
    """Rows over the number line under random rotations of it that leave the constant alone, one a draw.

    Angles between the rows stay: waves become as many directions of the number line that mean nothing.

    Args:
        rows: orthogonal to the constant.
        draws: how many rotations.
        seed: of the first; the next ones follow.
    """
    p = rows.shape[1]
    across = rows @ fourier_basis(p).rows[1:].T  # (r, p - 1)
    for draw in range(draws):
        yield across @ random_rows(p, p - 1, seed + draw)
