"""Which waves a selection removes, and the ordered basis behind nested cut-offs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis, period_waves
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.fourier.selection import Selection, complement, ordered_basis, parse_periods, period_name

selections = st.one_of(
    st.builds(Selection, st.sampled_from(["low", "high"]), st.integers(1, 20)),
    st.builds(lambda a, n: Selection("band", a, a + n), st.integers(1, 15), st.integers(1, 5)),
    st.builds(lambda ks: Selection("components", components=ks), st.lists(st.integers(1, 20), min_size=1, max_size=4)),
    st.builds(lambda ts: Selection("periods", periods=ts), st.lists(st.floats(2, 40), min_size=1, max_size=3)),
    st.builds(lambda ks, ts: Selection("notch", components=ks, periods=ts),
              st.lists(st.integers(1, 20), min_size=1, max_size=4), st.lists(st.floats(2, 40), max_size=2)),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(selections, st.sampled_from([41, 42]))
def test_removed_rows_are_orthonormal_and_spare_the_constant(selection, p):
    rows = selection.removed_rows(fourier_basis(p))
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-8, rtol=0)
    assert len(rows) == 0 or rows.sum(dim=1).abs().max() < 1e-6


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 9), st.integers(0, 11))
def test_ordered_basis_spans_prefix_by_prefix(m, d, seed, repeat):
    rows = torch.randn(m, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows[repeat % m] = rows[0] / 2  # a dependent row must not bring a direction of its own
    basis, counts = ordered_basis(rows)
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis), dtype=torch.float64), atol=1e-10, rtol=0)
    for n in range(m + 1):
        part = basis[: counts[n]]
        assert counts[n] == (torch.linalg.matrix_rank(rows[:n]) if n else 0)
        torch.testing.assert_close(rows[:n] @ part.T @ part, rows[:n], atol=1e-8, rtol=0)


def test_complement_completes_the_number_line():
    kept = Selection("notch", periods=[2, 10]).removed_rows(fourier_basis(41))
    rest = complement(kept)
    assert len(rest) == 41 - 1 - len(kept)
    assert (rest @ kept.T).abs().max() < 1e-12 and rest.sum(dim=1).abs().max() < 1e-10


def test_keeping_exact_periods_keeps_them():
    rows = Selection("periods", periods=[2, "10/3"]).removed_rows(fourier_basis(521))
    assert len(rows) == 521 - 1 - 3 and (rows @ period_waves([2, 10 / 3], 521).T).abs().max() < 1e-10


def test_default_cutoff_is_the_papers_period_at_any_p():
    assert Selection().cutoff_at(521) == 50 and Selection().cutoff_at(201) == 19 and Selection().cutoff_at(5) == 1
    assert Selection(cutoff=7).cutoff_at(521) == 7
    assert Selection("low").at_length(261, 521).cutoff == 25
    assert Selection("band", 10, 20).at_length(261, 521).upper == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "band", "cutoff": 3}, "filter.upper=null: a band has two ends"),
        ({"keep": "band", "cutoff": 3, "upper": 3}, "filter.upper=3: not above filter.cutoff=3"),
        ({"keep": "periods"}, "filter.periods=.*needs a list"),
        ({"keep": "components"}, "filter.components=.*needs a list"),
        ({"keep": "notch"}, "a notch needs a list"),
        ({"keep": "periods", "periods": [1.9]}, "filter.periods=1.9: not a period of 2 or more"),
        ({"keep": "periods", "periods": ["x"]}, "filter.periods=x"),
        ({"draws": -1}, "filter.draws=-1"),
        ({"seed": -1}, "filter.seed=-1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        FilterSettings(**settings)


@pytest.mark.parametrize(
    "selection",
    [
        {"keep": "low", "cutoff": 21},
        {"keep": "high", "cutoff": 0},
        {"keep": "components", "components": [3, 99]},
        {"keep": "notch", "components": [0]},
        {"keep": "all", "cutoff": 999},  # the ablation uses it all the same
        {"keep": "band", "cutoff": 3, "upper": 22},
    ],
)
def test_components_that_are_not_there_are_refused(selection):
    with pytest.raises(ConfigError, match="use 1 to 20"):
        FilterSettings(**selection).selection.check(fourier_basis(41))


def test_periods_in_words():
    assert parse_periods([2, "10/3", 2.5, "5"], "key") == [2, 10 / 3, 2.5, 5]
    assert [period_name(t) for t in (2.0, 2.5, 10 / 3)] == ["2", "2.5", "3.33333"]
