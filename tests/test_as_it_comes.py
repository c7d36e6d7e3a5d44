"""A backbone measured as it comes, from a directory, in any precision; encoders, of which the table alone is read."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments import layer_spectrum
from fourier_lightning.models.architectures import ENCODERS
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import capture
from fourier_lightning.parts import prepare
from fourier_lightning.record.runs import find_runs, read_run
from fourier_lightning.run import build_module
from tests.conftest import train
from tests.tiny_models import SIZES, TIED, tiny_model

SMALL = ["fit=false", "logger=none", "data.max_operand=20", "trainer.accelerator=cpu", "test=false"]
LOOK = ["instruments=[logit_lens]"]


@pytest.fixture(scope="module", params=SIZES)
def saved(request, tmp_path_factory, tokenizer):
    """A tiny random model, saved in bfloat16 with the embedded backbone's tokenizer."""
    where = tmp_path_factory.mktemp(request.param)
    net = tiny_model(request.param, vocab_size=len(tokenizer), tie_word_embeddings=request.param in TIED)
    net.to(torch.bfloat16).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return request.param, where


def settings(where, *more):
    return [*SMALL, "backbone=local", f"backbone.path={where}", *more]


def test_every_architecture_is_itself_in_half_precision(saved):
    """No choice of a model is the backbone's: its blocks, its rows, its own head; the number logits in float32."""
    name, where = saved
    theirs = Decoder(Backbone(name, str(where)).load().eval())
    coarse = {"bfloat16": 8e-2, "float16": 2e-2, "float32": 1e-5}  # of the others: tests/test_architectures.py
    for dtype in coarse if name in ("gpt2", "gemma2") else ("bfloat16",):
        parts = prepare(load_config(settings(where, *LOOK, f"backbone.dtype={dtype}")))
        decoder, ids = build_module(parts, seed=0).eval().decoder, parts.data.vocabulary.token_ids
        prompt = parts.data.examples("val")[0].prompt[:20]
        with torch.no_grad(), capture(decoder, [*decoder.contributions(), decoder.final]) as seen:
            ours, wanted = decoder.answer_logits(prompt), theirs.answer_logits(ids[prompt])[:, ids]
        assert decoder.dtype == seen[decoder.contributions()[1]].dtype == getattr(torch, dtype)
        assert ours.dtype == decoder.table.weight.dtype == decoder.norm.weight.dtype == torch.float32
        assert decoder.table.weight.equal(theirs.table.weight[ids]) and decoder.tied == (name in TIED)
        assert (ours - wanted).abs().max() < coarse[dtype] * wanted.abs().max()
        added, final = sum(seen[site].double() for site in decoder.contributions()), seen[decoder.final]
        assert (added - final).abs().max() < coarse[dtype] * final.abs().max()


def test_it_runs_from_the_command_line(saved, command_line, tmp_path):
    _, where = saved
    done = command_line(*settings(where, *LOOK, "backbone.dtype=auto"), f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 0, done.err
    assert "local as it comes" in done.out and "bfloat16" in done.out
    run = read_run(tmp_path / "run")
    assert run.arm.as_is and len(run.table("lens_accuracy")) == 5


@pytest.fixture(scope="module")
def gpt_neox(tmp_path_factory, tokenizer):
    where = tmp_path_factory.mktemp("gpt_neox")
    net = tiny_model("gpt_neox", vocab_size=len(tokenizer), tie_word_embeddings=False)
    net.save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where


def test_all_instruments_see_in_half_precision_what_they_see_in_float32(gpt_neox, tmp_path):
    few = ["filter.draws=2", "callbacks.knock_out.components=[1,5]", "data.max_operand=11"]
    tables = {}
    for dtype in ("float32", "bfloat16"):
        train(load_config(settings(gpt_neox, *few, f"backbone.dtype={dtype}"), tmp_path / dtype))
        run = read_run(tmp_path / dtype)
        tables[dtype] = {path.stem: run.table(path.stem) for path in (tmp_path / dtype / "record/tables").iterdir()}
    assert tables["float32"].keys() == tables["bfloat16"].keys() and len(tables["float32"]) == 17
    full, half = (tables[dtype]["filter_ablation"] for dtype in ("float32", "bfloat16"))
    for one, other in zip(full, half, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.02)
    rows = [tables[dtype]["embedding_periods"] for dtype in tables]
    assert [row["power"] for row in rows[0]] == [row["power"] for row in rows[1]]  # rows are in float32 in both


def test_sums_that_are_too_many_are_taken_in_several_passes(gpt_neox, tmp_path, monkeypatch):
    look = ["instruments=[layer_spectrum]"]
    train(load_config(settings(gpt_neox, *look), tmp_path / "one"))
    monkeypatch.setattr(layer_spectrum, "MOST", 3 * 8 * 32**2)  # three of the four modules' sums
    train(load_config(settings(gpt_neox, *look), tmp_path / "two"))
    one, two = read_run(tmp_path / "one"), read_run(tmp_path / "two")
    assert one.table("layer_periods") == two.table("layer_periods") and len(one.table("layer_periods")) > 4
    assert (one.array("layer_component_mlp_limit") == two.array("layer_component_mlp_limit")).all()


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["fit=true", "backbone.dtype=bfloat16"], "backbone.dtype=bfloat16: half-precision weights lose small updates"),
        (["backbone.dtype=float16", "model=scratch"], "backbone.dtype=float16: it is of a backbone that is measured"),
        (["backbone.dtype=int8"], "backbone.dtype=int8: str is not allowed here; use one of float32, bfloat16"),
        (["embedding.tie=true", "model=pretrained"], "embedding.tie=true: the backbone's unembedding is a table of"),
        (["trainer.precision=bf16-true"], "trainer.precision=bf16-true: half-precision weights lose small updates"),
        (["model.n_layer=3", "model=pretrained"], "model.n_layer=3: a pretrained body has the backbone's sizes"),
        (["data.min_operand=auto"], "data.min_operand=auto: not a size that can be chosen; use a number, or data.max"),
        (["data.max_operand=auto", "data.templates=[foo]"], "data.templates=['foo']: not templates: ['foo']; choose"),
        (["data.max_operand=300"], "data.number_style=bare: 14 of the answers 0..600 are not single tokens"),
    ],
)
def test_what_can_not_be_is_one_line(gpt_neox, command_line, tmp_path, overrides, line):
    done = command_line(*settings(gpt_neox, *LOOK), *overrides, f"hydra.run.dir={tmp_path / 'run'}")
    assert (done.code, done.err.count("\n")) == (2, 1) and not (tmp_path / "run").exists()
    assert done.err.startswith(f"error: {line}")


