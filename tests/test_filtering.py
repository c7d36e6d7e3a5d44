"""Filters are applied the right way round: against the block's formula, with matrices that are not symmetric."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.filters import Filter, FilterSettings
from fourier_lightning.instruments.base import View
from fourier_lightning.instruments.filtering import (
    SHOWN,
    Tally,
    Variant,
    check_components,
    control_columns,
    error_rows,
    evaluate,
    filter_modules,
)
from fourier_lightning.models.decoder import Decoder

P, WIDTH = 11, 8


@pytest.fixture(scope="module")
def view():
    """Two blocks of random weights, large ones, so that every part matters."""
    shape = GPT2Config(vocab_size=P, n_embd=WIDTH, n_layer=2, n_head=2, n_positions=3, bos_token_id=None,
                       eos_token_id=None)  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = GPT2LMHeadModel(shape).eval()
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    none = torch.empty(0, dtype=torch.long)
    vocabulary = Vocabulary(torch.arange(P), torch.arange(P), operands=none, operand_values=none)
    return View(Decoder(net), SimpleNamespace(p=P, cycle=None), vocabulary, [], prompts_of=lambda operands: None)


def some_filter(seed: int) -> Filter:
    """Any map but a symmetric one, of few directions or of all."""
    rank, rng = 2 if seed == 3 else WIDTH, torch.Generator().manual_seed(seed)
    into, read = (torch.randn(*size, generator=rng, dtype=torch.float64) for size in ((WIDTH, rank), (rank, WIDTH)))
    return Filter(into, read, removed=1, rank=1, control_rows=1, left=0.0, lost=0.0)


@pytest.mark.parametrize("positions", ["last", "all"])
@torch.no_grad()
def test_a_filter_is_its_matrix_times_what_a_module_adds(view, positions):
    prompt = torch.randint(P, (40, 3), generator=torch.Generator().manual_seed(1))
    answers = torch.randint(P, (40,), generator=torch.Generator().manual_seed(2))
    one, other = some_filter(3), some_filter(4)
    variants = [Variant(), filter_modules("attn", one), filter_modules("mlp", one), filter_modules("attn_mlp", one),
                Variant({"attn_out": one, "mlp_out": other})]  # fmt: skip
    batches = [{"prompt": prompt[rows], "answer": answers[rows]} for rows in (slice(20), slice(20, 40))]
    found = evaluate(view, batches, variants, positions)
    net, head = view.decoder.net.transformer, view.decoder.net.lm_head

    def filtered(name, added):
        """What a module adds (B, T, d), its matrix applied where it is asked for."""
        whole = torch.einsum("ij,btj->bti", on.get(name, torch.eye(WIDTH)), added)
        return whole if positions == "all" else torch.cat([added[:, :-1], whole[:, -1:]], dim=1)

    for tally, variant in zip(found, variants, strict=True):
        on = {name: chosen.matrix.float() for name, chosen in variant.filters.items()}
        state = net.wte(prompt) + net.wpe.weight[:3]
        for block in net.h:
            state = state + filtered("attn_out", block.attn(block.ln_1(state))[0])
            state = state + filtered("mlp_out", block.mlp(block.ln_2(state)))
        logits = net.ln_f(state[:, -1]) @ head.weight.T
        means = tally.means()
        assert means["loss"] == pytest.approx(F.cross_entropy(logits, answers).item(), rel=1e-4)
        error = logits.argmax(dim=1) - answers
        assert means["accuracy"] == pytest.approx((error == 0).float().mean().item())
        assert tally.histogram() == {int(e): int((error == e).sum()) for e in error.unique()}


@pytest.mark.parametrize(("positions", "expected"), [("last", [1, 1]), ("all", [])])
@torch.no_grad()
def test_earlier_positions_are_computed_once_a_batch_where_nothing_changes_there(
    view, positions, expected, monkeypatch
):
    prefix, made = view.decoder.prefix, []
    monkeypatch.setattr(view.decoder, "prefix", lambda prompt: made.append(prefix(prompt)) or made[-1])
    whole, seen = view.decoder.answer_logits, []
    monkeypatch.setattr(view.decoder, "answer_logits", lambda prompt, past: seen.append(past) or whole(prompt, past))
    batch = {"prompt": torch.zeros(1, 3, dtype=torch.long), "answer": torch.zeros(1, dtype=torch.long)}
    evaluate(view, [batch] * 2, [Variant(), Variant()], positions)
    assert [1 for _ in made] == expected
    used = [made[0], made[0], made[1], made[1]] if made else [None] * 4
    assert all(one is other for one, other in zip(seen, used, strict=True))


def test_a_tally_counts_every_error_on_the_line_and_on_a_circle(view):
    logits, answers = torch.eye(P)[[0, P - 1, 3, 3]], torch.tensor([P - 1, 0, 3, 5])
    line = Tally.of(view)
    line.update(logits, answers, torch.arange(P), torch.tensor(1.0))
    assert line.histogram() == {1 - P: 1, P - 1: 1, 0: 1, -2: 1} and len(line.errors) == 2 * P - 1
    assert line.distinct == 3 / 4 and Tally.of(view).distinct == 0
    circle = Tally.of(replace(view, task=SimpleNamespace(p=P, cycle=P)))
    circle.update(logits, answers, torch.arange(P), torch.tensor(1.0))
    assert circle.histogram() == {1: 1, -1: 1, 0: 1, -2: 1}
    rows = [{"removed": name, "loss": 0} for name in ("low", "high")]
    counted = [{"removed": "low", "error": e, "count": 1} for e in (-2, -1, 0, 1)]
    assert error_rows(rows, [circle, None], ["removed"]) == counted


def test_controls_have_the_deviation_of_a_sample():
    """Three draws say less than all that could be drawn: by numpy, with one degree of freedom less."""
    values = np.random.default_rng(0).uniform(size=(3, len(SHOWN)))
    columns = control_columns("control", [dict(zip(SHOWN, row, strict=True)) for row in values])
    for index, name in enumerate(SHOWN):
        assert columns[f"control_{name}_mean"] == pytest.approx(values[:, index].mean())
        assert columns[f"control_{name}_std"] == pytest.approx(values[:, index].std(ddof=1))
    assert len(columns) == 2 * len(SHOWN)
    single, none = (control_columns("x", [dict.fromkeys(SHOWN, 0.5)] * count) for count in (1, 0))
    assert (single["x_loss_mean"], single["x_loss_std"], none["x_loss_mean"], none["x_loss_std"]) == (0.5, *[None] * 3)


@pytest.mark.parametrize(("basis", "most"), [("orthonormal", 21), ("paper", 20)])
def test_components_are_those_of_the_basis(basis, most):
    settings = FilterSettings(basis=basis)
    check_components([1, most], 42, settings, "components")
    for wrong in (0, most + 1):
        said = rf"components=\[{wrong}\]: no component k={wrong} with p=42; use 1 to {most}"
        with pytest.raises(ConfigError, match=said):
            check_components([wrong], 42, settings, "components")
