"""Fourier bases over the number line x = 0..p-1 (paper section 3)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

BasisKind = Literal["orthonormal", "paper"]


@dataclass(frozen=True)
class Basis:
    """Waves over the number line, one constant and one or two rows for each component k.

    Attributes:
        kind: ``orthonormal`` or ``paper``.
        rows: (r, p) float64, the constant first.
        component: (r,) int64, the k of each row; 0 for the constant.
    """

    kind: BasisKind
    rows: Float[Tensor, "r p"]
    component: Int[Tensor, " r"]

    @property
    def p(self) -> int:
        """Length of the number line."""
        return self.rows.shape[1]

    @property
    def n_components(self) -> int:
        """K: components are k = 1..K."""
        return int(self.component[-1])

    @property
    def length(self) -> int:
        """The period of k = 1: p, or p - 1 in the paper's basis."""
        return self.p - (self.kind == "paper")

    @property
    def periods(self) -> Float[Tensor, " K"]:
        """Period T of each component k = 1..K, in numbers."""
        return self.length / torch.arange(1, self.n_components + 1, dtype=torch.float64)


def fourier_basis(p: int, kind: BasisKind = "orthonormal") -> Basis:
    """Sine and cosine rows over x = 0..p-1.

    ``orthonormal`` is the real discrete Fourier basis of period p: exactly orthonormal for odd and even p (an even p
    ends with one row, k = p/2, whose sine vanishes). It is the default for numbers, because powers then add up to
    the whole and projections are exact.

    ``paper`` is section 3's: w_k = 2 pi k / (p - 1), row 0 = sqrt(1/(p-1)), rows 2k-1 and 2k = sqrt(2/(p-1)) times
    sine and cosine. Periods are then 520/k, so that 10, 5, 2.5 and 2 fall on k = 52, 104, 208 and 260; but p samples
    of period p - 1 are not orthogonal, and for odd p the last sine row is zero.

    Args:
        p: length of the number line, at least 3.
        kind: which basis.

    Returns:
        A basis with 1 + 2K rows (one fewer for ``orthonormal`` and even p); K = p // 2, or (p - 1) // 2 for ``paper``.

    Raises:
        ValueError: p is below 3.
    """
    if p < 3:
        raise ValueError(f"p={p}: a number line needs 3 points or more")
    length = p - 1 if kind == "paper" else p
    x = torch.arange(p)
    rows, component = [torch.full((1, p), length**-0.5, dtype=torch.float64)], [0]
    for k in range(1, length // 2 + 1):
        # k x modulo the length in integers: exact at the zeros, whatever the size of k x
        angle = (2 * math.pi / length) * ((k * x) % length).double()
        waves = torch.stack([angle.sin(), angle.cos()]) * math.sqrt(2 / length)
        if 2 * k == length:  # the sine is zero at every sample
            waves[0] = 0
            if kind == "orthonormal":
                waves = waves[1:] * math.sqrt(0.5)
        rows.append(waves)
        component += [k] * len(waves)
    return Basis(kind, torch.cat(rows), torch.tensor(component))


def period_waves(periods: list[float], p: int) -> Float[Tensor, "m p"]:
    """Cosine and sine of exactly these periods at x = 0..p-1, on the grid of a basis or not: (2 x periods, p).

    Not orthogonal, not centred: ``span`` does that.
    """
    x = torch.arange(p, dtype=torch.float64)
    angles = [2 * math.pi * torch.remainder(x / period, 1.0) for period in periods]
    return torch.stack([wave for angle in angles for wave in (angle.cos(), angle.sin())])


def span(rows: Float[Tensor, "m p"], centred: bool = True) -> Float[Tensor, "r p"]:
    """Orthonormal rows with the same span, without the constant if ``centred``; dependent rows are dropped."""
    rows = rows - rows.mean(dim=1, keepdim=True) if centred else rows
    _, sizes, vh = torch.linalg.svd(rows, full_matrices=False)
    return vh[sizes > 1e-9 * math.sqrt(rows.shape[1])]
