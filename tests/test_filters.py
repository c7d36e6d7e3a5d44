"""Filters: properties, independent solvers, ranks, controls, errors."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.fourier.filters import METHODS, FilterMaker, FilterSettings
from fourier_lightning.fourier.selection import Selection, complement
from tests.test_selection import selections


def unembedding(p, d, seed=0):
    return torch.randn(p, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def maker(p=41, d=64, kind="orthonormal", seed=0, centred=False):
    rows = unembedding(p, d, seed)
    return FilterMaker(rows - rows.mean(dim=0) if centred else rows, fourier_basis(p, kind))


@settings(deadline=None, max_examples=60)
@given(selections, st.sampled_from(["orthonormal", "paper"]), st.integers(0, 5), st.booleans())
def test_projection_is_an_orthogonal_projector_that_kills_what_it_should(selection, kind, seed, centred):
    """Idempotent, symmetric, U W P = 0, and whatever the waves don't see passes unchanged."""
    filters = maker(kind=kind, seed=seed, centred=centred)
    if len(selection.removed_rows(filters.basis)) >= filters.rank:  # all waves but the constant, which centring took
        with pytest.raises(ConfigError, match="the null space is empty"):
            filters.make(selection, "projection")
        return
    chosen = filters.make(selection, "projection")
    matrix, identity = chosen.matrix, torch.eye(64, dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix, matrix, atol=1e-10, rtol=0)
    torch.testing.assert_close(matrix, matrix.T, atol=1e-12, rtol=0)
    seen = selection.removed_rows(filters.basis) @ filters.unembedding
    assert chosen.removed == len(seen)
    if chosen.removed:
        assert (seen @ matrix).abs().max() < 1e-8 * seen.abs().max()
    assert round((identity - matrix).trace().item()) == chosen.rank == torch.linalg.matrix_rank(seen)
    unseen = torch.linalg.qr(seen.T, mode="complete").Q[:, chosen.rank :]  # the null space of U W
    torch.testing.assert_close(matrix @ unseen, unseen, atol=1e-8, rtol=0)


