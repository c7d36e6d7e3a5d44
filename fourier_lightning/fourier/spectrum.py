"""Spectra over the number line: of tables, of logits, by component k or by exact period T."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fourier_lightning.fourier.basis import Basis, period_waves, span


def coefficients(values: Float[Tensor, "... p"], basis: Basis) -> Float[Tensor, "... r"]:
    """Inner product with each row of the basis, in float64."""
    return values.double() @ basis.rows.T.to(values.device)


def magnitudes(coefs: Float[Tensor, "... r"], basis: Basis) -> Float[Tensor, "... K"]:
    """Magnitude sqrt(sin^2 + cos^2) of each component k = 1..K (paper section 3)."""
    return sum_by_component(coefs.square(), basis).sqrt()


def sum_by_component(values: Float[Tensor, "... r"], basis: Basis) -> Float[Tensor, "... K"]:
    """Add up the entries of each component's rows; the constant is left out."""
    sums = values.new_zeros(*values.shape[:-1], basis.n_components + 1)
    return sums.index_add_(-1, basis.component.to(values.device), values)[..., 1:]


def table_spectrum(table: Float[Tensor, "p d"], basis: Basis) -> Float[Tensor, " K"]:
    """Spectrum of number vectors: transform each column, L2 norm over the columns (paper section 3, figure 5a)."""
    return magnitudes(coefficients(table.T, basis), basis).square().sum(dim=0).sqrt()


@dataclass(frozen=True)
class Probes:
    """Groups of orthonormal rows over the number line whose power is asked for, e.g. one group a period.

    Attributes:
        rows: (m, p) float64, orthonormal within a group and orthogonal to the constant.
        group: (m,) int64 group of each row.
        size: number of groups.
    """

    rows: Float[Tensor, "m p"]
    group: Int[Tensor, " m"]
    size: int

    def power(self, table: Float[Tensor, "... p d"]) -> Float[Tensor, "... size"]:
        """Power of each group: the sum of squares that its least-squares fit explains, beyond the mean row."""
        return self.add_up((self.rows.to(table.device) @ table.double()).square().sum(dim=-1))

    def some(self, groups: list[int]) -> "Probes":
        """These groups alone, in this order."""
        rows = [self.rows[self.group == group] for group in groups]
        group = torch.tensor([index for index, mine in enumerate(rows) for _ in mine])
        return Probes(torch.cat(rows), group, len(groups))

    def counts(self) -> Float[Tensor, " size"]:
        """Rows of each group."""
        return torch.bincount(self.group, minlength=self.size).double()

    def add_up(self, row_powers: Float[Tensor, "... m"]) -> Float[Tensor, "... size"]:
        """Powers of single rows to powers of groups."""
        sums = row_powers.new_zeros(*row_powers.shape[:-1], self.size)
        return sums.index_add_(-1, self.group.to(row_powers.device), row_powers)


def period_probes(periods: list[float], p: int) -> Probes:
    """One group for each exact period T, on the grid or off it.

    The power of a group is that of the least-squares fit c + a cos(2 pi x / T) + b sin(2 pi x / T): a Lomb-Scargle
    periodogram with floating mean. An FFT over a prime p leaks T = 10 into two bins; this does not.
    """
    spans = [span(period_waves([period], p)) for period in periods]
    group = [index for index, rows in enumerate(spans) for _ in rows]
    return Probes(torch.cat(spans), torch.tensor(group), len(periods))


def component_probes(basis: Basis) -> Probes:
    """One group for each component k = 1..K of the basis."""
    if basis.kind == "orthonormal":
        return Probes(basis.rows[1:], basis.component[1:] - 1, basis.n_components)
    rows = [span(basis.rows[basis.component == k]) for k in range(1, basis.n_components + 1)]
    group = [index for index, member in enumerate(rows) for _ in member]
    return Probes(torch.cat(rows), torch.tensor(group), basis.n_components)


def centred_power(table: Float[Tensor, "... p d"]) -> Float[Tensor, "..."]:
    """Sum of squares around the mean row: the whole that a probe's power is a share of."""
    table = table.double()
    return (table - table.mean(dim=-2, keepdim=True)).square().sum(dim=(-2, -1))


def top_share(power: Float[Tensor, "... K"], k: int) -> Float[Tensor, "..."]:
    """Share of the total power that the k strongest components hold: 1 is sparse, k / K is flat."""
    return power.topk(min(k, power.shape[-1])).values.sum(dim=-1) / power.sum(dim=-1)


def prominence(power: Float[Tensor, "... K"], near: int = 2, far: int = 10) -> Float[Tensor, "... K"]:
    """Power of each component over the median of its neighbours', 3 to 10 components away: 1 on any smooth slope.

    Nulls of a whole table spread a strong trend over all components and miss short waves beside it; this does not.
    """
    count = power.shape[-1]
    ratio = torch.ones_like(power)
    for k in range(count):
        around = [j for j in range(k - far, k + far + 1) if abs(j - k) > near and 0 <= j < count]
        if around:
            ratio[..., k] = power[..., k] / power[..., around].median(dim=-1).values.clamp_min(1e-30)
    return ratio


def component_near(period: float, p: int) -> int:
    """The component k whose period p / k is nearest: 52 for T = 10 at p = 521."""
    return max(1, min(round(p / period), p // 2))


@dataclass(frozen=True)
class Waves:
    """The strongest components of a signal over the number line, strongest first (paper figures 4 and 13).

    Component i is ``amplitude[i] * cos(2 pi (x - peak[i]) / period[i])``.

    Attributes:
        component: (n,) k.
        period: (n,) T in numbers.
        amplitude: (n,) in the signal's units.
        peak: (n,) the smallest x >= 0 where the wave is highest.
        wave: (n, p) the component itself.
    """

    component: Int[Tensor, " n"]
    period: Float[Tensor, " n"]
    amplitude: Float[Tensor, " n"]
    peak: Float[Tensor, " n"]
    wave: Float[Tensor, "n p"]


def strongest_waves(signal: Float[Tensor, " p"], basis: Basis, n: int, components: range | None = None) -> Waves:
    """Split a signal into waves and keep the n strongest, of all components or of a range of k.

    With the orthonormal basis the waves of all components and the mean add up to the signal.
    """
    coefs = coefficients(signal.cpu(), basis)
    size = magnitudes(coefs, basis)
    outside = torch.ones_like(size, dtype=torch.bool)
    allowed = components if components is not None else range(1, basis.n_components + 1)
    outside[[k - 1 for k in allowed]] = False
    chosen = size.masked_fill(outside, -1.0).topk(min(n, len(allowed))).indices + 1
    period = basis.periods[chosen - 1]
    wave, amplitude, peak = [], [], []
    for k, length in zip(chosen.tolist(), period.tolist(), strict=True):
        mine = basis.component == k
        wave.append(coefs[mine] @ basis.rows[mine])
        height = basis.rows[mine][:, 0].max()  # of the cosine at x = 0; the sine is 0 there
        cosine, sine = coefs[mine][-1] * height, (coefs[mine][0] if mine.sum() == 2 else 0.0) * height
        angle = torch.atan2(torch.as_tensor(sine), cosine) / (2 * torch.pi)
        amplitude.append(torch.hypot(cosine, torch.as_tensor(sine, dtype=torch.float64)))
        peak.append(torch.remainder(angle * length, length))
    return Waves(chosen, period, torch.stack(amplitude), torch.stack(peak), torch.stack(wave))
