"""Bases: properties for any p, and the paper's facts at p = 521."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.fourier.basis import fourier_basis, period_waves, span

lengths = st.integers(3, 120)


@settings(deadline=None)
@given(lengths)
def test_orthonormal_basis_is_orthonormal_and_complete(p):
    basis = fourier_basis(p)
    assert basis.rows.shape == (p, p) and basis.n_components == p // 2
    torch.testing.assert_close(basis.rows @ basis.rows.T, torch.eye(p, dtype=torch.float64), atol=1e-13, rtol=0)
    assert basis.periods.tolist() == pytest.approx([p / k for k in range(1, p // 2 + 1)])


@settings(deadline=None)
@given(lengths.filter(lambda p: p > 3))
def test_paper_basis_is_the_papers_formula(p):
    basis = fourier_basis(p, "paper")
    x = np.arange(p)
    rows = [np.full(p, np.sqrt(1 / (p - 1)))]
    for k in range(1, (p - 1) // 2 + 1):
        w = 2 * np.pi * k / (p - 1)
        rows += [np.sqrt(2 / (p - 1)) * np.sin(w * x), np.sqrt(2 / (p - 1)) * np.cos(w * x)]
    np.testing.assert_allclose(basis.rows.numpy(), np.stack(rows), atol=1e-12)
    assert basis.component.tolist() == [0, *(k for k in range(1, (p - 1) // 2 + 1) for _ in range(2))]


def test_what_the_paper_says_of_its_basis():
    basis = fourier_basis(521, "paper")
    assert basis.rows.shape == (521, 521) and basis.n_components == 260
    assert basis.periods[[51, 103, 207, 259]].tolist() == [10, 5, 2.5, 2]
    assert torch.linalg.matrix_rank(basis.rows) == 520
    assert basis.rows[519].abs().max() == 0  # the last sine
    assert basis.rows[520].norm().item() == pytest.approx(np.sqrt(2), rel=2e-3)


@settings(deadline=None)
@given(lengths, st.lists(st.floats(2, 50), min_size=1, max_size=4))
def test_span_is_orthonormal_centred_and_holds_the_waves(p, periods):
    waves = period_waves(periods, p)
    rows = span(waves)
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-9, rtol=0)
    assert rows.sum(dim=1).abs().max() < 1e-6
    centred = waves - waves.mean(dim=1, keepdim=True)
    torch.testing.assert_close(centred @ rows.T @ rows, centred, atol=1e-6, rtol=0)


def test_period_waves_are_exact_far_from_zero():
    waves = period_waves([2.0, 10 / 3], 521)
    assert waves[0].tolist() == [(-1) ** x for x in range(521)]
    assert waves[2][::10].sub(1).abs().max() < 1e-12


def test_a_line_of_two_numbers_is_refused():
    with pytest.raises(ValueError, match=r"^p=2: a number line needs 3 points or more$"):
        fourier_basis(2)
