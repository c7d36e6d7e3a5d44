"""Reading and replacing the residual stream: identities, no-ops, and hooks that always come off."""

import pytest
import torch

from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import NAMES, PER_LAYER, Site, capture, intervene

NUMBERS = torch.arange(100, 140)


@pytest.fixture(scope="module")
def decoder(pretrained):
    return Decoder(pretrained)


@pytest.fixture(scope="module")
def prompt():
    return torch.randint(2000, (5, 7), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["short", "cached", "hugging face"])
def forward(request):
    """The three ways to the answer's logits."""
    return {
        "short": lambda decoder, prompt: decoder.answer_logits(prompt),
        "cached": lambda decoder, prompt: decoder.answer_logits(prompt, decoder.prefix(prompt)),
        "hugging face": lambda decoder, prompt: decoder.net(prompt).logits[:, -1],
    }[request.param]


def hooks(decoder):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in decoder.net.modules())


def all_sites(decoder):
    layers = range(decoder.n_layer)
    return [Site(name) for name in NAMES if name not in PER_LAYER] + [Site(n, i) for n in PER_LAYER for i in layers]


@torch.no_grad()
def test_embedding_and_contributions_add_up_to_the_logits(decoder, prompt, forward):
    """With the final LayerNorm frozen, to 1e-5 of the logits' size."""
    final = Site("resid_post", 3)
    with capture(decoder, [*decoder.contributions(), final]) as seen:
        logits = forward(decoder, prompt)[:, NUMBERS].double()
    parts = [seen[site] for site in decoder.contributions()]
    assert len(parts) == 1 + 2 * 4
    unembedding = decoder.unembedding(NUMBERS, fold=True)
    added = sum(decoder.scaled(part, "frozen", seen[final]) @ unembedding.T for part in parts)
    added = added + decoder.constant(NUMBERS, fold=True)
    assert (added - logits).abs().max() < 1e-5 * logits.abs().max()
    torch.testing.assert_close(sum(parts), seen[final], atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_sites_are_what_their_names_say(decoder, prompt):
    """Against the hidden states that Hugging Face returns."""
    with capture(decoder, all_sites(decoder), "all") as seen:
        hidden = decoder.net(prompt, output_hidden_states=True).hidden_states
    assert seen[Site("embed")].equal(hidden[0])
    assert seen[Site("ln_final")].equal(hidden[-1])
    for layer in range(4):
        assert seen[Site("resid_pre", layer)].equal(hidden[layer])
        after = seen[Site("resid_pre", layer)] + seen[Site("attn_out", layer)] + seen[Site("mlp_out", layer)]
        torch.testing.assert_close(seen[Site("resid_post", layer)], after, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(decoder.net.transformer.ln_f(seen[Site("resid_post", 3)]), hidden[-1])
    with capture(decoder, all_sites(decoder)) as last:
        decoder.net(prompt)
    assert all(last[site].equal(seen[site][:, -1]) for site in seen)


@torch.no_grad()
@pytest.mark.parametrize("positions", ["last", "all"])
def test_a_no_op_intervention_changes_nothing_bit_for_bit(decoder, prompt, forward, positions):
    plain, before = forward(decoder, prompt), hooks(decoder)
    with intervene(decoder, {site: lambda x: x for site in all_sites(decoder)}, positions):
        assert forward(decoder, prompt).equal(plain)
    assert forward(decoder, prompt).equal(plain) and hooks(decoder) == before


@torch.no_grad()
@pytest.mark.parametrize("name", ["attn_out", "mlp_out", "resid_pre", "resid_post", "embed"])
def test_every_path_agrees_on_an_intervention_at_the_last_position(decoder, prompt, name):
    prefix = decoder.prefix(prompt)  # before the intervention: earlier positions are not touched
    layers = range(4) if name in PER_LAYER else [None]
    matrix = torch.eye(384) + 0.02 * torch.randn(384, 384, generator=torch.Generator().manual_seed(1))
    changes = {Site(name, layer): lambda x: x @ matrix for layer in layers}
    if name == "resid_post":
        changes = {Site(name, 3): lambda x: x @ matrix}
    with intervene(decoder, changes):
        theirs = decoder.net(prompt).logits[:, -1]
        torch.testing.assert_close(decoder.answer_logits(prompt), theirs, atol=2e-3, rtol=1e-3)
        torch.testing.assert_close(decoder.answer_logits(prompt, prefix), theirs, atol=2e-3, rtol=1e-3)
    assert not torch.allclose(theirs, decoder.answer_logits(prompt), atol=0.1)


@torch.no_grad()
def test_all_positions_reach_further_than_the_last(decoder, prompt):
    changes = {Site("mlp_out", 0): lambda x: x * 0}
    logits = []
    for positions in ("last", "all"):
        with intervene(decoder, changes, positions), capture(decoder, [Site("mlp_out", 0)], "all") as seen:
            logits.append(decoder.answer_logits(prompt))
        assert seen[Site("mlp_out", 0)][:, -1].abs().max() == 0
        assert (seen[Site("mlp_out", 0)][:, 0].abs().max() == 0) == (positions == "all")
    assert not torch.allclose(*logits, atol=1e-2)


@torch.no_grad()
def test_replacing_the_last_state_sets_the_logits(decoder, prompt):
    state = torch.randn(384, generator=torch.Generator().manual_seed(0))
    with intervene(decoder, {Site("resid_post", 3): lambda x: state.expand_as(x)}):
        logits = decoder.answer_logits(prompt)
    expected = decoder.net.lm_head(decoder.net.transformer.ln_f(state))
    torch.testing.assert_close(logits, expected.expand_as(logits))


def test_no_hook_survives_an_exception(decoder, prompt):
    sites, before = all_sites(decoder), hooks(decoder)  # Hugging Face keeps some of its own

    def fail(x):
        raise RuntimeError("in a hook")

    with pytest.raises(RuntimeError, match="in a hook"), intervene(decoder, {Site("mlp_out", 1): fail}):
        decoder.answer_logits(prompt)
    with pytest.raises(KeyboardInterrupt), capture(decoder, sites), intervene(decoder, {sites[0]: fail}):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="no site"), capture(decoder, [*sites, Site("nowhere")]):
        pass
    assert hooks(decoder) == before


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (Site("mlp"), "no site 'mlp'; known: embed"),
        (Site("mlp_out"), "takes a layer from 0 to 3, not None"),
        (Site("mlp_out", 4), "takes a layer from 0 to 3, not 4"),
        (Site("embed", 0), "takes no layer"),
    ],
)
def test_places_that_are_not_there(decoder, site, message):
    with pytest.raises(ValueError, match=message), capture(decoder, [site]):
        pass


