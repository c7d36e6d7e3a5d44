"""What tokenizer, table, weights and config.json say of each other is checked before a run writes anything."""

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from fourier_lightning.config import load_config
from fourier_lightning.parts import prepare
from tests.bad_input import SMALL, elsewhere, refusal, run_with, told
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import KINDS

__all__ = ["elsewhere"]  # a fixture
LOCAL = ("backbone=local", "backbone.path=model", *SMALL)
SAVED = "give a directory that save_pretrained wrote"


def saved(kind: str = "words of GPT-2", rows: int | None = None) -> Path:
    """The directory ``model`` of a tiny random model beside a tokenizer of this kind."""
    shutil.rmtree("model", ignore_errors=True)
    tokenizer = KINDS[kind]()
    tokenizer.save_pretrained("model")
    sizes = {"vocab_size": len(tokenizer) if rows is None else rows, "max_position_embeddings": 32}
    tiny_model("gpt2", **sizes).save_pretrained("model")
    return Path("model")


def said_of(where: Path, *base: str, **settings: object) -> str | None:
    """What a run with the directory is told before it begins."""
    given = {"backbone.path": str(where), "model.width": None, "model.n_layer": None, "model.n_head": None}
    return refusal(run_with((*LOCAL, *base), {**given, **settings}), ("model",))


def with_weights(where: Path, change) -> Path:
    """The directory with its tensors changed in place."""
    tensors = load_file(where / "model.safetensors")
    change(tensors)
    save_file({name: one.contiguous() for name, one in tensors.items()}, where / "model.safetensors", {"format": "pt"})
    return where


def with_config(where: Path, **changes: object) -> Path:
    config = json.loads((where / "config.json").read_text())
    (where / "config.json").write_text(json.dumps({**config, **changes}))
    return where


@pytest.mark.parametrize("kind", ["numbers after a space", "a space before the text", "words of GPT-2"])
@pytest.mark.parametrize("model", ["scratch_pretrained_emb", "pretrained"])
def test_tokenizers_whose_numbers_are_whole_are_taken(elsewhere, kind, model):
    style = "space" if kind == "numbers after a space" else "bare"
    base = (f"model={model}", f"data.number_style={style}", "data.templates=[total]")
    assert said_of(saved(kind), *base) is None


def test_a_tokenizer_with_tokens_that_the_table_has_no_rows_for(elsewhere, record_property):
    where = saved(rows=110)
    line = said_of(where)
    assert line.startswith("backbone.path=model: its tokenizer's '") and "its table has 110 rows (vocab_size)" in line
    # and with one whose numbers have rows, though its other tokens have none
    tokens = len(KINDS["words of GPT-2"]())
    assert said_of(saved(rows=tokens - 50)) is None
    told(record_property, 1)


def nan_in_a_row(tensors):
    tensors["transformer.wte.weight"][95:200, 3] = torch.nan


def one_row(tensors):
    tensors["transformer.wte.weight"][:] = 0.5


def eight_bits(tensors):
    name = "transformer.h.0.mlp.c_fc.weight"
    tensors[name] = tensors[name].to(torch.int8)


def head_of_its_own(tensors):
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"] + 1


def without_a_weight(tensors):
    del tensors["transformer.h.1.attn.c_proj.weight"]


def of_another_width(tensors):
    tensors["transformer.h.1.mlp.c_fc.weight"] = torch.zeros(32, 64)


WEIGHTS = {
    nan_in_a_row: "its token table has NaN or infinity in the rows of numbers; give a model whose weights are finite",
    one_row: "its token table has the same row for every number; give a trained model",
    eight_bits: "its weights are quantised (transformer.h.0.mlp.c_fc.weight is stored in I8); give the directory of",
    head_of_its_own: "its file has an unembedding of its own (lm_head.weight), and its config.json ties it to the",
    without_a_weight: f"its file lacks 1 weights of the model (transformer.h.1.attn.c_proj.weight); {SAVED}",
    of_another_width: "transformer.h.1.mlp.c_fc.weight is (32, 64) in its file, and (32, 128) by its config.json",
}
CONFIGS = {
    "n_layer=1": "its file has 11 weights that its config.json leaves out (transformer.h.1.",
    "n_layer=3": "its file lacks 12 weights of the model (transformer.h.2.",
    "n_layer=1000": "its config.json says num_hidden_layers=1000, and its files have 28 tensors",
    "n_embd=64": "transformer.h.0.attn.c_attn.bias is (96,) in its file, and (192,) by its config.json",
    "n_positions=8": "transformer.wpe.weight is (32, 32) in its file, and (8, 32) by its config.json",
    "n_positions=100000000": "its config.json describes 3.2e+09 weights, and its files have",
    'quantization_config={"quant_method":"gptq"}': "its weights are quantised (gptq, quantization_config in its config",
}


