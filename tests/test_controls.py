"""Controls of equal energy against sums of squares that are written out, on contributions that lean to long waves."""

import pytest
import torch

from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.controls import centred_moment, energy_of, leading_rows, random_rows

P = 61


@pytest.fixture(scope="module")
def contributions():
    """2,000 logits over the number line, the power of wave k falling as 1 / k^2, on a large common constant."""
    basis = fourier_basis(P)
    rng = torch.Generator().manual_seed(0)
    weights = 1 / basis.component[1:].double()
    return 7 + (torch.randn(2000, P - 1, generator=rng, dtype=torch.float64) * weights) @ basis.rows[1:]


def test_energy_is_the_share_of_the_centred_power(contributions):
    low = fourier_basis(P).rows[1:7]  # k = 1, 2, 3
    centred = contributions - contributions.mean(dim=1, keepdim=True)
    share = (centred @ low.T).square().sum() / centred.square().sum()
    moment = centred_moment(contributions)
    assert energy_of(low, moment) == pytest.approx(share.item()) and 0.8 < share < 0.9
    assert energy_of(fourier_basis(P).rows, moment) == pytest.approx(1)  # the constant holds nothing
    assert energy_of(low[:0], moment) == energy_of(low, torch.zeros(P, P, dtype=torch.float64)) == 0


def rows_of_energy(moment, energy, seed):
    """As many leading rows of a random rotation as come nearest to a share of the power."""
    rotation = random_rows(P, P - 1, seed)
    return rotation[: leading_rows(rotation, moment, [energy])[0]]


@pytest.mark.parametrize("energy", [0.02, 0.3, 0.85, 1.0])
def test_random_rows_of_equal_energy_hold_it(contributions, energy):
    moment = centred_moment(contributions)
    for seed in range(5):
        rows = rows_of_energy(moment, energy, seed)
        assert torch.allclose(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-9)
        assert rows.sum(dim=1).abs().max() < 1e-9
        held = energy_of(rows, moment)
        single = max(energy_of(row[None], moment) for row in random_rows(P, P - 1, seed))
        assert abs(held - energy) <= single  # no other count comes nearer than the next row
    assert len(rows_of_energy(moment, 0.85, 0)) > 3 * 6  # equal energy takes many more rows than the six low ones
    assert not rows_of_energy(moment, energy, 0)[:1].equal(rows_of_energy(moment, energy, 1)[:1])


@pytest.mark.parametrize("count", [1, 2, 7, P - 2])
def test_fewer_random_rows_are_the_first_of_more(count):
    assert torch.allclose(random_rows(P, count, 3), random_rows(P, P - 1, 3)[:count], atol=1e-9)
