"""What a spectrum would look like if the number line meant nothing: nulls, z-scores and p-values.

A peak in a spectrum proves little by itself: some component is always the largest, and spikes at T = 2, 5, 10 appear
even in raw token frequencies (paper.md section 6). So every power is held against draws from a null. Of a table:

``permutation``  the same vectors in a random order: keeps all but the number line; makes no assumption.
``random_init``  a table as GPT-2 would initialise it: independent Gaussian entries, no structure at all.
``gaussian``     independent Gaussian rows with the table's own mean and covariance.

A strong trend over the number line (low k) fills the first three with power and hides weak short waves that stand
out among their neighbours; ``test_detrended`` asks the same of the waves above a cut-off alone.

And of what a module adds to the logits, W c, ``rotation``: states of the same covariance in random directions, read
through the same W. The waves that W itself prefers are in this null; only what the module prefers beyond them counts.

The statistic is the share of the centred power, which has no units, over its exact expectation under the null. These
ratios are alike for all groups of as many rows, so they are compared with one another without estimating anything for
single groups from few draws: the corrected p-values are exact ranks.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fourier_lightning.fourier.basis import span
from fourier_lightning.fourier.spectrum import Probes, centred_power

Null = Literal["permutation", "random_init", "gaussian"]
NULLS: tuple[Null, ...] = ("permutation", "random_init", "gaussian")


@dataclass(frozen=True)
class Against:
    """Observed powers held against a null. All shapes are (size,), one entry a group of probes.

    Attributes:
        share: observed power as a share of the centred power.
        expected: the null's mean share.
        z: (share - expected) / the null's standard deviation.
        p_single: part of the draws (with the observation counted in) that reach this group's share in this group.
        p_value: the same for the largest z of each draw: corrected for having looked at every group. A period is
            significant at 5 % if this is at most 0.05; under the null that happens to any group in at most 5 % of
            tables.
        limit: the share above which p_value is at most 5 %, to draw into a spectrum.
    """

    share: Float[Tensor, " size"]
    expected: Float[Tensor, " size"]
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
    share = (probes.power(table) / centred_power(table)).cpu()
    expected = probes.counts() / (len(table) - 1)  # p - 1 equivalent directions around the mean row
    return compare(share, null_shares(table, probes, null, draws, seed).cpu(), expected, probes.counts())


test_against.__test__ = False  # type: ignore[attr-defined]  # pytest: a statistical test, not a unit test


def test_detrended(
    table: Float[Tensor, "p d"], probes: Probes, trend: Float[Tensor, "t p"], draws: int, seed: int
) -> Against:
    """Hold powers against what is left of a table without its trend: the ``gaussian`` null within the other waves.

    Args:
        table: number vectors, any device.
        probes: whose powers are asked for; what of them lies in the trend does not count.
        trend: orthonormal rows over the number line to take out first, orthogonal to the constant.
        draws: from the null.
        seed: of the draws.

    Raises:
        ValueError: a group lies in the trend altogether, or fewer than 2 draws.
    """
    table, dimensions = table.double().cpu(), len(table) - 1 - len(trend)
    rows = [probes.rows[probes.group == group] for group in range(probes.size)]
    outside = [span(mine - (mine @ trend.T) @ trend) for mine in rows]
    if not all(len(mine) for mine in outside):
        raise ValueError("a period lies in the trend altogether")
    group = torch.tensor([index for index, mine in enumerate(outside) for _ in mine])
    short = Probes(torch.cat(outside), group, probes.size)
    residual = table - table.mean(dim=0) - trend.T @ (trend @ table)
    share = short.power(residual) / residual.square().sum()
    shares = _gaussian_shares(torch.linalg.svdvals(residual), short, draws, seed, dimensions)
    return compare(share, shares, short.counts() / dimensions, short.counts())


test_detrended.__test__ = False  # type: ignore[attr-defined]


def rotated(reader: Float[Tensor, "p d"], draws: int, seed: int) -> list[Float[Tensor, "p d"]]:
    """W Q for random rotations Q of the residual stream: what W reads of states in random directions."""
    reader = reader.double().cpu()
    rng = torch.Generator().manual_seed(seed)
    width = reader.shape[1]
    turns = (torch.linalg.qr(torch.randn(width, width, generator=rng, dtype=torch.float64)) for _ in range(draws))
    return [reader @ (q * r.diagonal().sign()) for q, r in turns]  # with these signs every rotation is as likely


def test_rotation(
    reader: Float[Tensor, "p d"],
    turned: list[Float[Tensor, "p d"]],
    states: Float[Tensor, "d d"],
    probes: Probes,
) -> Against:
    """Hold the powers of what states write over the number line against states in random directions.

    Args:
        reader: W, the unembedding of the numbers.
        turned: ``rotated(reader, ...)``: the draws, shared by all modules that are read through W.
        states: R with R R^T = the states' second moment, so that ``reader @ states`` has the contributions' powers.
        probes: whose powers are asked for.
    """
    reader, states = reader.double().cpu(), states.double().cpu()
    shares = [probes.power(draw @ states) / centred_power(draw @ states) for draw in turned]
    written = reader @ states
    expected = probes.power(reader) / centred_power(reader)  # every direction alike
    return compare(probes.power(written) / centred_power(written), torch.stack(shares), expected, probes.counts())


test_rotation.__test__ = False  # type: ignore[attr-defined]


def compare(
    share: Float[Tensor, " size"],
    shares: Float[Tensor, "draws size"],
    expected: Float[Tensor, " size"],
    counts: Float[Tensor, " size"],
) -> Against:
    """Observed shares against drawn ones.

    Args:
        expected: the null's mean share of each group.
        counts: rows of each group; groups of as many rows have the same spread of share / expected.

    Raises:
        ValueError: fewer than 2 draws.
    """
    draws = len(shares)
    if draws < 2:
        raise ValueError(f"draws={draws}: a null needs 2 or more")
    expected = expected.clamp_min(torch.finfo(torch.float64).tiny)
    ratio, ratios = share / expected - 1, shares / expected - 1
    spread = torch.ones_like(expected)
    for count in counts.unique():
        mine = counts == count
        spread[mine] = ratios[:, mine].square().mean().sqrt()
    z, largest = ratio / spread, (ratios / spread).max(dim=1).values
    p_value, z_limit = against_largest(z, largest)
    return Against(
        share=share,
        expected=expected,
        z=z,
        p_single=(1 + (shares >= share).double().sum(dim=0)) / (1 + draws),
        p_value=p_value,
        limit=expected * (1 + spread * z_limit),
    )


def against_largest(
    observed: Float[Tensor, " size"], largest: Float[Tensor, " draws"]
) -> tuple[Float[Tensor, " size"], float]:
    """Observations held against the largest one of each draw: corrected for having looked at all of them.

    Returns:
        the p-values, exact ranks, of which the smallest is 1 / (draws + 1); and the value above which an observation
        is beyond the null at 5 % (with fewer than 19 draws none is: then, the largest drawn).
    """
    draws = len(largest)
    p_value = (1 + (largest[:, None] >= observed).double().sum(dim=0)) / (1 + draws)
    allowed = int(0.05 * (draws + 1))  # this many, the observation among them, may be as large
    return p_value, float(largest.sort(descending=True).values[max(0, allowed - 1)])


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
    return _gaussian_shares(scales, probes, draws, seed, dimensions=len(table) - 1)


def _gaussian_shares(
    scales: Float[Tensor, " q"], probes: Probes, draws: int, seed: int, dimensions: int
) -> Float[Tensor, "draws size"]:
    """Shares for tables of ``dimensions`` rows, whose columns are independent Gaussians of these scales.

    Only the projection on the probes' span has to be drawn entry by entry: the rest of the centred power is a
    chi-square for each column.
    """
    mix = torch.linalg.qr(probes.rows.cpu().T).R.T  # the probes in an orthonormal basis of a space that holds them
    weights, q = scales.square().cpu(), mix.shape[1]
    freedom = dimensions - q
    with torch.random.fork_rng(devices=[]):  # torch's chi-square takes no generator
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
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
