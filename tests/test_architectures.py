"""Every arm of every architecture, from a model directory: built, saved, trained for two steps, and its errors."""

from functools import cache

import pytest
import torch
from transformers import AutoConfig

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.arms import ModelSettings, initialise, network_config, parameter_table
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.models.exported import check_model, write_model
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.models.sizes import sized_config
from fourier_lightning.optim import OptimizerSettings, build_optimizer
from fourier_lightning.record.runs import read_run
from fourier_lightning.run import prepare
from tests.conftest import train
from tests.tiny_models import SIZES, TIED, tiny_model

BODY = {"name": "", "n_layer": 3, "width": 16, "n_head": 2, "body": "random", "dropout": 0.0}
ARMS = {
    "fine-tuned": (
        {"name": "", "body": "pretrained", "dropout": 0.0},
        {"source": "pretrained", "freeze": False, "positions": "pretrained"},
    ),
    "scratch": (BODY, {"source": "random", "freeze": False}),
    "scratch, the backbone's table": (BODY, {"source": "pretrained", "freeze": True, "centre": True, "scale": 0.05}),
}


@pytest.fixture(scope="module", params=SIZES)
def local(request, tmp_path_factory, tokenizer):
    """A tiny random model of an architecture, saved with the embedded backbone's tokenizer."""
    where = tmp_path_factory.mktemp("local")
    net = tiny_model(request.param, vocab_size=len(tokenizer), tie_word_embeddings=request.param in TIED)
    net.save_pretrained(where)
    tokenizer.save_pretrained(where)
    return Backbone(request.param, str(where))


@cache
def data(vocabulary="compact"):
    """The embedded backbone's tokenizer gives all of them the same."""
    return prepare(load_config(["data.max_operand=20", f"data.vocabulary={vocabulary}"])).data


