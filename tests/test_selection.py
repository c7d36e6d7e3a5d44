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
    assert Selection("low").at_length(261, 521) == Selection("low", 25)
    assert Selection("band", 10, 20).at_length(261, 521) == Selection("band", 5, 10)


def test_a_band_on_a_shorter_line_has_its_periods_and_a_component_at_least():
    short = Selection("band", 10, 11).at_length(100, 521)
    assert (short.cutoff, short.upper) == (2, 3)
    assert Selection("low", 1).at_length(20, 521) == Selection("low", 1)
    assert (selection := Selection("low")).at_length(521, 521) is selection


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(), "12345"),
        (Selection("low", 3), "12"),
        (Selection("high", 3), "345"),
        (Selection("low"), ""),  # the paper's period is longer than this line
        (Selection("band", 2, 4), "23"),
        (Selection("components", components=[1, 4]), "14"),
        (Selection("notch", components=[1, 4]), "235"),
    ],
)
def test_what_is_kept_is_what_was_asked_for_and_the_rest_goes_in_order(selection, kept):
    basis = fourier_basis(11)
    assert "".join(str(k + 1) for k in selection.keeps(basis).nonzero().flatten().tolist()) == kept
    gone = [k for k in range(1, 6) if str(k) not in kept]
    order = gone[::-1] if selection.keep == "low" else gone  # the furthest from the kept first
    rows = torch.cat([basis.rows[:0], *(basis.rows[2 * k - 1 : 2 * k + 1] for k in order)])
    assert selection.removed_rows(basis).equal(rows)


def test_a_notch_takes_components_and_exact_periods_together():
    basis = fourier_basis(41)
    rows = Selection("notch", components=[7], periods=["10/3"]).removed_rows(basis)
    waves = torch.cat([basis.rows[13:15], period_waves([10 / 3], 41)])
    waves = waves - waves.mean(dim=1, keepdim=True)
    assert len(rows) == 4 == len(Selection("notch", periods=[7, "10/3"]).removed_rows(basis))
    torch.testing.assert_close(waves @ rows.T @ rows, waves)


A_LIST = "needs a list; e.g. 'filter"
A_PERIOD = "not a period of 2 or more; use numbers such as 2, 2.5, 10/3"
A_SEED = "out of range; use 0 or a positive integer below 2^32"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "band", "cutoff": 3}, "upper=null: a band has two ends; set filter.cutoff and filter.upper"),
        ({"keep": "band", "upper": 3}, "upper=3: a band has two ends; set filter.cutoff and filter.upper"),
        ({"keep": "band", "cutoff": 3, "upper": 3}, "upper=3: not above filter.cutoff=3; use a larger value"),
        ({"keep": "periods"}, f"periods=[]: filter.keep=periods {A_LIST}.periods=[5,10]'"),
        ({"keep": "components"}, f"components=[]: filter.keep=components {A_LIST}.components=[5,10]'"),
        ({"keep": "notch"}, "components=[]: a notch needs a list; set filter.components or .periods"),
        ({"keep": "periods", "periods": [5, 1.9]}, f"periods=1.9: {A_PERIOD}"),
        ({"periods": ["x"]}, f"periods=x: {A_PERIOD}"),
        ({"periods": ["1/0"]}, f"periods=1/0: {A_PERIOD}"),
        ({"periods": [float("inf")]}, f"periods=inf: {A_PERIOD}"),
        ({"draws": -1}, "draws=-1: negative; use 3 or more, or 0 for no control"),
        ({"seed": -1}, f"seed=-1: {A_SEED}"),
        ({"seed": 2**32}, f"seed={2**32}: {A_SEED}"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError) as refused:
        FilterSettings(**settings)
    assert str(refused.value) == f"filter.{message}"


def test_the_edges_of_what_settings_may_be():
    FilterSettings(draws=0, seed=2**32 - 1, keep="band", cutoff=2, upper=3, periods=[2])
    with pytest.raises(ConfigError, match=r"^embedding.upper=null: .*; set embedding.cutoff and embedding.upper$"):
        Selection("band", 3, group="embedding")


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"keep": "low", "cutoff": 21}, "cutoff=21: no component k=21"),
        ({"keep": "high", "cutoff": 0}, "cutoff=0: no component k=0"),
        ({"keep": "components", "components": [3, 99]}, "components=[3, 99]: no component k=99"),
        ({"keep": "notch", "components": [0]}, "components=[0]: no component k=0"),
        ({"keep": "all", "cutoff": 999}, "cutoff=999: no component k=999"),  # the ablation uses it all the same
        ({"keep": "band", "cutoff": 3, "upper": 22}, "upper=22: no component k=22"),
    ],
)
def test_components_that_are_not_there_are_refused(selection, said):
    with pytest.raises(ConfigError) as refused:
        FilterSettings(**selection).selection.check(fourier_basis(41))
    assert str(refused.value) == f"filter.{said} with p=41; use 1 to 20"
    Selection("band", 1, 21, components=[1, 20]).check(fourier_basis(41))


@pytest.mark.parametrize("keep", ["periods", "notch"])
def test_periods_of_more_than_two_lines_are_refused(keep):
    Selection(keep, periods=[82]).check(fourier_basis(41))
    Selection("low", periods=[83]).check(fourier_basis(41))  # which does not use them
    with pytest.raises(ConfigError) as refused:
        Selection(keep, periods=[5, "165/2"], group="embedding").check(fourier_basis(41))
    assert str(refused.value) == "embedding.periods=82.5: the number line has 41 numbers; use periods from 2 to 82"


def test_periods_in_words():
    assert parse_periods([2, "10/3", 2.5, "5"], "key") == [2, 10 / 3, 2.5, 5]
    assert [period_name(t) for t in (2.0, 2.5, 10 / 3)] == ["2", "2.5", "3.33333"]
