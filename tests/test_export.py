"""``fourier-lightning export``: any trained arm, read back by transformers, and by this package as a backbone."""

import json
import shutil
from pathlib import Path
from typing import ClassVar
from unittest.mock import Mock

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from fourier_lightning.config import load_config
from fourier_lightning.data.addition import Addition
from fourier_lightning.data.audit import number_tokens
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.exported import batches, check_texts, full_tokenizer, write_model
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.record.runs import read_run
from tests.conftest import TINY, train
from tests.tiny_models import tiny_model

SHORT = [*TINY, "instruments=none", "logger=none", "trainer.max_epochs=1"]
BACKBONE_SIZES = ["model.n_layer=null", "model.width=null"]
SENTENCES = ["data=addition", "data.templates=[total,put]"]
ARMS = {
    "the backbone's table": [],
    "another width and rank": ["model.width=24", "model.n_head=3", "embedding.rank=8"],
    "scratch, untied": ["model=scratch", "embedding.tie=false", *SENTENCES],
    "answers with a space": ["data.number_style=space", *SENTENCES],
    "all tokens": ["data.vocabulary=full"],
    "fine-tuned": ["model=pretrained", *BACKBONE_SIZES, "embedding.centre=true", "data.train_fraction=0.1"],
    "another task": ["data=three_operands", "data.max_operand=6", "data.templates=[format,calculate]"],
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return train(load_config(SHORT, tmp_path_factory.mktemp("run"))).run_dir


def read(where):
    return AutoTokenizer.from_pretrained(where), AutoModelForCausalLM.from_pretrained(where)


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_comes_back_as_it_was(arm, command, tmp_path):
    settings = [*SHORT, *ARMS[arm]]
    result, out = train(load_config(settings, tmp_path / "run")), tmp_path / "out"
    done = command("export", tmp_path / "run", "--output", out)
    assert done.code == 0, done.err
    assert f"test/accuracy {result.metrics['test/accuracy']:.4f}, read back" in done.out
    assert not list(tmp_path.glob(".out*"))

    module = AdditionModule.load_from_checkpoint(tmp_path / "run/checkpoints/last.ckpt", weights_only=True).eval()
    tokenizer, net = read(out)
    assert [tokenizer.decode([row]).strip() for row in module.numbers.tolist()] == [
        str(n) for n in range(result.data.p)
    ]
    for split in ("train", "val", "test"):
        texts, _ = result.data.texts(result.data.split[split])
        shown = [row for group in result.data.examples(split) for row in group.prompt.tolist()]
        assert sorted(tokenizer(texts)["input_ids"]) == sorted(shown)
    for texts, _ in batches(result.data, "test"):
        prompts = tokenizer(texts, return_tensors="pt")
        with torch.inference_mode():
            here, there = module(prompts["input_ids"]), net(**prompts).logits[:, -1]
        largest = float(here.abs().max())  # in whose last digits our short pass and transformers' may differ
        torch.testing.assert_close(there[:, : here.shape[1]], here, rtol=0, atol=1e-5 * max(1.0, largest))
        assert there.argmax(dim=1).equal(here.argmax(dim=1))
    said = net.generate(**prompts, max_new_tokens=1, do_sample=False)
    assert said[:, -1].equal(here.argmax(dim=1))


@pytest.mark.parametrize("arm", ["the backbone's table", "answers with a space", "all tokens"])
def test_a_directory_is_a_backbone(arm, command, tmp_path):
    settings = [*SHORT, *ARMS[arm]]
    before = train(load_config(settings, tmp_path / "run")).metrics
    assert command("export", tmp_path / "run", "--output", tmp_path / "out").code == 0
    data = [
        one
        for one in settings
        if one.startswith("data") or one.startswith(("logger", "instruments", "trainer.acc", "~"))
    ]
    local = ["fit=false", "backbone=local", f"backbone.path={tmp_path / 'out'}"]
    again = train(load_config([*local, *data], tmp_path / "again")).metrics
    for name in ("test/accuracy", "test/loss", "val/mae"):
        assert again[name] == pytest.approx(before[name], rel=1e-5)


def test_another_architecture(command, tmp_path, tokenizer):
    tiny_model("llama", vocab_size=len(tokenizer)).save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    local = ["backbone=local", f"backbone.path={tmp_path / 'llama'}", "model=pretrained", "embedding.tie=false"]
    train(load_config([*SHORT, *local, *BACKBONE_SIZES, "model.n_head=null"], tmp_path / "run"))
    shutil.move(tmp_path / "llama", tmp_path / "moved")
    done = command("export", tmp_path / "run", "--output", tmp_path / "out")
    assert done.code == 2 and "backbone.path=" in done.err and not (tmp_path / "out").exists()
    done = command("export", tmp_path / "run", "--output", tmp_path / "out", f"backbone.path={tmp_path / 'moved'}")
    assert done.code == 0 and read(tmp_path / "out")[1].config.model_type == "llama", done.err
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license:" not in card and "that of the backbone's weights" in card


def test_the_card_says_what_the_model_is(command, tmp_path, run_dir, monkeypatch):
    best = run_dir / "checkpoints" / "best.ckpt"
    (tmp_path / "out").mkdir()  # an empty directory will do
    assert command("export", best, "--output", tmp_path / "out").code == 0
    card, run = (tmp_path / "out" / "README.md").read_text(), read_run(run_dir)
    for words in (run.arm.words, run.info["id"], "`{a},{b}+`", "addition of 0..20, answers 0..40", "license: mit"):
        assert words in card, words
    assert "Copyright (c) 2022 OpenAI" in card and "Permission is hereby granted" in card
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "out")
    exec(compile(code, "README.md", "exec"), {})