def build(backbone, arm, vocabulary="compact", **changes):
    """The model of an arm with its starting weights, and its data. An untied backbone's head stays its own."""
    model, table = (dict(settings) for settings in ARMS[arm])
    tie = {"tie": backbone.name in TIED} if model["body"] == "pretrained" else {}
    model, table = ModelSettings(**model), EmbeddingSettings(**{**table, **tie, **changes})
    words = data(vocabulary).vocabulary
    torch.manual_seed(0)
    module = AdditionModule(
        network=network_config(backbone, model, table, len(words), 8).to_dict(),
        token_ids=words.token_ids.tolist(),
        numbers=words.numbers.tolist(),
        optimizer={"name": "muon", "lr": 1e-2},
        freeze_table=table.freeze,
    )
    initialise(module.decoder, backbone, words, model, table, seed=0)
    return module.eval()


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_trains_and_comes_back_from_its_plain_values(local, arm):
    module, group = build(local, arm), data().examples("train")[0]
    decoder, batch = module.decoder, {"prompt": group.prompt[:40], "answer": group.answer[:40]}
    twin = AdditionModule(**module.hparams)  # what load_from_checkpoint does
    twin.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert twin.eval()(batch["prompt"]).equal(module(batch["prompt"]))
    before, losses = {name: weight.detach().clone() for name, weight in module.net.named_parameters()}, []
    optimizer = build_optimizer(module.net, decoder.blocks, OptimizerSettings("muon", lr=1e-2))
    for _ in range(3):
        optimizer.zero_grad()
        loss, logits = module.train().loss_and_logits(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and logits.shape == (40, len(data().vocabulary))
    still = {name for name, weight in module.net.named_parameters() if weight.equal(before[name])}
    table = {name for name, weight in module.net.named_parameters() if weight is decoder.table.weight}
    assert (table <= still) == (arm == "scratch, the backbone's table")
    blocks = {name for name in before if name.startswith(decoder.architecture.blocks)}
    matrices = {name for name in blocks if before[name].ndim == 2}
    assert matrices.isdisjoint(still) and {id(p) for p in optimizer.param_groups[0]["params"]} == {
        id(p) for name, p in module.net.named_parameters() if name in matrices
    }
    assert sum(row["parameters"] for row in parameter_table(decoder)) == sum(map(torch.numel, module.net.parameters()))
    if arm != "fine-tuned":
        assert (decoder.width, decoder.n_layer, decoder.tied) == (16, 3, True)


@pytest.mark.parametrize("vocabulary", ["compact", "full"])
def test_the_fine_tuned_arm_starts_as_the_backbone_whatever_the_vocabulary(local, vocabulary):
    module, ids = build(local, "fine-tuned", vocabulary), data(vocabulary).vocabulary.token_ids
    prompt = data(vocabulary).examples("val")[0].prompt[:20]
    with torch.no_grad():
        theirs = Decoder(local.load().eval()).answer_logits(ids[prompt])[:, ids]
        torch.testing.assert_close(module(prompt), theirs, atol=1e-4, rtol=1e-4)


def test_random_bodies_are_the_same_whatever_the_table_and_the_vocabulary(local):
    arms = [build(local, arm, v) for arm in list(ARMS)[1:] for v in ("compact", "full")]
    for same in zip(*(module.decoder.blocks.parameters() for module in arms), strict=True):
        assert all(weight.equal(same[0]) for weight in same)


def test_a_pretrained_body_under_a_table_that_is_not_its_own_is_refused(local):
    if local.name not in TIED:
        with pytest.raises(ConfigError, match=r"^embedding.tie=true: the backbone's unembedding is a table of its own"):
            build(local, "fine-tuned", tie=True)
    plain = build(local, "fine-tuned")
    if plain.decoder.positions is None:
        with pytest.raises(ConfigError, match=r"^embedding.centre=true: .* has no table of positions"):
            build(local, "fine-tuned", centre=True)
        return
    moved, prompt = build(local, "fine-tuned", centre=True), torch.arange(20).reshape(5, 4)
    assert not moved.decoder.table.weight.equal(plain.decoder.table.weight)
    with torch.no_grad():  # the mean moved into the positions
        a, b = (module(prompt).log_softmax(-1) for module in (plain, moved))
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("local", ["gpt_neox"], indirect=True)
def test_a_whole_run_from_a_directory(local, tiny, tmp_path):
    options = ["backbone=local", f"backbone.path={local.path}", "logger=none", "trainer.max_epochs=1"]
    sizes = [f"model.{name}=null" for name in ("n_layer", "width", "n_head")]
    result = train(tiny(*options, "model=pretrained", *sizes, "embedding.tie=false"))
    trained, checkpoint = result.module, tmp_path / "checkpoints" / "last.ckpt"
    again = AdditionModule.load_from_checkpoint(checkpoint, weights_only=True)
    for name, weight in trained.net.state_dict().items():
        assert again.net.state_dict()[name].equal(weight), name
    assert result.metrics["train/loss"] > 0 and read_run(tmp_path).table("lens_accuracy")


@pytest.mark.parametrize("vocabulary", ["compact", "full"])
def test_every_arm_is_exported_and_read_back(local, vocabulary, tmp_path):
    for number, arm in enumerate(ARMS):
        module, where = build(local, arm, vocabulary).eval(), tmp_path / str(number)
        write_model(module, data(vocabulary), where)
        if local.name == "qwen2":  # transformers reads any tokenizer beside a Qwen 2 as Qwen 2's own
            with pytest.raises(ConfigError, match=r"^tokenizer: AutoTokenizer gives every qwen2 model"):
                check_model(module, data(vocabulary), where)
        else:
            assert check_model(module, data(vocabulary), where).keys() == {"val/accuracy", "test/accuracy"}
            config = AutoConfig.from_pretrained(where)
            assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (None, None, None)


def saved(tmp_path, name, **settings):
    tiny_model(name, **settings).config.save_pretrained(tmp_path)
    return Backbone(name, str(tmp_path))


@pytest.mark.parametrize(
    ("name", "settings", "sizes", "message"),
    [
        ("mistral", {}, (None, 32, 5), "model.width=32: not divisible by model.n_head=5"),
        ("mistral", {"num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8}, (None, 35, 5),
         "model.n_head=5: 2 key and value heads"),
        ("mistral", {}, (None, 36, 12), "model.n_head=12: heads of 3 dimensions, of which positions rotate 3"),
        ("gpt_neox", {}, (None, 32, 16), "model.n_head=16: heads of 2 dimensions, of which positions rotate 0"),
    ],
)  # fmt: skip
def test_sizes_that_can_not_be_name_their_setting(tmp_path, name, settings, sizes, message):
    with pytest.raises(ConfigError) as error:
        sized_config(saved(tmp_path, name, **settings), *sizes, dropout=0.0, tie=True, vocabulary_size=9)
    assert str(error.value).startswith(message)


def test_what_goes_with_the_width_the_heads_and_the_depth(tmp_path):
    config = sized_config(saved(tmp_path, "gemma2"), 5, 64, 8, dropout=0.1, tie=True, vocabulary_size=9)
    assert (config.intermediate_size, config.num_key_value_heads, config.head_dim) == (96, 4, 8)
    assert config.layer_types == ["sliding_attention", "full_attention"] * 2 + ["sliding_attention"]
    assert config.attention_dropout == 0.1
    same = sized_config(saved(tmp_path, "gemma2"), None, None, None, dropout=0.0, tie=True, vocabulary_size=9)
    assert (same.intermediate_size, same.head_dim, same.query_pre_attn_scalar) == (48, 8, 256)
