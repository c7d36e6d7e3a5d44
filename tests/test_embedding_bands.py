"""The pretrained table with some of its waves, its controls, and the synthetic one."""

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.spectrum import table_spectrum
from fourier_lightning.models.number_rows import root_mean_square
from fourier_lightning.run import prepare
from tests.test_embedding import FULL, build, table


def spectrum_of(*overrides):
    rows = table(*overrides).double()
    return table_spectrum(rows - rows.mean(dim=0), fourier_basis(len(rows)))


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        (["embedding=low"], range(1, 50)),
        (["embedding=high"], range(50, 261)),
        (["embedding=low", "embedding.cutoff=8"], range(1, 8)),
        (["embedding.keep=band", "embedding.cutoff=40", "embedding.upper=60"], range(40, 60)),
    ],
)
def test_bands_of_the_pretrained_table(overrides, kept):
    """Only the band is there; within it the table is the unfiltered one, up to the common scale."""
    spectrum, whole = spectrum_of(*overrides), spectrum_of()
    inside = torch.isin(torch.arange(1, 261), torch.tensor(list(kept)))
    assert spectrum[~inside].max() < 1e-4 * spectrum.max()
    ratios = spectrum[inside] / whole[inside]
    torch.testing.assert_close(ratios, ratios.mean().expand_as(ratios), rtol=1e-3, atol=0)
    assert root_mean_square(table(*overrides)) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize("embedding", ["low", "high", "periods", "fourier", "gaussian_same_norm"])
def test_arms_differ_in_their_number_rows_alone(embedding):
    """The other tokens ("," and "+", at whose place the answer is read) keep their size."""
    others = [build(f"embedding={e}").net.transformer.wte.weight.detach()[521:] for e in ("frozen", embedding)]
    if embedding == "fourier":  # no pretrained ones: random, of the number rows' size
        assert root_mean_square(others[1]) == pytest.approx(0.05, rel=0.2)
    else:
        assert others[0].equal(others[1])


def test_periods_keep_five_exact_waves():
    assert torch.linalg.matrix_rank(table("embedding=periods").double(), rtol=1e-5) == 9  # T = 2 has no sine


def test_every_control_of_the_table():
    controls = ("shuffled_rows", "random_same_spectrum", "phase_scrambled", "gaussian_same_norm")
    tables = {name: table(f"embedding={name}") for name in controls}
    whole, spectrum = table(), spectrum_of()
    for name, control in tables.items():
        assert root_mean_square(control) == pytest.approx(0.05, rel=1e-4)
        assert not torch.allclose(control, whole, atol=1e-2)
        keeps_spectrum = name in ("random_same_spectrum", "phase_scrambled")
        assert torch.allclose(spectrum_of(f"embedding={name}"), spectrum, rtol=1e-3) == keeps_spectrum
    torch.testing.assert_close(tables["gaussian_same_norm"].norm(dim=1), whole.norm(dim=1), rtol=1e-4, atol=0)


def test_a_synthetic_fourier_table_needs_no_backbone_weights(monkeypatch):
    monkeypatch.setattr("fourier_lightning.models.backbones.Backbone.load", lambda self: pytest.fail("read weights"))
    rows = table("embedding=fourier")
    x = torch.arange(521)
    cosine = torch.cos(2 * torch.pi * x / 10)
    column = rows[:, 0] / rows[:, 0].std() * cosine.std()
    torch.testing.assert_close(column, cosine - cosine.mean(), atol=1e-4, rtol=0)
    assert rows[:, 6:].abs().max() == 0 and root_mean_square(rows) == pytest.approx(0.05, rel=1e-4)


def test_operands_of_another_style_are_treated_on_their_own_number_line():
    """Sentences write " 15", answers "108": the rows of " 0".." 260" lose the same periods."""
    module = build("data=addition", "embedding=low", "embedding.scale=raw", "embedding.centre=false", *FULL)
    weight = module.net.transformer.wte.weight.detach().double()
    plain = build("data=addition", "embedding.scale=raw", "embedding.centre=false", *FULL)
    operands = prepare(load_config(["data=addition", "data.max_operand=260"])).data.vocabulary.operands
    assert len(operands) == 261
    before = table_spectrum(plain.net.transformer.wte.weight.detach()[operands].double(), fourier_basis(261))
    after = table_spectrum(weight[operands], fourier_basis(261))
    torch.testing.assert_close(after[:24], before[:24], rtol=1e-3, atol=1e-5)
    assert after[25:].max() < 1e-4 * before.max()


def test_fourier_operands_have_their_own_numbers():
    module = build("data=addition", "embedding=fourier", "data.min_operand=3", "data.max_operand=100")
    vocabulary = prepare(load_config(["data=addition", "data.min_operand=3", "data.max_operand=100"])).data.vocabulary
    weight = module.net.transformer.wte.weight.detach()
    assert vocabulary.operand_values.tolist() == list(range(3, 101))
    theirs, ours = weight[vocabulary.numbers[3:101]], weight[vocabulary.operands]  # each line has the size asked for
    torch.testing.assert_close(ours / ours.norm(), theirs / theirs.norm())