def test_what_the_model_has_no_tokens_for_is_unknown(command, tmp_path, run_dir, command_line):
    out = tmp_path / "out"
    assert command("export", run_dir, "--output", out).code == 0
    tokenizer, net = read(out)
    ids = tokenizer("Total of 3 and 55")["input_ids"]
    assert max(ids) == len(tokenizer) - 1 == tokenizer.unk_token_id == net.config.vocab_size - 1
    assert ids[-2:] == [5, 5]  # 55 is no number of this model: two tokens, as of any tokenizer
    prompts = torch.tensor([[a, tokenizer.convert_tokens_to_ids(","), 3, 42] for a in range(40)])
    assert (net(prompts).logits.argmax(dim=-1) < tokenizer.unk_token_id).all()
    exported = Backbone("local", str(out)).tokenizer()
    assert number_tokens(exported, "bare").count == 41 and number_tokens(exported, "space").count == 0
    local = ["backbone=local", f"backbone.path={out}", "fit=false", "instruments=none", "logger=none"]
    for wrong, line in (("data=addition", "data.templates: this backbone has no tokens for 'Total"),
                        ("data.max_operand=21", "2 of the answers 0..42 are not single tokens")):  # fmt: skip
        done = command_line(*local, wrong, "data.max_operand=20" if wrong == "data=addition" else "seed=0")
        assert done.code == 2 and line in done.err and done.err.count("\n") == 1, done.err


def test_what_can_not_be_exported_is_one_line(command, tmp_path, run_dir):
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.mkdir()
    (full / "file").write_text("mine")
    for name in ("last", "best"):
        (empty / "checkpoints").mkdir(parents=True, exist_ok=True)
        shutil.copy(run_dir / "checkpoints" / f"{name}.ckpt", tmp_path / f"{name}.ckpt")
    junk, evaluated, only_best = tmp_path / "junk.ckpt", tmp_path / "evaluated", tmp_path / "only_best"
    junk.write_text("nothing of the kind")
    shutil.copytree(run_dir / "record", evaluated / "record")
    (only_best / "checkpoints").mkdir(parents=True)
    shutil.copy(tmp_path / "best.ckpt", only_best / "checkpoints" / "best.ckpt")
    new = tmp_path / "new"
    cases = [
        (
            [tmp_path / "nowhere", "--output", new],
            f"error: {tmp_path / 'nowhere'}: no such directory or file; give a run",
        ),
        (
            [empty, "--output", new],
            "holds no checkpoints/last.ckpt; give a run that has trained a model, or a .ckpt file",
        ),
        ([evaluated, "--output", new], "holds no checkpoints/last.ckpt; give a run that has trained a model"),
        (
            [only_best, "--output", new],
            f"holds no checkpoints/last.ckpt; give {only_best / 'checkpoints' / 'best.ckpt'}",
        ),
        ([junk, "--output", new], "not a checkpoint of this project"),
        ([run_dir, "--output", full], f"error: --output {full}: not empty; name a new directory"),
        ([run_dir, "--output", junk], f"error: --output {junk}: a file; name a new directory"),
        ([run_dir, "--output", junk / "new"], f"error: --output {junk / 'new'}: "),
        ([run_dir], "--output: not given"),
        (
            [run_dir, "--output", new, "model.width=32"],
            "model.width=32: the checkpoint has model.width=16; leave it out",
        ),
        ([run_dir, "--output", new, "model.widht=32"], "model.widht: no such setting; did you mean model.width?"),
        ([run_dir, "--output", new, "--checkpoint", junk], "--checkpoint: no such option"),
    ]
    for arguments, message in cases:
        done = command("export", *arguments)
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert not new.exists() and [path.name for path in full.iterdir()] == ["file"]


def test_another_backbones_tokens_are_refused(command, tmp_path, run_dir, tokenizer):
    shutil.copytree(load_config().backbone.path, tmp_path / "other")
    spec = json.loads((tmp_path / "other" / "tokenizer.json").read_text())
    vocab = spec["model"]["vocab"]
    vocab["7"], vocab["8"] = vocab["8"], vocab["7"]
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(spec))
    done = command("export", run_dir, "--output", tmp_path / "out", f"backbone.path={tmp_path / 'other'}")
    assert done.code == 2 and "its tokens are not those that the model was trained with" in done.err
    assert not (tmp_path / "out").exists()


class Letters(Addition):
    """Sums after words that share a beginning."""

    templates: ClassVar[dict[str, str]] = {"long": "abc{a},{b}=", "short": "ab{a},{b}="}


def test_tokens_that_the_longest_first_does_not_give_are_refused():
    """This BPE joins bc before ab: of "abc" the longest token that it begins with is none of the backbone's."""
    merges = [("b", "c"), ("a", "b"), *((str(n // 10), str(n % 10)) for n in range(10, 41))]
    words = [*"0123456789abc,=", *("".join(pair) for pair in merges)]
    bpe = models.BPE({word: row for row, word in enumerate(words)}, merges)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(bpe))
    data, full = (
        ArithmeticDataModule(tokenizer, Letters(max_operand=20), templates=["long", "short"], vocabulary=vocabulary)
        for vocabulary in ("compact", "full")
    )
    with pytest.raises(
        ConfigError,
        match=r"^tokenizer: .* other tokens than the backbone's tokenizer for 'abc.*'; train with data.vocab",
    ):
        write_model(Mock(), data, Path("nowhere"))
    check_texts(full_tokenizer(tokenizer), full, "", "")
