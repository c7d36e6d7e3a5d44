"""Reading and replacing the residual stream: identities, no-ops, and hooks that always come off."""

import pytest
import torch

from fourier_lightning.models.gpt2_fast import answer_logits, continue_prefix, read_prefix
from fourier_lightning.models.hooks import NAMES, PER_LAYER, Site, capture, contributions, intervene
from fourier_lightning.models.lens import ln_bias_logits, ln_scale, number_unembedding, scaled

NUMBERS = torch.arange(100, 140)


@pytest.fixture(scope="module")
def prompt():
    return torch.randint(2000, (5, 7), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["short", "cached", "hugging face"])
def forward(request):
    """The three ways to the answer's logits."""
    return {
        "short": answer_logits,
        "cached": lambda net, prompt: continue_prefix(net, prompt, read_prefix(net, prompt)),
        "hugging face": lambda net, prompt: net(prompt).logits[:, -1],
    }[request.param]


def hooks(net):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def all_sites(net):
    layers = range(net.config.n_layer)
    return [Site(name) for name in NAMES if name not in PER_LAYER] + [Site(n, i) for n in PER_LAYER for i in layers]


@torch.no_grad()
def test_embedding_and_contributions_add_up_to_the_logits(pretrained, prompt, forward):
    """With the final LayerNorm frozen, to 1e-5 of the logits' size."""
    final = Site("resid_post", 3)
    with capture(pretrained, [*contributions(pretrained), final]) as seen:
        logits = forward(pretrained, prompt)[:, NUMBERS].double()
    parts = [seen[site] for site in contributions(pretrained)]
    assert len(parts) == 1 + 2 * 4
    unembedding = number_unembedding(pretrained, NUMBERS, fold_ln=True)
    added = sum(scaled(pretrained, part, "frozen", seen[final]) @ unembedding.T for part in parts)
    added = added + ln_bias_logits(pretrained, NUMBERS)
    assert (added - logits).abs().max() < 1e-5 * logits.abs().max()
    torch.testing.assert_close(sum(parts), seen[final], atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_sites_are_what_their_names_say(pretrained, prompt):
    """Against the hidden states that Hugging Face returns."""
    with capture(pretrained, all_sites(pretrained), "all") as seen:
        hidden = pretrained(prompt, output_hidden_states=True).hidden_states
    assert seen[Site("embed")].equal(hidden[0])
    assert seen[Site("ln_final")].equal(hidden[-1])
    for layer in range(4):
        assert seen[Site("resid_pre", layer)].equal(hidden[layer])
        after = seen[Site("resid_pre", layer)] + seen[Site("attn_out", layer)] + seen[Site("mlp_out", layer)]
        torch.testing.assert_close(seen[Site("resid_post", layer)], after, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(pretrained.transformer.ln_f(seen[Site("resid_post", 3)]), hidden[-1])
    with capture(pretrained, all_sites(pretrained)) as last:
        pretrained(prompt)
    assert all(last[site].equal(seen[site][:, -1]) for site in seen)


@torch.no_grad()
@pytest.mark.parametrize("positions", ["last", "all"])
def test_a_no_op_intervention_changes_nothing_bit_for_bit(pretrained, prompt, forward, positions):
    plain, before = forward(pretrained, prompt), hooks(pretrained)
    with intervene(pretrained, {site: lambda x: x for site in all_sites(pretrained)}, positions):
        assert forward(pretrained, prompt).equal(plain)
    assert forward(pretrained, prompt).equal(plain) and hooks(pretrained) == before


@torch.no_grad()
@pytest.mark.parametrize("name", ["attn_out", "mlp_out", "resid_pre", "resid_post", "embed"])
def test_every_path_agrees_on_an_intervention_at_the_last_position(pretrained, prompt, name):
    prefix = read_prefix(pretrained, prompt)  # before the intervention: earlier positions are not touched
    layers = range(4) if name in PER_LAYER else [None]
    matrix = torch.eye(384) + 0.02 * torch.randn(384, 384, generator=torch.Generator().manual_seed(1))
    changes = {Site(name, layer): lambda x: x @ matrix for layer in layers}
    if name == "resid_post":
        changes = {Site(name, 3): lambda x: x @ matrix}
    with intervene(pretrained, changes):
        theirs = pretrained(prompt).logits[:, -1]
        torch.testing.assert_close(answer_logits(pretrained, prompt), theirs, atol=2e-3, rtol=1e-3)
        if name != "resid_pre":  # whole blocks are not called there
            torch.testing.assert_close(continue_prefix(pretrained, prompt, prefix), theirs, atol=2e-3, rtol=1e-3)
    assert not torch.allclose(theirs, answer_logits(pretrained, prompt), atol=0.1)


@torch.no_grad()
def test_all_positions_reach_further_than_the_last(pretrained, prompt):
    changes = {Site("mlp_out", 0): lambda x: x * 0}
    logits = []
    for positions in ("last", "all"):
        with intervene(pretrained, changes, positions), capture(pretrained, [Site("mlp_out", 0)], "all") as seen:
            logits.append(answer_logits(pretrained, prompt))
        assert seen[Site("mlp_out", 0)][:, -1].abs().max() == 0
        assert (seen[Site("mlp_out", 0)][:, 0].abs().max() == 0) == (positions == "all")
    assert not torch.allclose(*logits, atol=1e-2)


@torch.no_grad()
def test_replacing_the_last_state_sets_the_logits(pretrained, prompt):
    state = torch.randn(384, generator=torch.Generator().manual_seed(0))
    with intervene(pretrained, {Site("resid_post", 3): lambda x: state.expand_as(x)}):
        logits = answer_logits(pretrained, prompt)
    expected = pretrained.lm_head(pretrained.transformer.ln_f(state))
    torch.testing.assert_close(logits, expected.expand_as(logits))


def test_no_hook_survives_an_exception(pretrained, prompt):
    sites, before = all_sites(pretrained), hooks(pretrained)  # Hugging Face keeps some of its own

    def fail(x):
        raise RuntimeError("in a hook")

    with pytest.raises(RuntimeError, match="in a hook"), intervene(pretrained, {Site("mlp_out", 1): fail}):
        answer_logits(pretrained, prompt)
    with pytest.raises(KeyboardInterrupt), capture(pretrained, sites), intervene(pretrained, {sites[0]: fail}):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="no site"), capture(pretrained, [*sites, Site("nowhere")]):
        pass
    assert hooks(pretrained) == before


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (Site("mlp"), "no site 'mlp'; known: embed"),
        (Site("mlp_out"), "takes a layer from 0 to 3, not None"),
        (Site("mlp_out", 4), "takes a layer from 0 to 3, not 4"),
        (Site("embed", 0), "takes no layer"),
    ],
)
def test_places_that_are_not_there(pretrained, site, message):
    with pytest.raises(ValueError, match=message), capture(pretrained, [site]):
        pass