@pytest.mark.parametrize("change", WEIGHTS, ids=lambda change: change.__name__)
def test_weights_that_are_not_those_of_their_configuration(elsewhere, record_property, change):
    line = said_of(with_weights(saved(), change))
    assert line is not None and line.startswith(f"backbone.path=model: {WEIGHTS[change]}"), line
    told(record_property, 1)


@pytest.mark.parametrize("change", CONFIGS)
def test_a_configuration_that_is_not_that_of_its_weights(elsewhere, record_property, change):
    key, _, value = change.partition("=")
    line = said_of(with_config(saved(), **{key: json.loads(value)}), "model=pretrained")
    assert line is not None and line.startswith(f"backbone.path=model: {CONFIGS[change]}"), line
    told(record_property, 1)


def test_adapters_pickles_and_no_weights(elsewhere, record_property):
    where = saved()
    (where / "adapter_config.json").write_text("{}")
    assert said_of(where).startswith("backbone.path=model: holds an adapter (adapter_config.json) beside the model; me")
    (where / "model.safetensors").rename(where / "pytorch_model.bin")
    (where / "adapter_config.json").unlink()
    assert said_of(where).startswith("backbone.path=model: its weights are no safetensors but pytorch_model.bin, and")
    (where / "pytorch_model.bin").unlink()
    assert said_of(where).startswith("backbone.path=model: holds no weights (*.safetensors); ")
    (where / "config.json").rename(where / "adapter_config.json")
    assert said_of(where).startswith("backbone.path=model: holds an adapter alone (adapter_config.json); merge it")
    told(record_property, 4)


def test_an_encoder_is_checked_too(elsewhere, record_property):
    where, tokenizer = Path("model"), KINDS["words of GPT-2"]()
    tokenizer.save_pretrained(where)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(where)
    options = ("model=pretrained", "fit=false", "instruments=embedding_spectrum")
    assert said_of(where, *options) is None
    with_weights(where, lambda tensors: tensors["embeddings.word_embeddings.weight"].fill_(1.0))
    assert said_of(where, *options).startswith("backbone.path=model: its token table has the same row for every number")
    told(record_property, 1)


def test_a_random_arm_needs_no_weights(elsewhere):
    where = saved()
    (where / "model.safetensors").unlink()
    assert said_of(where, "model=scratch") is None


def test_code_of_a_models_own_is_left_out_and_said_so(elsewhere):
    where = with_config(saved(), auto_map={"AutoModelForCausalLM": "theirs.Theirs"})
    options = ["backbone=local", f"backbone.path={where}", *SMALL, "logger=none"]
    (note,) = [note for note in prepare(load_config(options, "run")).notes if "auto_map" in note]
    assert note.endswith("names code of its own (auto_map): it is not run, transformers' gpt2 is used instead")


def damaged(tensors: dict[str, torch.Tensor], draw: random.Random) -> None:
    """One weight lost, cut, of another type, or numbers that are none in the rows that are read."""
    name = draw.choice(sorted(tensors))
    how = draw.choice(["lost", "cut", "integers", "no numbers"])
    if how == "lost":
        del tensors[name]
    elif how == "cut":
        tensors[name] = tensors[name][: draw.randrange(len(tensors[name]))]
    elif how == "integers":
        name = draw.choice([name for name in sorted(tensors) if name.endswith(".weight")])
        tensors[name] = tensors[name].to(draw.choice([torch.int8, torch.uint8, torch.int32]))
    else:
        table = tensors["transformer.wte.weight"]
        table[:, draw.randrange(table.shape[1])] = draw.choice([torch.nan, torch.inf, -torch.inf])


def test_files_with_one_fault_each(elsewhere, record_property):
    draw, good = random.Random(0), saved()
    whole = load_file(good / "model.safetensors")
    for _ in range(60):
        tensors = {name: one.clone() for name, one in whole.items()}
        damaged(tensors, draw)
        save_file({n: one.contiguous() for n, one in tensors.items()}, good / "model.safetensors", {"format": "pt"})
        line = said_of(good, draw.choice(["model=pretrained", "model=scratch_pretrained_emb"]))
        assert line is not None and line.startswith("backbone.path=model: "), line
    told(record_property, 60)