def test_a_choice_of_a_model_is_kept():
    assert load_config(["fit=false"]).model.body == "pretrained"
    for choice in ("model=scratch", "model.n_layer=1", "embedding=shuffled_rows", "size=small", "experiment=quick"):
        assert load_config(["fit=false", choice]).model.body == "random", choice


@pytest.fixture(scope="module", params=["roberta", "bert", "electra", "modernbert"])
def encoder(request, tmp_path_factory, tokenizer):
    where = tmp_path_factory.mktemp(request.param)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    sizes |= {"embedding_size": 16} if request.param == "electra" else {}
    config = AutoConfig.for_model(request.param, **sizes, vocab_size=len(tokenizer), pad_token_id=0)
    net = AutoModelForMaskedLM.from_config(config)
    net.save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where, net.get_input_embeddings().weight.detach()


def test_an_encoders_rows_are_looked_at_and_judged(encoder, command_line, command, tmp_path, tokenizer):
    where, table = encoder
    options = [*settings(where, "instruments=embedding_spectrum"), f"hydra.run.dir={tmp_path / 'run'}"]
    done = command_line(*options)
    assert done.code == 0, done.err
    assert "local is an encoder" in done.out and "accuracy" not in done.out
    run = read_run(tmp_path / "run")
    ids = tokenizer([str(n) for n in range(41)], add_special_tokens=False)["input_ids"]
    assert torch.tensor(run.array("number_embedding")).equal(table[torch.tensor(ids).flatten()])
    claim = next(one for one in CLAIMS if one.name == "other_embeddings")
    (verdict,) = judge(claim, find_runs([tmp_path]))
    assert verdict.outcome == "not here" and verdict.model == "pretrained, as it is (local)"  # random rows
    assert command("report", tmp_path, "--output", tmp_path / "report.html").code == 0


def test_what_an_encoder_can_not_be_asked_is_one_line(encoder, command_line):
    where, _ = encoder
    for more, word in (
        (["instruments=default"], "callbacks.layer_spectrum: local is an encoder: there is no position"),
        (["fit=true"], f"backbone.path={where}: an encoder: it predicts no next token; use fit=false"),
        (["model=scratch_pretrained_emb"], f"backbone.path={where}: an encoder: it predicts no next token"),
    ):
        done = command_line(*settings(where, *more))
        assert (done.code, done.err.count("\n")) == (2, 1) and done.err.startswith(f"error: {word}")


def test_without_their_weights_the_claim_says_which_command_gets_them():
    claim = next(one for one in CLAIMS if one.name == "other_embeddings")
    (verdict,) = judge(claim, [])
    assert verdict.outcome == "not measured" and "train.py fit=false backbone=roberta" in verdict.why
    with pytest.raises(ConfigError, match="an encoder"):
        Decoder(type("Net", (), {"config": AutoConfig.for_model(ENCODERS[0])})())
