"""What prompts begin with, computed once in a training step: the same logits and gradients, and less to compute."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel

from fourier_lightning.callbacks.recompute import ActivationCheckpointing
from fourier_lightning.data.addition import addition_data
from fourier_lightning.data.batches import Batches, share_of
from fourier_lightning.models import gpt2_packed
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.gpt2_packed import packable, packed_logits

FIVE = ["total", "add", "calculate", "what", "put"]


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Also at a size where it does not pay."""
    monkeypatch.setattr(gpt2_packed, "PAYS", 1)


def network(n_layer=2, **dropout):
    torch.manual_seed(n_layer)
    rates = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0, **dropout}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=40, n_positions=16, n_embd=32, n_layer=n_layer, n_head=4, **rates)
    ).train()


def prompts(own=4):
    """Three beginnings of three tokens, in any order, one of them unused, and what comes after."""
    heads = torch.tensor([[1, 2, 3], [9, 9, 9], [4, 2, 5]])
    which = torch.tensor([2, 0, 0, 2, 2])
    tail = torch.randint(6, 40, (5, own), generator=torch.Generator().manual_seed(0))
    return torch.cat([heads[which], tail], dim=1), heads, which


@pytest.mark.parametrize("own", [1, 4])
@pytest.mark.parametrize("n_layer", [1, 3])
def test_logits_and_gradients_are_those_of_hugging_faces_pass(n_layer, own):
    prompt, heads, which = prompts(own)
    net, theirs = network(n_layer), network(n_layer)
    ours, wanted = packed_logits(net, prompt, heads, which), theirs(prompt).logits[:, -1]
    assert_close(ours, wanted, atol=1e-5, rtol=1e-5)
    target = torch.arange(5)
    F.cross_entropy(ours, target).backward()
    F.cross_entropy(wanted, target).backward()
    for (name, one), other in zip(net.named_parameters(), theirs.parameters(), strict=True):
        assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4, msg=name)


def test_in_bf16_autocast_it_is_the_same_to_that_precision():
    """Eleven tokens: attention is in float32 there, products and what is handed on in bfloat16."""
    prompt, heads, which = prompts(own=8)
    net = network(3)
    with torch.autocast("cpu", torch.bfloat16):
        ours, plain = packed_logits(net, prompt, heads, which), net(prompt).logits[:, -1]
    exact = net(prompt).logits[:, -1]
    assert ours.dtype == plain.dtype == torch.bfloat16
    assert (ours - exact).abs().max() < 2 * (plain - exact).abs().max() < 0.1


def flops(decoder, prompt, *beginnings):
    with FlopCounterMode(display=False) as counter:
        logits = decoder.trained_logits(prompt, *beginnings)
    return counter.get_total_flops(), logits


def test_the_beginnings_cost_a_row_each_and_not_a_row_of_each_prompt():
    prompt, heads, which = prompts()
    few, packed = flops(Decoder(network()), prompt, heads, which)
    all_of_them, plain = flops(Decoder(network()), prompt, None, None)
    assert_close(packed, plain, atol=1e-5, rtol=1e-5)
    # 3 heads of 3 tokens and 5 rows of 4 instead of 5 rows of 7; attention and the last position cost the same
    assert 29 / 35 < few / all_of_them < 0.9


def test_small_batches_of_small_models_take_the_plain_pass(monkeypatch):
    """Two of five rows begin with another's tokens: 2 x 3 x 32 numbers are spared."""
    prompt, heads, which = prompts()
    decoder = Decoder(network())
    assert packable(decoder.net, prompt, heads)
    monkeypatch.setattr(gpt2_packed, "PAYS", 192)
    assert packable(decoder.net, prompt, heads)
    monkeypatch.setattr(gpt2_packed, "PAYS", 193)
    assert not packable(decoder.net, prompt, heads)
    assert flops(decoder, prompt, heads, which)[0] == flops(decoder, prompt, None, None)[0]


@pytest.mark.parametrize("dropout", ["embd_pdrop", "attn_pdrop", "resid_pdrop"])
def test_rows_do_not_share_the_noise_of_dropout(dropout):
    prompt, heads, which = prompts()
    net = network(**{dropout: 0.5})
    assert flops(Decoder(net), prompt, heads, which)[0] == flops(Decoder(net), prompt, None, None)[0]
    net.eval()
    assert flops(Decoder(net), prompt, heads, which)[0] < flops(Decoder(net), prompt, None, None)[0]


def test_blocks_that_compute_again_take_the_plain_pass():
    prompt, heads, which = prompts()
    decoder = Decoder(network())
    module = type("Module", (), {"decoder": decoder})
    whole = flops(decoder, prompt, None, None)[0]
    ActivationCheckpointing().on_fit_start(None, module)
    assert flops(decoder, prompt, heads, which)[0] == whole
    ActivationCheckpointing().on_fit_end(None, module)
    assert flops(decoder, prompt, heads, which)[0] < whole


def test_blocks_in_pieces_take_the_plain_pass(monkeypatch):
    """A block's weights come together where the block is called, and the packed pass calls none."""
    prompt, heads, _ = prompts()
    net = network()
    assert packable(net, prompt, heads)
    monkeypatch.setattr(gpt2_packed, "FSDPModule", type(net.transformer.h[0]))
    assert not packable(net, prompt, heads)


@pytest.mark.parametrize("redraw_order", [False, True])
def test_training_batches_know_what_their_prompts_begin_with(tokenizer, redraw_order):
    """Templates of eight, nine and eleven tokens have two, three and five before the first number."""
    data = addition_data(tokenizer, templates=FIVE, max_operand=40)
    seen = {}
    for batch in Batches(data.examples("train"), 64, 3, redraw_order=redraw_order):
        for part in (batch, share_of(batch, 1, 3)):
            shared = part["heads"].shape[1]
            assert part["prompt"][:, :shared].equal(part["heads"][part["which"]])
        seen[batch["prompt"].shape[1]] = tuple(batch["heads"].shape)
    assert seen == {8: (3, 2), 9: (1, 3), 11: (1, 5)}


def test_prompts_that_begin_with_a_number_share_nothing(tokenizer):
    data = addition_data(tokenizer, templates=["format"], max_operand=40)
    assert all("heads" not in batch for batch in Batches(data.examples("train"), 64, 3))
    whole = addition_data(tokenizer, templates=["what"], max_operand=40)
    assert all("heads" not in batch for batch in Batches(whole.examples("val"), 64))  # evaluation has its own way
