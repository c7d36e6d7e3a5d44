"""Instruments on a random model, recomputed from what its modules add: energies, magnitudes, seeds, nulls."""

import numpy as np
import pytest
import torch

from fourier_lightning.calibration.tables import make_table
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.instruments import DirectPath, EmbeddingSpectrum, LayerSpectrum
from fourier_lightning.models.hooks import Site, capture
from tests.test_answer_phase import random_view

P = 41


def added(view, name):
    """What each layer's attention or MLP adds to the number logits, (layers, n, p): GPT-J's, by numpy."""
    decoder, parts = view.decoder, {}
    sites = [Site(f"{name}_out", layer) for layer in range(decoder.n_layer)]
    with torch.no_grad(), capture(decoder, [*sites, decoder.final]) as seen:
        for group in view.examples:
            decoder.answer_logits(group.prompt)
            final = seen[decoder.final].double().numpy()
            size = np.sqrt(final.var(axis=1, keepdims=True) + decoder.norm.eps)
            for site in sites:
                x = seen[site].double().numpy()
                x = (x - x.mean(axis=1, keepdims=True)) / size * decoder.norm.weight.detach().double().numpy()
                parts.setdefault(site.layer, []).append(x @ decoder.head.weight[:P].detach().double().numpy().T)
    return np.stack([np.concatenate(parts[layer]) for layer in sorted(parts)])


def magnitudes(values):
    """Of each component k = 1..20 in rows over the number line (..., p), for an orthonormal basis."""
    return np.abs(np.fft.rfft(values, axis=-1))[..., 1:] * np.sqrt(2 / P)


def test_a_knocked_out_components_energy_is_its_share_of_what_both_classes_add():
    view = random_view("gptj")
    rows = DirectPath(FilterSettings(), draws=2)(view).tables["direct_knock_out"]
    both = added(view, "attn").sum(axis=0) + added(view, "mlp").sum(axis=0)
    power = (magnitudes(both) ** 2).sum(axis=0)
    assert [row["energy"] for row in rows] == pytest.approx(power / power.sum(), abs=1e-4)


def test_layer_maps_are_mean_and_root_mean_square_magnitudes():
    view = random_view("gptj")
    measured = LayerSpectrum([2.0, 5.0], draws=20)(view)
    for name in ("attn", "mlp"):
        wanted = magnitudes(added(view, name))  # (layers, n, K)
        np.testing.assert_allclose(measured.arrays[f"layer_component_{name}"], wanted.mean(axis=1), rtol=1e-3)
        rms = np.sqrt((wanted**2).mean(axis=1))
        np.testing.assert_allclose(measured.arrays[f"layer_component_{name}_rms"], rms, rtol=1e-3)
    rows = measured.tables["layer_periods"]
    assert {(row["module"], row["layer"]) for row in rows} == {(m, n) for m in ("attn", "mlp") for n in (0, 1)}
    assert all(0 < row["p_value_permutation"] <= 1 and 0 < row["p_value"] <= 1 for row in rows)


def test_short_periods_alone_are_held_against_the_detrended_null():
    rows = EmbeddingSpectrum([2.0, 5.0, 40.0], draws=20)(random_view("gptj")).tables["embedding_periods"]
    numbers = {row["period"]: row for row in rows if row["line"] == "numbers"}
    assert numbers[40.0]["p_value_detrended"] is None and 0 < numbers[2.0]["p_value_detrended"] <= 1
    assert numbers[5.0]["z_detrended"] is not None


def test_a_views_filters_have_the_settings_seed():
    view = random_view("gptj")
    first, again, other = (view.filters(FilterSettings(seed=seed)).control(4, "readout", 0) for seed in (0, 0, 3))
    torch.testing.assert_close(first.read, again.read)
    assert not torch.allclose(first.read, other.read)


def test_a_table_is_its_seeds_alone():
    tables = []
    for state in (1, 2):
        torch.manual_seed(state)
        tables.append(make_table(31, 60, 1.0, 2, torch.Generator().manual_seed(9)).rows)
    torch.testing.assert_close(*tables)
