"""Which numbers are single tokens, and the ranges that follow: on the embedded tokenizer, and on one of digits."""

from functools import partial

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from fourier_lightning.commands import audit as command_module
from fourier_lightning.config import load_config
from fourier_lightning.data.addition import Addition
from fourier_lightning.data.audit import largest_size, last_operand, number_tokens, splitting
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.tokens import encode_template, number_ids
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.parts import prepare


def made_of(pieces, split):
    """A tokenizer of whole words and these number tokens, whose numbers are split by a pattern."""
    words = ["[UNK]", ",", "+", *pieces]
    one = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    one.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), split])
    return PreTrainedTokenizerFast(tokenizer_object=one, unk_token="[UNK]")


@pytest.fixture(scope="module")
def digits():
    return made_of([str(n) for n in range(10)], pre_tokenizers.Split(pattern="", behavior="isolated"))


def test_the_embedded_tokenizer_is_gpt_2s_up_to_520(tokenizer):
    bare, spaced = number_tokens(tokenizer, "bare"), number_tokens(tokenizer, "space")
    assert (bare.count, bare.gaps[:2]) == (521, (521, 527)) and (spaced.count, spaced.gaps[:2]) == (362, (362, 381))
    single = [n for n in range(2000) if len(tokenizer(str(n), add_special_tokens=False)["input_ids"]) == 1]
    assert bare.single == len(single)
    assert splitting(tokenizer) == "into pieces that it learned: 1234567 is 123 | 45 | 67"


def test_digits_one_by_one_are_no_number_line(digits):
    found = number_tokens(digits, "bare")
    assert (found.count, found.single, found.gaps[0]) == (10, 10, 10)
    assert splitting(digits) == "digit by digit: 1234567 is 1 | 2 | 3 | 4 | 5 | 6 | 7"
    assert largest_size(lambda n: Addition(max_operand=n), digits, ["format"], "bare") == (None, None)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [(r"\d{1,3}", "in threes from the left"), (r"\d(?=(\d{3})+$)|\d{3}", "in threes from the right")],
)
def test_threes(pattern, words):
    pieces = [*map(str, range(1000)), "123", "234", "567", "456"]
    threes = made_of(dict.fromkeys(pieces), pre_tokenizers.Split(pattern=Regex(pattern), behavior="isolated"))
    assert splitting(threes).startswith(f"{words}: 1234567 is ")


@pytest.mark.parametrize("style", ["bare", "space"])
@pytest.mark.parametrize("templates", [["format"], ["total", "what"]])
def test_the_largest_size_is_accepted_and_the_next_is_not(tokenizer, style, templates):
    size, task = largest_size(lambda n: Addition(max_operand=n), tokenizer, templates, style)
    assert (size, task.p) == ((260, 521) if style == "bare" else (180, 361))
    number_ids(tokenizer, task.p, style, "max_operand")
    for name in templates:
        encode_template(tokenizer, task.templates[name], range(size + 1), "max_operand")
    with pytest.raises(ConfigError):
        number_ids(tokenizer, Addition(max_operand=size + 1).p, style, "max_operand")


def test_operands_bound_the_size_where_answers_do_not(tokenizer):
    assert last_operand(tokenizer, "{a} modulo {b}") == 361
    assert largest_size(lambda n: ModularAddition(modulus=n), tokenizer, ["modulo"], "bare")[0] == 362
    assert largest_size(lambda n: ModularAddition(modulus=n), tokenizer, ["format"], "bare")[0] == 521
    from_50 = partial(Addition, 50)
    assert largest_size(from_50, tokenizer, ["total"], "bare")[0] == 260


def test_auto_is_that_size_and_the_record_says_which(tmp_path):
    cfg = load_config(["data.max_operand=auto"], tmp_path)
    parts = prepare(cfg)
    assert cfg.data.max_operand == 260 and parts.data.p == 521
    assert parts.notes[0].startswith("data.max_operand=260: the largest for which operands and answers (0..520, bare)")
    cfg = load_config(["data=modular_addition", "data.modulus=auto", "data.number_style=space"], tmp_path)
    assert prepare(cfg).data.task.modulus == 362


def test_auto_is_refused_where_no_range_fits(monkeypatch, digits, tmp_path):
    monkeypatch.setattr(Backbone, "tokenizer", lambda self: digits)
    with pytest.raises(ConfigError) as error:
        prepare(load_config(["data.max_operand=auto"], tmp_path))
    line = str(error.value)
    assert line.startswith("data.max_operand=auto: whisper_tiny_en_text splits numbers digit by digit")
    assert "single tokens are 0..9 (bare)" in line and line.endswith("see fourier-lightning audit backbone=...")


def test_the_command(command, monkeypatch, digits):
    one = next(entry for entry in command_module.tasks() if entry[0] == "addition")
    monkeypatch.setattr(command_module, "tasks", lambda: iter([one]))
    done = command("audit")
    assert done.code == 0, done.err
    assert '("108"): 0..520 are single tokens; not 521' in done.out
    assert "data=addition data.number_style=bare: data.max_operand to 260 with total, add, calculate" in done.out
    monkeypatch.setattr(Backbone, "tokenizer", lambda self: digits)
    assert "No task fits" in command("audit").out


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("seed=1", "seed=1: an audit is about a backbone alone"),
        ("backbone=gptx", "backbone=gptx: no such choice; did you mean gpt2"),
        ("backbone.dtype=int4", "backbone.dtype=int4: str is not allowed here"),
        ("backbone.nam=x", "backbone.nam: no such setting; did you mean backbone.name"),
        ("--bakbone", "--bakbone: no such option"),
    ],
)
def test_what_the_command_refuses_is_one_line(command, word, line):
    done = command("audit", word)
    assert (done.code, done.err.count("\n")) == (2, 1) and done.err.startswith(f"error: {line}")
