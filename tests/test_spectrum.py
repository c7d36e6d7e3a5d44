"""Spectra against scipy, and signals whose parts are known."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.spectrum import (
    centred_power,
    coefficients,
    component_near,
    component_probes,
    magnitudes,
    period_probes,
    prominence,
    strongest_waves,
    table_spectrum,
    top_share,
)


def table(p, d, seed=0):
    return torch.randn(p, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("p", [5, 40, 41, 521])
def test_magnitudes_are_scipys_on_the_common_grid(p):
    values = table(p, 3).T
    ours = magnitudes(coefficients(values, fourier_basis(p)), fourier_basis(p))
    theirs = np.abs(scipy.fft.rfft(values.numpy(), axis=1)) / math.sqrt(p)
    factor = np.full(p // 2, math.sqrt(2))
    if p % 2 == 0:
        factor[-1] = 1
    np.testing.assert_allclose(ours.numpy(), theirs[:, 1:] * factor, atol=1e-12)


def test_paper_magnitudes_are_scipys_where_its_grid_closes():
    """A signal of period p - 1 whose last sample repeats the first: 520 samples hold all there is."""
    basis, k = fourier_basis(521, "paper"), 52
    x = torch.arange(521, dtype=torch.float64)
    signal = torch.cos(2 * math.pi * k * x / 520 - 0.3)
    ours = magnitudes(coefficients(signal, basis), basis)
    theirs = np.abs(scipy.fft.rfft(signal[:520].numpy()))[1:] * math.sqrt(2 / 520)
    assert ours[k - 1].item() == pytest.approx(theirs[k - 1], rel=5e-3)  # the 521st sample counts once more
    assert ours.argmax() == theirs.argmax() == k - 1


def test_table_spectrum_is_the_norm_over_columns():
    rows = table(41, 7)
    theirs = np.linalg.norm(np.abs(scipy.fft.rfft(rows.numpy(), axis=0))[1:] * math.sqrt(2 / 41), axis=1)
    np.testing.assert_allclose(table_spectrum(rows, fourier_basis(41)).numpy(), theirs, atol=1e-12)


@pytest.mark.parametrize("p", [101, 521])
def test_period_power_is_scipys_lomb_scargle(p):
    """On the grid and off it, with the floating mean; T = 2, where the sine is zero, is a closed form."""
    periods, signal = [2.5, 10 / 3, 5, 10, 7.77, 100.0, 1.5 * p], table(p, 1)
    power = period_probes(periods, p).power(signal)
    frequencies = 2 * math.pi / np.array(periods)
    column = signal[:, 0].numpy()
    explained = scipy.signal.lombscargle(np.arange(p), column, frequencies, floating_mean=True, normalize=True)
    np.testing.assert_allclose(power.numpy(), explained * centred_power(signal).item(), rtol=1e-6)
    alternating = (-1.0) ** np.arange(p)
    alternating = alternating - alternating.mean()
    expected = (alternating @ column) ** 2 / (alternating @ alternating)
    assert period_probes([2], p).power(signal).item() == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 60), st.integers(1, 5), st.integers(0, 99))
def test_component_powers_add_up_to_the_centred_power(p, d, seed):
    rows = table(p, d, seed) + 3
    assert component_probes(fourier_basis(p)).power(rows).sum().item() == pytest.approx(centred_power(rows).item())


@pytest.mark.parametrize("p", [40, 41])
def test_all_waves_and_the_mean_add_up_to_the_signal(p):
    signal = table(p, 1)[:, 0]
    waves = strongest_waves(signal, fourier_basis(p), p // 2)
    torch.testing.assert_close(waves.wave.sum(dim=0) + signal.mean(), signal)
    x = torch.arange(p, dtype=torch.float64)
    for i in range(len(waves.component)):
        drawn = waves.amplitude[i] * torch.cos(2 * math.pi * (x - waves.peak[i]) / waves.period[i])
        torch.testing.assert_close(drawn, waves.wave[i], atol=1e-9, rtol=0)
    assert (waves.amplitude.diff() <= 1e-12).all() or p == 40  # an even p's last component has another factor


def test_a_planted_wave_is_found_with_its_phase():
    x = torch.arange(521, dtype=torch.float64)
    signal = 3 * torch.cos(2 * math.pi * 52 * (x - 4.5) / 521) + torch.cos(2 * math.pi * 7 * (x - 2) / 521) + 1
    waves = strongest_waves(signal, fourier_basis(521), 2)
    assert waves.component.tolist() == [52, 7]
    assert waves.amplitude.tolist() == pytest.approx([3, 1])
    assert waves.peak.tolist() == pytest.approx([4.5, 2])
    assert strongest_waves(signal, fourier_basis(521), 5, range(1, 50)).component[0] == 7


@pytest.mark.parametrize("p", [40, 41])
def test_the_constant_is_no_wave_however_strong(p):
    """Nothing changes with it: neither which waves are strongest, nor their phases; asked for all, it is left."""
    signal, basis = table(p, 1)[:, 0], fourier_basis(p)
    for count, among in ((3, None), (2, range(1, 4)), (p, None)):
        plain, raised = (strongest_waves(signal + constant, basis, count, among) for constant in (0.0, 1e4))
        assert plain.component.equal(raised.component) and raised.component.min() > 0
        assert len(raised.component) == min(count, p // 2)
        for name in ("amplitude", "peak", "wave"):
            torch.testing.assert_close(getattr(raised, name), getattr(plain, name), atol=1e-7, rtol=1e-7)
        assert raised.wave.sum(dim=1).abs().max() < 1e-7


def test_top_share():
    assert top_share(torch.tensor([4.0, 0.0, 1.0, 3.0, 2.0]), 2) == pytest.approx(0.7)
    assert top_share(torch.ones(10), 3) == pytest.approx(0.3)
    assert top_share(torch.ones(3), 10) == 1
    two = torch.tensor([[4.0, 0.0, 1.0, 3.0, 2.0], [0.0, 5.0, 5.0, 0.0, 0.0]])
    assert top_share(two, 2).tolist() == pytest.approx([0.7, 1])


def test_some_probes_are_asked_alone_in_their_order():
    rows, probes = table(41, 3), period_probes([2, 5, 10], 41)
    some = probes.some([2, 0])
    torch.testing.assert_close(some.power(rows), probes.power(rows)[[2, 0]])
    assert some.size == 2 and some.counts().tolist() == [2, 1] and probes.counts().tolist() == [1, 2, 2]


@pytest.mark.parametrize("kind", ["orthonormal", "paper"])
@pytest.mark.parametrize("p", [40, 41])
def test_probes_of_components_explain_what_their_waves_fit(kind, p):
    """By numpy's least squares with a floating mean, one component at a time."""
    rows, basis = table(p, 3), fourier_basis(p, kind)
    centred = rows.numpy() - rows.numpy().mean(axis=0)
    expected = []
    for k in range(1, basis.n_components + 1):
        design = np.vstack([np.ones(p), basis.rows[basis.component == k]]).T
        fit = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
        expected.append((fit**2).sum())
    probes = component_probes(basis)
    assert probes.size == basis.n_components
    np.testing.assert_allclose(probes.power(rows), expected)


def test_the_component_nearest_to_a_period():
    found = [component_near(t, p) for t, p in ((10, 521), (2, 521), (2.0, 520), (10 / 3, 521), (5000, 521), (1, 41))]
    assert found == [52, 260, 260, 156, 1, 20]


def test_prominence_over_silence_is_finite():
    assert prominence(torch.eye(1, 9, dtype=torch.float64)[0] * 5)[0] == pytest.approx(5e30)
