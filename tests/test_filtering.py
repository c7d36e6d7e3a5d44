"""Filters are applied the right way round: against the block's formula, with matrices that are not symmetric."""

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config

from fourier_lightning.fourier.filters import Filter
from fourier_lightning.instruments.filtering import Variant, evaluate, filter_modules
from fourier_lightning.models.module import AdditionModule

P, WIDTH = 11, 8


@pytest.fixture(scope="module")
def module():
    """One block of random weights, large ones, so that every part matters."""
    shape = GPT2Config(vocab_size=P, n_embd=WIDTH, n_layer=1, n_head=2, n_positions=3, bos_token_id=None,
                       eos_token_id=None)  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = AdditionModule(
            network=shape.to_dict(), token_ids=list(range(P)), numbers=list(range(P)), freeze_table=False,
            optimizer={"name": "adamw", "lr": 1e-3},
        )  # fmt: skip
        for parameter in made.net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def some_filter(seed: int) -> Filter:
    """Any matrix but a symmetric one."""
    matrix = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Filter(matrix, removed=1, rank=1, control_rows=1, left=0.0, lost=0.0)


@pytest.mark.parametrize("positions", ["last", "all"])
@torch.no_grad()
def test_a_filter_is_its_matrix_times_what_a_module_adds(module, positions):
    prompt = torch.randint(P, (40, 3), generator=torch.Generator().manual_seed(1))
    answers = torch.randint(P, (40,), generator=torch.Generator().manual_seed(2))
    one, other = some_filter(3), some_filter(4)
    variants = [Variant(), filter_modules("attn", one), filter_modules("mlp", one), filter_modules("attn_mlp", one),
                Variant({"attn_out": one, "mlp_out": other})]  # fmt: skip
    batches = [{"prompt": prompt[rows], "answer": answers[rows]} for rows in (slice(20), slice(20, 40))]
    found = evaluate(module, batches, variants, positions)
    net, block = module.net.transformer, module.net.transformer.h[0]
    with_none = torch.eye(WIDTH)
    for tally, variant in zip(found, variants, strict=True):
        on = {name: chosen.matrix.float() for name, chosen in variant.filters.items()}
        state = net.wte(prompt) + net.wpe.weight[:3]
        attention = block.attn(block.ln_1(state))[0]
        state = state + torch.einsum("ij,btj->bti", on.get("attn_out", with_none), attention)
        state = state + torch.einsum("ij,btj->bti", on.get("mlp_out", with_none), block.mlp(block.ln_2(state)))
        logits = net.ln_f(state[:, -1]) @ module.net.lm_head.weight.T
        means = tally.means()
        assert means["loss"] == pytest.approx(F.cross_entropy(logits, answers).item(), rel=1e-4)
        error = logits.argmax(dim=1) - answers
        assert means["accuracy"] == pytest.approx((error == 0).float().mean().item())
        assert tally.histogram() == {int(e): int((error == e).sum()) for e in error.unique()}