def test_an_intervention_must_keep_the_shape(decoder, prompt):
    changes = {Site("mlp_out", 0): lambda x: x[:1]}
    with pytest.raises(ValueError, match=r"made \(1, 384\) of \(5, 384\)"), intervene(decoder, changes):
        decoder.answer_logits(prompt)


@torch.no_grad()
def test_the_lens_in_its_three_ways(decoder, prompt):
    final = Site("resid_post", 3)
    with capture(decoder, [final, Site("resid_pre", 2)]) as seen:
        logits = decoder.answer_logits(prompt)[:, NUMBERS].double()
    bare, folded = (decoder.unembedding(NUMBERS, fold) for fold in (False, True))
    bias = decoder.constant(NUMBERS, fold=True)
    for ln in ("frozen", "recomputed"):  # at the end both are the model itself
        read = decoder.scaled(seen[final], ln, seen[final]) @ folded.T + bias
        torch.testing.assert_close(read, logits, atol=1e-4, rtol=1e-4)
    middle = seen[Site("resid_pre", 2)]
    assert decoder.scaled(middle, "none", seen[final]).equal(middle.double())
    usual = decoder.net.lm_head(decoder.net.transformer.ln_f(middle))[:, NUMBERS].double()
    recomputed = decoder.scaled(middle, "recomputed", seen[final]) @ folded.T + bias
    torch.testing.assert_close(recomputed, usual, atol=1e-4, rtol=1e-4)
    frozen = decoder.scaled(middle, "frozen", seen[final]) @ folded.T
    torch.testing.assert_close(frozen * decoder.norm_scale(seen[final]), middle.double() @ folded.T)
    gain = decoder.net.transformer.ln_f.weight.double()
    torch.testing.assert_close(folded @ middle[0].double(), bare @ (gain * (middle[0] - middle[0].mean()).double()))