def test_an_intervention_must_keep_the_shape(pretrained, prompt):
    changes = {Site("mlp_out", 0): lambda x: x[:1]}
    with pytest.raises(ValueError, match=r"made \(1, 384\) of \(5, 384\)"), intervene(pretrained, changes):
        answer_logits(pretrained, prompt)


@torch.no_grad()
def test_the_lens_in_its_three_ways(pretrained, prompt):
    final = Site("resid_post", 3)
    with capture(pretrained, [final, Site("resid_pre", 2)]) as seen:
        logits = answer_logits(pretrained, prompt)[:, NUMBERS].double()
    bare, folded = (number_unembedding(pretrained, NUMBERS, fold) for fold in (False, True))
    bias = ln_bias_logits(pretrained, NUMBERS)
    for ln in ("frozen", "recomputed"):  # at the end both are the model itself
        read = scaled(pretrained, seen[final], ln, seen[final]) @ folded.T + bias
        torch.testing.assert_close(read, logits, atol=1e-4, rtol=1e-4)
    middle = seen[Site("resid_pre", 2)]
    assert scaled(pretrained, middle, "none", seen[final]).equal(middle.double())
    usual = pretrained.lm_head(pretrained.transformer.ln_f(middle))[:, NUMBERS].double()
    recomputed = scaled(pretrained, middle, "recomputed", seen[final]) @ folded.T + bias
    torch.testing.assert_close(recomputed, usual, atol=1e-4, rtol=1e-4)
    frozen = scaled(pretrained, middle, "frozen", seen[final]) @ folded.T
    torch.testing.assert_close(frozen * ln_scale(pretrained, seen[final]), middle.double() @ folded.T)
    gain = pretrained.transformer.ln_f.weight.double()
    torch.testing.assert_close(folded @ middle[0].double(), bare @ (gain * (middle[0] - middle[0].mean()).double()))
