"""What a spectrum would look like if the number line meant nothing: nulls, z-scores and p-values.

A peak in a spectrum proves little by itself: some component is always the largest, and spikes at T = 2, 5, 10 appear
even in raw token frequencies (paper.md section 6). So every power is held against draws from three nulls:

``permutation``  the same vectors in a random order: keeps all but the number line; makes no assumption.
``random_init``  a table as GPT-2 would initialise it: independent Gaussian entries, no structure at all.
``gaussian``     independent Gaussian rows with the table's own mean and covariance.

The statistic is the share of the table's centred power, which has no units, so tables of any scale compare.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fourier_lightning.fourier.spectrum import Probes, centred_power

Null = Literal["permutation", "random_init", "gaussian"]
NULLS: tuple[Null, ...] = ("permutation", "random_init", "gaussian")
TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Against:
    """Observed powers held against a null. All shapes are (size,), one entry a group of probes.

    Attributes:
        share: observed power as a share of the centred power.
        mean: of the null's shares.
        std: of the null's shares.
        z: (share - mean) / std.
        p_single: part of the draws (with the observation counted in) that reach this group's share in this group.
        p_value: the same for the largest z of each draw: corrected for having looked at every group. A period is
            significant at 5 % if this is at most 0.05; under the null that happens to any group in at most 5 % of
            tables.
        limit: the share that the largest of a draw's groups exceeds in 5 % of the draws: the corrected level, to
            draw into a spectrum.
    """

    share: Float[Tensor, " size"]
    mean: Float[Tensor, " size"]
    std: Float[Tensor, " size"]
    z: Float[Tensor, " size"]
    p_single: Float[Tensor, " size"]
    p_value: Float[Tensor, " size"]
    limit: Float[Tensor, " size"]


def test_against(table: Float[Tensor, "p d"], probes: Probes, null: Null, draws: int, seed: int) -> Against:
    """Hold a table's powers against a null.

    Args:
        table: number vectors, any device; row n belongs to number n.
        probes: whose powers are asked for.
        null: which null, see the module's text.
        draws: from the null; the smallest p-value is 1 / (draws + 1).
        seed: of the draws.

    Raises:
        ValueError: fewer than 2 draws.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: a null needs 2 or more")
    share = (probes.power(table) / centred_power(table)).cpu()
    shares = null_shares(table, probes, null, draws, seed).cpu()  # (draws, size)
    mean, std = shares.mean(dim=0), shares.std(dim=0).clamp_min(TINY)
    # The observation is standardised together with the draws: only then is its largest z, under the null, as likely
    # as any draw's to come first, and the p-value exact with few draws too.
    together = torch.cat([share[None], shares])
    together = (together - together.mean(dim=0)) / together.std(dim=0).clamp_min(TINY)
    largest = together[1:].max(dim=1).values
    allowed = int(0.05 * (draws + 1))  # this many, the observation among them, may be as large
    z_limit = ((shares - mean) / std).max(dim=1).values.sort(descending=True).values[max(0, allowed - 1)]
    return Against(
        share=share,
        mean=mean,
        std=std,
        z=(share - mean) / std,
        p_single=(1 + (shares >= share).double().sum(dim=0)) / (1 + draws),
        p_value=(1 + (largest[:, None] >= together[0]).double().sum(dim=0)) / (1 + draws),
        limit=mean + std * z_limit,
    )


test_against.__test__ = False  # type: ignore[attr-defined]  # pytest: a statistical test, not a unit test


def significant(results: dict[Null, Against], level: float = 0.05) -> Bool[Tensor, " size"]:
    """Which groups are beyond every one of these nulls, each corrected for the number of groups."""
    return torch.stack([against.p_value for against in results.values()]).max(dim=0).values <= level


def null_shares(
    table: Float[Tensor, "p d"], probes: Probes, null: Null, draws: int, seed: int
) -> Float[Tensor, "draws size"]:
    """Shares of centred power in tables drawn from a null."""
    table, rows = table.double(), probes.rows.to(table.device)
    if null == "permutation":
        rng = torch.Generator().manual_seed(seed)
        powers = []
        for _ in range(draws):
            order = torch.randperm(table.shape[0], generator=rng).to(table.device)
            powers.append(probes.add_up((rows[:, order] @ table).square().sum(dim=-1)))
        return torch.stack(powers) / centred_power(table)
    if null == "random_init":
        scales = table.new_ones(table.shape[1])
    else:  # a Gaussian table with this covariance has, along its principal axes, independent columns of these scales
        scales = torch.linalg.svdvals(table - table.mean(dim=0))
    return _gaussian_shares(scales, probes, draws, seed)


def _gaussian_shares(scales: Float[Tensor, " q"], probes: Probes, draws: int, seed: int) -> Float[Tensor, "draws size"]:
    """Shares for tables whose columns are independent Gaussians of these scales, without drawing whole tables.

    Only the projection on the probes' span has to be drawn entry by entry: the rest of the centred power is a
    chi-square for each column.
    """
    rows = probes.rows.cpu()
    u, sizes, _ = torch.linalg.svd(rows, full_matrices=False)
    kept = sizes > 1e-9
    mix = (u * sizes)[
        :, kept
    ]  # the probes in an orthonormal basis of their span: those of neighbouring periods overlap
    weights = scales.square().cpu()
    q = int(kept.sum())
    freedom = rows.shape[1] - 1 - q
    with torch.random.fork_rng(devices=[]):  # torch's chi-square takes no generator
        torch.manual_seed(seed)
        rest = torch.zeros(draws, len(weights), dtype=torch.float64)
        if freedom > 0:
            rest = torch.distributions.Chi2(rest.new_tensor(freedom)).sample(rest.shape)
        shares = []
        for outside in rest:
            inside = torch.randn(q, len(weights), dtype=torch.float64)
            total = inside.square().sum(dim=0) + outside
            power = probes.add_up(((mix @ inside).square() * weights).sum(dim=-1))
            shares.append(power / (total * weights).sum())
    return torch.stack(shares)
