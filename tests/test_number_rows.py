import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.fourier.basis import fourier_basis, period_waves
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.fourier.spectrum import coefficients, magnitudes, table_spectrum
from fourier_lightning.models.number_rows import (
    fourier_features,
    gaussian_same_norm,
    keep_waves,
    phase_scrambled,
    principal_directions,
    random_same_spectrum,
    root_mean_square,
    shuffled_rows,
)


def test_principal_directions_against_numpy():
    rows = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    rows = rows - rows.mean(0)
    directions = principal_directions(rows).numpy()
    _, _, vh = np.linalg.svd(rows.double().numpy(), full_matrices=False)
    assert np.abs(np.abs((directions * vh.T).sum(0)) - 1).max() < 1e-10
    assert (directions[np.abs(directions).argmax(0), np.arange(12)] > 0).all()  # the sign is fixed


def test_principal_directions_of_a_planted_plane():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 2, generator=generator)).Q
    rows = torch.randn(50, 2, generator=generator) * torch.tensor([3.0, 1.0]) @ basis.T
    found = principal_directions(rows)[:, :2].float()
    torch.testing.assert_close(found @ found.T, basis @ basis.T, atol=1e-5, rtol=0)


def test_root_mean_square():
    assert root_mean_square(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == 2.5


def test_shuffled_rows_keep_the_vectors():
    table = torch.arange(20.0).view(10, 2)
    shuffled = shuffled_rows(table, seed=1)
    assert not shuffled.equal(table) and sorted(shuffled.tolist()) == sorted(table.tolist())
    assert shuffled.equal(shuffled_rows(table, seed=1)) and not shuffled.equal(shuffled_rows(table, seed=2))


lengths = st.integers(5, 60)


@settings(deadline=None, max_examples=30)
@given(lengths, st.integers(1, 6), st.integers(0, 9), st.data())
def test_keep_waves_keeps_the_mean_and_the_chosen_band(p, d, seed, data):
    rows = torch.randn(p, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 2
    keep, cutoff = data.draw(st.sampled_from(["low", "high"])), data.draw(st.integers(1, p // 2))
    kept = keep_waves(rows, Selection(keep, cutoff))
    spectrum, before = (table_spectrum(t, fourier_basis(p)) for t in (kept, rows))
    inside = (torch.arange(1, p // 2 + 1) < cutoff) == (keep == "low")
    torch.testing.assert_close(spectrum, torch.where(inside, before, 0.0), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(kept.mean(dim=0), rows.mean(dim=0))


def test_keep_waves_by_exact_period():
    x = torch.arange(41, dtype=torch.float64)
    waves = period_waves([2.5, 10], 41).T
    rows = waves @ torch.randn(4, 3, dtype=torch.float64) + torch.cos(2 * torch.pi * x / 20.5)[:, None] + 1
    kept = keep_waves(rows, Selection("periods", periods=[2.5, 10]))
    centred = torch.cat([waves, torch.ones(41, 1, dtype=torch.float64)], dim=1)
    fitted = centred @ torch.linalg.lstsq(centred, rows).solution
    torch.testing.assert_close(kept, fitted, atol=1e-9, rtol=0)  # what least squares can explain with them


@settings(deadline=None, max_examples=30)
@given(lengths, st.integers(2, 6), st.integers(0, 9))
def test_controls_keep_what_they_promise_and_no_more(p, d, seed):
    rows = torch.randn(p, d, generator=torch.Generator().manual_seed(seed + 100), dtype=torch.float64)
    rows = rows - rows.mean(dim=0)
    basis = fourier_basis(p)
    same, scrambled, gaussian = (f(rows, seed) for f in (random_same_spectrum, phase_scrambled, gaussian_same_norm))
    torch.testing.assert_close(table_spectrum(same, basis), table_spectrum(rows, basis))
    columns = [magnitudes(coefficients(t.T, basis), basis) for t in (scrambled, rows)]
    torch.testing.assert_close(*columns)  # each column's own amplitudes
    torch.testing.assert_close(gaussian.norm(dim=1), rows.norm(dim=1))
    for control, f in ((same, random_same_spectrum), (scrambled, phase_scrambled), (gaussian, gaussian_same_norm)):
        assert not torch.allclose(control, rows, atol=1e-3)
        assert control.equal(f(rows, seed))
    torch.testing.assert_close(scrambled.mean(dim=0), rows.mean(dim=0), atol=1e-9, rtol=0)


@pytest.mark.parametrize("p", [40, 41])
def test_each_columns_waves_get_phases_of_their_own(p):
    """600 columns that are one column, before; their phases after, by numpy's Fourier transform.

    Means of unit vectors: of uniform and unrelated phases they are about 1 / sqrt(600), of equal ones 1.
    """
    column = torch.randn(p, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scrambled = np.fft.rfft(phase_scrambled(column.expand(p, 600), 1).numpy(), axis=0)[1:]  # (K, 600)
    waves = scrambled[: (p - 1) // 2]  # an even p's last wave is a cosine alone
    phases = waves / abs(waves)
    bound = 4 / 600**0.5
    assert abs(phases.mean(axis=1)).max() < bound  # over columns: everywhere on the circle
    assert abs((phases**2).mean(axis=1)).max() < bound
    beside = phases[:, 1:] * phases[:, :-1].conj()
    assert abs(beside.mean(axis=1)).max() < bound  # unlike the next column's
    assert abs((phases[1:] * phases[:-1].conj()).mean(axis=1)).max() < bound  # and unlike the next wave's
    if p % 2 == 0:
        assert abs(np.sign(scrambled[-1].real).mean()) < bound


def test_fourier_features_are_cosines_and_sines():
    features = fourier_features(torch.tensor([0, 5, 10, 13]), [10, 100], 6)
    assert features.shape == (4, 6) and features[:, 4:].abs().max() == 0
    assert features[0].tolist() == [1, 0, 1, 0, 0, 0] and features[2, :2].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert features[1, 0] == pytest.approx(-1) and features[3, 3] == pytest.approx(math.sin(2 * math.pi * 0.13))
