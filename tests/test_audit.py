"""Which numbers are single tokens, and the ranges that follow: on the embedded tokenizer, and on others' kinds."""

from functools import partial

import pytest
from hydra.utils import get_object

from fourier_lightning.commands.audit import tasks
from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.data.addition import Addition
from fourier_lightning.data.audit import STYLES, largest_size, last_operand, number_tokens, splitting
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.tokens import encode_template, number_ids
from fourier_lightning.defaults import choose_size, sized
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.parts import prepare
from tests.tiny_tokenizers import KINDS, LLAMA_3, byte_level


@pytest.fixture(scope="module")
def every_task():
    return list(tasks())


def test_the_embedded_tokenizer_is_gpt_2s_up_to_520(tokenizer):
    bare, spaced = number_tokens(tokenizer, "bare"), number_tokens(tokenizer, "space")
    assert (bare.count, bare.gaps[:2]) == (521, (521, 527)) and (spaced.count, spaced.gaps[:2]) == (362, (362, 381))
    single = [n for n in range(2000) if len(tokenizer(str(n), add_special_tokens=False)["input_ids"]) == 1]
    assert bare.single == len(single)
    assert splitting(tokenizer) == "into pieces that it learned: 1234567 is 123 | 45 | 67"


def test_digits_one_by_one_are_no_number_line():
    digits = KINDS["digits"]()
    found = number_tokens(digits, "bare")
    assert (found.count, found.single, found.gaps[0]) == (10, 10, 10)
    assert splitting(digits) == "digit by digit: 1234567 is 1 | 2 | 3 | 4 | 5 | 6 | 7"
    assert largest_size(lambda n: Addition(max_operand=n), digits, ["format"], "bare") == (None, None)


@pytest.mark.parametrize(
    ("pattern", "words"), [(LLAMA_3, "in threes from the left"), (r"\d(?=(\d{3})+$)|\d{3}", "in threes from the right")]
)
def test_threes(pattern, words):
    assert splitting(byte_level(range(1000), pattern)).startswith(f"{words}: 1234567 is ")


def accepted(tokenizer, task, name, style):
    """Whether a task's data can be made with a template: what ``ArithmeticDataModule`` asks of its tokens."""
    try:
        number_ids(tokenizer, task.p, style, task.size_key)
        values = range(task.smallest, task.largest + 1)
        encode_template(tokenizer, task.templates[name], values, task.operand_key, task.letters)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("kind", [*KINDS, "the embedded one"])
def test_of_every_task_template_and_style_the_largest_size_is_accepted_and_the_next_is_not(every_task, kind, tokenizer):
    tokenizer = tokenizer if kind == "the embedded one" else KINDS[kind]()
    found = 0
    for _, node, task in every_task:
        of = partial(sized, task, node)
        for name in of(node[task.size_key]).templates:
            for style in STYLES:
                size, chosen = largest_size(of, tokenizer, [name], style)
                if size is not None:
                    found += 1
                    assert accepted(tokenizer, chosen, name, style), (task.name, name, style, size)
                    assert not accepted(tokenizer, of(size + 1), name, style), (task.name, name, style, size + 1)
    digits = kind.startswith("digits")
    assert found == 0 if digits else found > 15


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
    assert last_operand(tokenizer, "What is {a} modulo {b}?") == 361
    assert last_operand(tokenizer, "{a} modulo {b}") == -1  # "12" and " 12" are different tokens
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


@pytest.mark.parametrize("option", sorted(path.stem for path in (CONF_DIR / "data").glob("*.yaml")))
def test_auto_is_a_size_of_every_task(option, tmp_path):
    target = load_config([f"data={option}"]).data._target_
    key = get_object(target).task.size_key
    cfg = load_config([f"data={option}", f"data.{key}=auto", "instruments=none", "logger=none"], tmp_path)
    parts = prepare(cfg)
    assert parts.notes[0].startswith(f"data.{key}={cfg.data[key]}: the largest for which operands and answers")
    assert parts.data.p == parts.data.task.p > 300 and parts.data.task.letters in ("ab", "abc")


def test_auto_is_refused_where_no_range_fits(monkeypatch, tmp_path):
    digits = KINDS["digits"]()
    monkeypatch.setattr(Backbone, "tokenizer", lambda self: digits)
    with pytest.raises(ConfigError) as error:
        prepare(load_config(["data.max_operand=auto"], tmp_path))
    line = str(error.value)
    assert line.startswith("data.max_operand=auto: whisper_tiny_en_text splits numbers digit by digit")
    assert "single tokens are 0..9 (bare)" in line and line.endswith("see fourier-lightning audit backbone=...")


def test_auto_names_the_templates_in_which_no_range_fits(monkeypatch, tmp_path):
    """In "12,34+" this tokenizer has one token before the comma and another after it for the same number."""
    other = KINDS["numbers after a space"]()
    monkeypatch.setattr(Backbone, "tokenizer", lambda self: other)
    with pytest.raises(ConfigError) as error:
        prepare(load_config(["data.max_operand=auto", "data.templates=[total,format]"], tmp_path))
    line = "data.max_operand=auto: in data.templates=['format'] operands are not the same single token in every place"
    assert str(error.value).startswith(line)
    cfg = load_config(["data.max_operand=auto", "data.templates=[total]"], tmp_path)
    choose_size(cfg)
    assert cfg.data.max_operand == 149


def test_the_command(command, every_task):
    done = command("audit")
    assert done.code == 0, done.err
    assert '("108"): 0..520 are single tokens; not 521' in done.out
    assert "data=addition data.number_style=bare: data.max_operand to 260 with total, add, calculate" in done.out
    assert "data=three_operands data.number_style=bare: data.max_operand to 173 with total, add" in done.out
    for option, _, task in every_task:
        for style in STYLES:
            assert f"data={option} data.number_style={style}: data.{task.size_key} to " in done.out


def test_the_command_says_that_digits_fit_no_task(command, monkeypatch):
    digits = KINDS["digits"]()
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
