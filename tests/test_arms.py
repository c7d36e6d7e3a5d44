"""The arms, the compact vocabulary, and the short forward pass against Hugging Face's own."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.arms import ModelSettings, parameter_table
from fourier_lightning.models.gpt2_fast import answer_logits
from fourier_lightning.models.sizes import FUSED
from fourier_lightning.run import build_module, prepare
from tests.conftest import train


def build(*overrides):
    narrow = [] if "model=pretrained" in overrides else ["size=small"]
    cfg = load_config(["data.max_operand=260", *narrow, *overrides])
    parts = prepare(cfg)
    return build_module(parts, cfg.seed), parts


@pytest.mark.parametrize("length", [1, 4, 11])
@pytest.mark.parametrize("n_layer", [1, 3])
def test_short_forward_pass_equals_hugging_faces(length, n_layer):
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=50, n_embd=24, n_layer=n_layer, n_head=3, bos_token_id=0, eos_token_id=0)
    net = GPT2LMHeadModel(shape).eval()
    for p in net.parameters():  # away from the near-linear initialisation
        p.data += 0.2 * torch.randn_like(p)
    prompt = torch.randint(50, (5, length))
    ours, theirs = answer_logits(net, prompt), net(prompt).logits[:, -1]
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    weights = torch.randn_like(ours)
    grads = [torch.autograd.grad((x * weights).sum(), list(net.parameters())) for x in (ours, theirs)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_short_forward_pass_on_the_real_backbone_and_its_hooks(pretrained):
    prompt = torch.randint(2000, (3, 8), generator=torch.Generator().manual_seed(0))
    fired = []
    sites = [m for b in pretrained.transformer.h for m in (b.attn.resid_dropout, b.mlp)] + [pretrained.transformer.drop]
    handles = [site.register_forward_hook(lambda *_: fired.append(1)) for site in sites]
    with torch.no_grad():
        ours = answer_logits(pretrained, prompt)
    for handle in handles:
        handle.remove()
    assert len(fired) == len(sites) == 9
    torch.testing.assert_close(ours, pretrained(prompt).logits[:, -1], atol=1e-4, rtol=1e-4)


def test_the_fused_activation_is_gpt2s_function():
    from transformers.activations import ACT2FN

    x = torch.linspace(-8, 8, 4001)
    for name, fused in FUSED.items():
        torch.testing.assert_close(ACT2FN[fused](x), ACT2FN[name](x), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_training_in_bf16_keeps_weights_in_float32(tmp_path, optimizer):
    from tests.conftest import TINY

    precision = ["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1.0"]
    cfg = load_config([*TINY, *precision, f"optimizer={optimizer}", "logger=none"], tmp_path)
    result = train(cfg)
    assert {p.dtype for p in result.module.parameters()} == {torch.float32}
    assert result.metrics["train/loss"] < 4


def test_dropout_is_on_in_training_and_off_in_evaluation():
    module, _ = build("model.dropout=0.5")
    prompt = torch.tensor([[1, 521, 2, 522]]).repeat(8, 1)
    assert module.train()(prompt).std(0).max() > 0  # equal prompts, different masks
    assert module.eval()(prompt).std(0).max() == 0


@pytest.mark.parametrize("model", ["pretrained", "scratch_pretrained_emb"])
@pytest.mark.parametrize("data", ["format", "addition"])
def test_compact_and_full_vocabulary_give_the_same_logits_on_the_same_rows(model, data):
    options = [f"model={model}", f"data={data}", "embedding.centre=true"]
    compact, compact_parts = build(*options)
    full, full_parts = build(*options, "data.vocabulary=full")
    assert len(full_parts.data.vocabulary) == 2224 > len(compact_parts.data.vocabulary)
    for ours, theirs in zip(compact_parts.data.examples("val"), full_parts.data.examples("val"), strict=True):
        with torch.no_grad():
            a = compact.eval()(ours.prompt[:50])
            b = full.eval()(theirs.prompt[:50])[:, compact.token_ids]
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_pretrained_arm_is_the_backbone(pretrained):
    module, _ = build("model=pretrained", "data.vocabulary=full")
    for name, weight in pretrained.state_dict().items():
        assert module.net.state_dict()[name].equal(weight), name
    assert all(p.requires_grad for p in module.net.parameters())


def test_what_trains_is_counted_once():
    module, _ = build()
    rows = {row["part"]: (row["parameters"], row["trainable"]) for row in parameter_table(module.decoder)}
    assert rows["wte"] == (523 * 128, 0)
    assert "lm_head" not in rows  # tied
    assert sum(n for n, _ in rows.values()) == sum(p.numel() for p in module.net.parameters())
    assert rows["h"][0] == rows["h"][1] > 0


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["model.width=129"], "model.width=129: not divisible by model.n_head=2"),
        (["embedding.rank=129"], "embedding.rank=129: the stream has 128 dimensions"),
        (["embedding.rank=390", "model.width=400"], "embedding.rank=390: the stream has 400 dimensions, and the pre"),
        (["model=pretrained", "embedding.rank=99"], "embedding.rank=99: a pretrained body reads the table as it is"),
        (["model.n_layer=0"], "model.n_layer=0"),
        (["model.dropout=1.0"], "model.dropout=1.0"),
        (["model=pretrained", "model.n_layer=3"], "model.n_layer=3: a pretrained body"),
    ],
)
def test_impossible_sizes_name_their_key(overrides, key):
    with pytest.raises(ConfigError) as error:
        prepare(load_config([*([] if "model=pretrained" in overrides else ["size=small"]), *overrides]))
    assert str(error.value).startswith(key)


def test_a_scratch_model_may_be_wider_than_the_backbone():
    module, _ = build("model=scratch", "model.width=512", "model.n_head=8")
    assert module.net.config.n_embd == 512
    assert ModelSettings(name="x", body="random", width=512).width == 512