@settings(deadline=None, max_examples=60)
@given(selections, st.integers(0, 5))
def test_readout_removes_the_waves_and_keeps_all_others_where_there_is_room(selection, seed):
    """d >= p: the number logits lose exactly the waves, and nothing else; the filter is idempotent."""
    filters = maker(seed=seed)
    matrix = filters.make(selection, "readout").matrix
    x = torch.randn(64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rows, logits = selection.removed_rows(filters.basis), filters.unembedding @ x
    torch.testing.assert_close(filters.unembedding @ matrix @ x, logits - rows.T @ (rows @ logits), atol=1e-8, rtol=0)
    torch.testing.assert_close(matrix @ matrix, matrix, atol=1e-8, rtol=0)


@pytest.mark.parametrize("keep", ["low", "high"])
@pytest.mark.parametrize("kind", ["orthonormal", "paper"])
def test_cutoffs_are_nested(keep, kind):
    """What a milder filter removes, a harsher one of the family removes too; each equals one made alone."""
    filters = maker(kind=kind)
    order = range(20, 0, -1) if keep == "low" else range(1, 21)
    made = [filters.make(Selection(keep, cutoff), "projection") for cutoff in order]
    for milder, harsher in itertools.pairwise(made):
        torch.testing.assert_close(milder.matrix @ harsher.matrix, harsher.matrix, atol=1e-10, rtol=0)
        assert milder.rank <= harsher.rank
    for cutoff, chosen in zip(order, made, strict=True):
        seen = Selection(keep, cutoff).removed_rows(filters.basis) @ filters.unembedding
        alone = torch.eye(64, dtype=torch.float64) - torch.linalg.pinv(seen) @ seen
        torch.testing.assert_close(chosen.matrix, alone, atol=1e-9, rtol=0)


@pytest.mark.parametrize("selection", [Selection("low", 6), Selection("high", 6), Selection("periods", periods=[2, 5])])
def test_projection_against_a_numerical_constrained_least_squares_solve(selection):
    """argmin |x - y|^2 with B F W y = 0, by scipy's SLSQP."""
    p, d = 21, 30
    filters = FilterMaker(unembedding(p, d), fourier_basis(p))
    x = np.random.default_rng(0).standard_normal(d)
    seen = (selection.removed_rows(filters.basis) @ filters.unembedding).numpy()
    solved = scipy.optimize.minimize(
        lambda y: ((x - y) ** 2).sum(),
        np.zeros(d),
        jac=lambda y: 2 * (y - x),
        constraints={"type": "eq", "fun": lambda y: seen @ y, "jac": lambda y: seen},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert solved.success
    ours = filters.make(selection, "projection").matrix.numpy() @ x
    np.testing.assert_allclose(ours, solved.x, atol=1e-5)


@pytest.mark.parametrize("d", [12, 30])
def test_readout_against_a_numerical_least_squares_solve(d):
    """The fit by scipy, narrow and wide; of several solutions the one nearest to x."""
    p, selection = 21, Selection("low", 4)
    filters = FilterMaker(unembedding(p, d), fourier_basis(p))
    weights = filters.unembedding.numpy()
    x = np.random.default_rng(0).standard_normal(d)
    rows = selection.removed_rows(filters.basis).numpy()
    target = weights @ x - rows.T @ (rows @ (weights @ x))
    step = scipy.linalg.lstsq(weights, target - weights @ x)[0]  # minimum norm: nearest to x
    np.testing.assert_allclose(filters.make(selection, "readout").matrix.numpy() @ x, x + step, atol=1e-9)


def test_the_ranks_of_the_paper():
    """p = 521: removing high 421, removing low 98, keeping a single component 517; null spaces for d = 768."""
    basis = fourier_basis(521, "paper")
    filters = FilterMaker(unembedding(521, 768), basis)
    ranks = {"low": 421, "high": 98}
    for keep, rank in ranks.items():
        chosen = filters.make(Selection(keep, 50), "projection")
        assert chosen.rank == rank and torch.linalg.matrix_rank(chosen.matrix) == 768 - rank
    single = filters.make(Selection("components", components=[104]), "projection")
    assert single.rank == 517 and 768 - single.rank == 251  # paper.md says 250 here, and 1082 (not 1083) at 1600


@pytest.mark.parametrize("method", METHODS)
def test_nothing_removed_is_the_identity_bit_for_bit(method):
    assert maker().make(Selection("all"), method).matrix.equal(torch.eye(64, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_rank_is_that_of_what_float32_holds_whatever_its_scale(scale):
    rng = torch.Generator().manual_seed(0)
    factors = (torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((41, 8), (8, 16)))
    rounded = (scale * torch.linalg.multi_dot([*factors])).float()
    assert FilterMaker(rounded, fourier_basis(41)).rank == 8


def test_an_empty_null_space_is_refused_with_the_ranks():
    narrow = FilterMaker(unembedding(41, 16), fourier_basis(41))
    with pytest.raises(ConfigError, match=r"the null space is empty: 32 rows are removed.* rank 16 \(d=16\)"):
        narrow.make(Selection("low", 5), "projection")
    chosen = narrow.make(Selection("low", 5), "readout")
    assert (chosen.removed, chosen.rank, chosen.control_rows) == (32, 16, 32)  # as many rows can be drawn


@pytest.mark.parametrize("fold_ln", [True, False])
def test_a_projection_needs_more_directions_than_it_removes(fold_ln):
    """Before there are weights: six rows go (k = 3, 4, 5), and the LayerNorm's centring takes a direction too."""
    chosen, width = Selection("low", 3), 6 + fold_ln
    settings = FilterSettings(method="projection", fold_ln=fold_ln)
    settings.check_null_space(chosen, p=11, width=width + 1)
    FilterSettings(fold_ln=fold_ln).check_null_space(chosen, p=11, width=2)
    with pytest.raises(ConfigError) as refused:
        settings.check_null_space(chosen, p=11, width=width)
    assert str(refused.value) == (
        "filter.method=projection: the null space is empty: 6 rows are removed, and the unembedding has rank 6 "
        f"(d={width}); use filter.method=readout, or remove less"
    )


def test_controls_of_a_band_limited_table_have_the_filters_rank():
    """W holds k = 1..4 alone: removing all 24 rows of k >= 3 takes 4 directions, and so do the controls."""
    low = Selection("low", 5).removed_rows(fourier_basis(41))
    table = unembedding(41, 64)
    filters = FilterMaker(table - low.T @ (low @ table), fourier_basis(41))
    chosen = filters.make(Selection("low", 3), "projection")
    assert (chosen.removed, chosen.rank) == (36, 4)
    for method in METHODS:
        made = filters.make(Selection("low", 3), method)
        assert (made.rank, made.control_rows) == (4, 4) and filters.control(4, method, 0).rank == 4


def test_a_wave_that_is_not_there_is_no_direction_to_remove():
    low = Selection("low", 5).removed_rows(fourier_basis(41))
    table = unembedding(41, 64)
    filters = FilterMaker((table - low.T @ (low @ table)).float(), fourier_basis(41))
    for method in METHODS:
        assert filters.make(Selection("notch", components=[10]), method).rank == 0
    assert filters.make(Selection("notch", components=[10]), "projection").matrix.equal(torch.eye(64).double())


@pytest.mark.parametrize("d", [16, 64])
def test_left_and_lost_are_what_passes_and_what_goes_with_it(d):
    """Measured on random states: power of the removed waves after / before, and of the others that is gone."""
    filters, selection = FilterMaker(unembedding(41, d), fourier_basis(41)), Selection("high", 4)
    states = torch.randn(d, 20000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = selection.removed_rows(filters.basis)
    others = complement(rows)
    for method in METHODS:
        chosen = filters.make(selection, method)
        before, after = filters.unembedding @ states, filters.unembedding @ chosen.matrix @ states
        left = (rows @ after).square().sum() / (rows @ before).square().sum()
        lost = (others @ (before - after)).square().sum() / (others @ before).square().sum()
        assert chosen.left == pytest.approx(left.item(), abs=0.01)
        assert chosen.lost == pytest.approx(lost.item(), abs=0.01)
        if method == "projection" or d == 64:
            assert chosen.left < 1e-10
        if method == "readout" and d == 64:
            assert chosen.lost < 1e-10


def test_rows_that_hold_the_constant_read_a_direction_less_of_a_centred_table():
    wave = fourier_basis(41).rows[5]
    constant = torch.full_like(wave, 41**-0.5)
    rows = torch.stack([constant + wave, constant - wave]) / 2**0.5
    assert maker(centred=True).factors(rows, "projection")[2] == [0, 1, 1]
    assert maker(centred=False).factors(rows, "projection")[2] == [0, 1, 2]


def test_rounding_noise_of_a_float32_table_is_no_direction():
    """A table with its high waves filtered out in float32 has nothing there to remove."""
    basis, selection = fourier_basis(41), Selection("low", 5)
    rows = selection.removed_rows(basis)
    table = (unembedding(41, 64) + 4).float()
    table = (table.double() - rows.T @ (rows @ table.double())).float()
    filters = FilterMaker(table, basis)
    assert filters.rank == 9  # the mean, and sine and cosine of k = 1..4
    assert filters.make(selection, "projection").rank == 0
    assert filters.make(Selection("notch", components=[1, 2, 3, 4, 5]), "projection").rank == 8  # the mean is left


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("removed", [8, 32])
def test_controls_have_the_rank_of_their_filter_and_another_direction(method, removed):
    filters, chosen = maker(), maker().make(Selection("high", removed // 2 + 1), method)
    assert chosen.removed == removed
    controls = [filters.control(chosen.control_rows, method, draw) for draw in range(3)]
    assert {c.rank for c in controls} == {removed} == {c.removed for c in controls}
    assert all(torch.linalg.matrix_rank(torch.eye(64).double() - c.matrix) == removed for c in controls)
    assert not torch.allclose(controls[0].matrix, controls[1].matrix, atol=1e-2)
    again = FilterMaker(unembedding(41, 64), fourier_basis(41)).control(removed, method, 1)
    assert again.matrix.equal(controls[1].matrix)
    other = FilterMaker(unembedding(41, 64), fourier_basis(41), seed=9).control(removed, method, 1)
    assert not torch.allclose(other.matrix, controls[1].matrix, atol=1e-2)
    # the constant of the number line survives every readout control, as it does every filter
    if method == "readout":
        constant = torch.linalg.pinv(filters.unembedding) @ torch.ones(41, dtype=torch.float64)
        torch.testing.assert_close(controls[0].matrix @ constant, constant, atol=1e-9, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_control_is_the_filter_of_random_rows_by_the_same_method(method):
    filters = FilterMaker(unembedding(41, 64), fourier_basis(41), seed=5)
    rows, weights = random_rows(41, 4, seed=7), filters.unembedding
    seen = rows @ weights
    gone = torch.linalg.pinv(seen) @ seen if method == "projection" else torch.linalg.pinv(weights) @ rows.T @ seen
    control = filters.control(4, method, draw=2)
    torch.testing.assert_close(control.matrix, torch.eye(64, dtype=torch.float64) - gone, atol=1e-10, rtol=0)
    assert filters.control(4, method, draw=2) is control


@settings(deadline=None, max_examples=20)
@given(st.integers(3, 60), st.integers(0, 9), st.data())
def test_random_rows_are_orthonormal_and_keep_the_constant(p, seed, data):
    rows = random_rows(p, count := data.draw(st.integers(1, p - 1)), seed)
    torch.testing.assert_close(rows @ rows.T, torch.eye(count, dtype=torch.float64), atol=1e-10, rtol=0)
    assert rows.sum(dim=1).abs().max() < 1e-8
