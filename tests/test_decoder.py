"""The decoder on tiny random models of every architecture, against what transformers itself computes."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig

from fourier_lightning.errors import ConfigError
from fourier_lightning.models.architectures import ARCHITECTURES
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import NAMES, PER_LAYER, Site, capture, intervene
from tests.tiny_models import LAYERS, SIZES, VOCABULARY, WIDTH, tiny_model

NUMBERS = torch.arange(10, 50)
PROMPT = torch.randint(1, VOCABULARY, (5, 7), generator=torch.Generator().manual_seed(0))
SITES = [Site(name) for name in NAMES if name not in PER_LAYER] + [Site(n, i) for n in PER_LAYER for i in range(LAYERS)]
MATRIX = torch.eye(WIDTH) + 0.1 * torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1))


VARIANTS = {
    "gpt_neox, one after the other": {"use_parallel_residual": False},
    "mistral, a window of 4": {"sliding_window": 4},
}


@pytest.fixture(scope="module", params=[*SIZES, *VARIANTS])
def decoder(request):
    return Decoder(tiny_model(request.param.partition(",")[0], **VARIANTS.get(request.param, {})))


ORACLE = {"embed": "blocks.0.hook_resid_pre", **{name: f"blocks.{{}}.hook_{name}" for name in PER_LAYER}}


def hooks(decoder):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in decoder.net.modules())


def assert_close(ours, theirs):
    """To 1e-5 of their size."""
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_every_architecture_of_the_table_is_tested():
    assert list(SIZES) == list(ARCHITECTURES)


@torch.no_grad()
def test_contributions_add_up_to_the_logits_and_the_lens_ends_at_the_model(decoder):
    with capture(decoder, [*decoder.contributions(), decoder.final, Site("ln_final")]) as seen:
        logits = decoder.answer_logits(PROMPT)
    parts, final = [seen[site] for site in decoder.contributions()], seen[decoder.final]
    assert len(parts) == 1 + 2 * LAYERS
    assert_close(sum(parts), final)
    wanted = decoder.uncapped(logits.double())[:, NUMBERS]
    folded, bare = (decoder.unembedding(NUMBERS, fold) for fold in (True, False))
    added = sum(decoder.scaled(part, "frozen", final) @ folded.T for part in parts)
    assert_close(added + decoder.constant(NUMBERS, fold=True), wanted)
    lens = decoder.scaled(final, "recomputed", torch.zeros_like(final)) @ folded.T
    assert_close(lens + decoder.constant(NUMBERS, fold=True), wanted)
    assert_close(seen[Site("ln_final")].double() @ bare.T + decoder.constant(NUMBERS, fold=False), wanted)
    assert decoder.scaled(final, "none", final).equal(final.double())


@torch.no_grad()
def test_sites_are_what_their_names_say(decoder):
    with capture(decoder, SITES, "all") as seen:
        output = decoder.net(PROMPT, output_hidden_states=True)
    hidden = output.hidden_states
    assert seen[Site("embed")].equal(hidden[0]) and seen[Site("ln_final")].equal(hidden[-1])
    for layer in range(LAYERS):
        assert seen[Site("resid_pre", layer)].equal(hidden[layer])
        after = seen[Site("resid_pre", layer)] + seen[Site("attn_out", layer)] + seen[Site("mlp_out", layer)]
        assert_close(after, seen[Site("resid_post", layer)])
    assert all(state.shape == (*PROMPT.shape, WIDTH) for state in seen.values())
    with capture(decoder, SITES) as last:
        assert_close(decoder.answer_logits(PROMPT), output.logits[:, -1])
    for site, state in last.items():
        torch.testing.assert_close(state, seen[site][:, -1], atol=1e-5, rtol=1e-5)


def test_transformer_lens_sees_the_same_at_every_site(decoder, tokenizer):
    """TransformerLens 4 has an adapter for each architecture, written by others."""
    bridge = pytest.importorskip("transformer_lens.model_bridge").TransformerBridge
    decoder.config.architectures = [type(decoder.net).__name__]  # as in a saved directory: the bridge goes by it
    theirs = bridge.boot_transformers("tiny", hf_model=deepcopy(decoder.net), tokenizer=tokenizer)
    sites = [site for site in SITES if site.name in ORACLE]
    with torch.no_grad(), capture(decoder, sites, "all") as seen:
        logits = decoder.net(PROMPT).logits
        their_logits, cache = theirs.run_with_cache(PROMPT)
    for site in sites:
        torch.testing.assert_close(seen[site], cache[ORACLE[site.name].format(site.layer)], atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(logits, their_logits, atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_attention_looks_at_other_positions_and_the_mlp_at_its_own(decoder):
    """A table with the two swapped would pass every sum. And ``parallel`` is whether the MLP reads the attention."""
    attn, mlp = Site("attn_out", 0), Site("mlp_out", 0)
    same_end = PROMPT.clone()
    same_end[:, :-1] = PROMPT[:, :-1].flip(0)
    seen = {}
    for without in (False, True):
        for prompt in (PROMPT, same_end):
            changes = {attn: torch.zeros_like} if without else {}
            with capture(decoder, [attn, mlp]) as states, intervene(decoder, changes):
                decoder.answer_logits(prompt)
            seen[without, prompt is PROMPT] = states
    assert not torch.allclose(seen[False, True][attn][0], seen[False, False][attn][0], atol=1e-3)
    torch.testing.assert_close(seen[True, True][mlp], seen[True, False][mlp], atol=1e-5, rtol=1e-5)
    alone = torch.allclose(seen[True, True][mlp], seen[False, True][mlp], atol=1e-5)
    assert alone == decoder.parallel


@torch.no_grad()
def test_rows_are_what_tokens_put_in_and_what_reads_them_out(decoder):
    other = PROMPT.flip(0)
    states = []
    for prompt in (PROMPT, other):
        with capture(decoder, [Site("embed")], "all") as seen:
            decoder.answer_logits(prompt)
        states.append(seen[Site("embed")])
    rows = decoder.input_rows()
    torch.testing.assert_close(states[0] - states[1], rows[PROMPT] - rows[other], atol=1e-5, rtol=1e-5)
    without_positions = torch.allclose(states[0], rows[PROMPT], atol=1e-5)
    assert without_positions == (decoder.positions is None)
    assert decoder.output_rows().equal(decoder.net.get_output_embeddings().weight)
    assert decoder.tied == decoder.config.tie_word_embeddings
    assert (decoder.n_layer, decoder.width, len(decoder.blocks)) == (LAYERS, WIDTH, LAYERS)


@torch.no_grad()
@pytest.mark.parametrize("positions", ["last", "all"])
def test_no_op_interventions_change_nothing_bit_for_bit(decoder, positions):
    before, past = hooks(decoder), decoder.prefix(PROMPT)

    def forwards():
        return [decoder.answer_logits(PROMPT), decoder.answer_logits(PROMPT, past), decoder.net(PROMPT).logits]

    plain = forwards()
    with intervene(decoder, {site: lambda x: x for site in SITES}, positions):
        assert all(a.equal(b) for a, b in zip(forwards(), plain, strict=True))
    assert all(a.equal(b) for a, b in zip(forwards(), plain, strict=True)) and hooks(decoder) == before


@torch.no_grad()
@pytest.mark.parametrize("site", [Site("embed"), Site("attn_out", 0), Site("mlp_out", 1), Site("resid_post", 0)])
def test_every_pass_agrees_on_an_intervention_at_the_last_position(decoder, site):
    """One prefix, taken before the interventions, is continued again and again, also after a failure half-way."""
    past, plain = decoder.prefix(PROMPT), decoder.answer_logits(PROMPT)

    def fail(x):
        raise RuntimeError("half-way")

    for change in (lambda x: x @ MATRIX, lambda x: 0 * x, fail, lambda x: x @ MATRIX):
        if change is fail:
            before = hooks(decoder)
            with pytest.raises(RuntimeError, match="half-way"), intervene(decoder, {Site("mlp_out", 0): fail}):
                decoder.answer_logits(PROMPT, past)
            assert hooks(decoder) == before
            continue
        with intervene(decoder, {site: change}):
            theirs = decoder.net(PROMPT).logits[:, -1]
            for ours in (decoder.answer_logits(PROMPT), decoder.answer_logits(PROMPT, past)):
                torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(theirs, plain, atol=1e-2)
    torch.testing.assert_close(decoder.answer_logits(PROMPT, past), plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_prompt_of_one_token_has_an_empty_prefix(decoder):
    prompt = PROMPT[:, :1]
    past = decoder.prefix(prompt)
    for _ in range(2):
        torch.testing.assert_close(decoder.answer_logits(prompt, past), decoder.answer_logits(prompt))


@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize("name", ["embed", "attn_out", "mlp_out"])
def test_gradients_flow_through_what_is_captured(decoder, name, positions):
    """The derivative along a direction is what a small step in that direction does."""
    site = Site(name, None if name == "embed" else 0)
    score = lambda: decoder.answer_logits(PROMPT)[:, NUMBERS].sum()  # noqa: E731
    with capture(decoder, [site], positions, detach=False) as seen:
        (gradient,) = torch.autograd.grad(score(), seen[site])
    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ends = []
        for step in (5e-4, -5e-4):
            with intervene(decoder, {site: lambda x, step=step: x + step * direction}, positions):
                ends.append(score())
    assert (gradient * direction).sum().item() == pytest.approx(((ends[0] - ends[1]) / 1e-3).item(), rel=2e-2, abs=0.2)
    with capture(decoder, [site]) as seen:
        score()
    assert not seen[site].requires_grad


def test_gemmas_bend_of_the_logits_is_undone():
    decoder, flat = Decoder(tiny_model("gemma2")), Decoder(tiny_model("gemma2", final_logit_softcapping=None))
    with torch.no_grad():
        bent, straight = decoder.answer_logits(PROMPT), flat.answer_logits(PROMPT)
    torch.testing.assert_close(decoder.uncapped(bent), straight, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(bent, straight, atol=0.01) and flat.uncapped(straight) is straight
    torch.testing.assert_close(decoder.capped(straight), bent)
    assert decoder.uncapped(torch.tensor([5.0, -5.0])).isfinite().all()  # flattened: large, not infinite


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "falcon",
            {},
            "model_type=falcon: they add the residual stream inside their modules",
        ),
        ("bloom", {}, "model_type=bloom: they add the residual stream inside their modules"),
        ("mamba", {}, "model_type=mamba: no architecture 'mamba' is known here; use one of gpt2, gpt_neo"),
        (
            "opt",
            {"word_embed_proj_dim": 16},
            "model_type=opt: its embeddings are projected",
        ),
        (
            "opt",
            {"do_layer_norm_before": False},
            "model_type=opt: its norms come after",
        ),
    ],
)
def test_what_can_not_be_taken_apart_is_refused_in_one_line(name, settings, message):
    with pytest.raises(ConfigError) as error:
        Decoder(SimpleNamespace(config=AutoConfig.for_model(name, **settings)))
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
