"""Every task, by one list: what it asks, what is right, its texts, its split; and the circle's distances."""

import itertools
import json
from collections.abc import Callable

import pytest
import torch

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.config import check_config, load_config
from fourier_lightning.data.addition import Addition
from fourier_lightning.data.comparison import Comparison
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.multiplication import Multiplication
from fourier_lightning.data.subtraction import Subtraction
from fourier_lightning.data.task import Task
from fourier_lightning.data.three_operands import ThreeOperands
from fourier_lightning.data.tokens import encode_template
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.filtering import Tally
from fourier_lightning.record.runs import find_runs
from fourier_lightning.record.schema import TABLES
from fourier_lightning.run import make
from tests.conftest import TINY, train

# A task and what is right, said in another way.
TASKS = [
    (Addition(max_operand=20), lambda a, b: len([None] * a + [None] * b)),
    (ModularAddition(modulus=23), lambda a, b: a + b if a + b < 23 else a + b - 23),
    (Subtraction(max_operand=20), lambda a, b: (a - 20) + (20 - b)),
    (Multiplication(max_operand=20, max_product=70), lambda a, b: len([None for _ in range(a) for _ in range(b)])),
    (ThreeOperands(max_operand=9), lambda a, b, c: len([None] * a + [None] * b + [None] * c)),
    (Comparison(max_operand=20), lambda a, b: a if a - b > 0 else b),
]
SPARSE = (Multiplication, Comparison)  # not every number of the line is an answer
every_task = pytest.mark.parametrize(("task", "right"), TASKS, ids=[task.name for task, _ in TASKS])
Right = Callable[..., int]


def data_of(task: Task, tokenizer, *overrides: str):
    """The task's data as its YAML makes it, of this size."""
    keys = {task.size_key, task.operand_key}
    size = [f"data.{key}={getattr(task, key)}" for key in keys]
    return make(
        load_config([f"data={task.name}", *size, "data.train_fraction=0.8", *overrides]).data, tokenizer=tokenizer
    )


@every_task
def test_answers_are_right_and_fill_the_number_line(task: Task, right: Right):
    rows = [tuple(row) for row in task.operands().tolist()]
    asked = {row for row in itertools.product(range(task.p), repeat=len(task.letters)) if task.allows(list(row))}
    assert len(set(rows)) == len(rows) and set(rows) <= asked
    assert {tuple(sorted(row)) for row in rows} == {tuple(sorted(row)) for row in asked}  # none is missing
    assert set(rows) == asked if not task.unordered else all(row == tuple(sorted(row)) for row in rows)
    answers = task.answers(task.operands()).tolist()
    assert answers == [right(*row) for row in rows]
    assert set(answers) <= set(range(task.p)) and max(answers) == task.p - 1
    assert isinstance(task, SPARSE) or set(answers) == set(range(task.p))
    assert {n for row in rows for n in row} == set(range(task.smallest, task.largest + 1)) <= set(range(task.p))
    assert task.commutative == all(right(*row) == right(*row[::-1]) for row in rows)
    assert not task.allows([1] * (len(task.letters) + 1)) and not task.allows([task.largest + 1, 0, 0])


@every_task
def test_prompts_ask_for_their_answers(task: Task, right: Right, tokenizer):
    data = data_of(task, tokenizer, f"data.templates=[{','.join(task.templates)}]")
    assert data.task == task and data.p == task.p
    texts = list(task.templates.values())
    wanted = {
        texts[template].format(**dict(zip(task.letters, row, strict=True))): tuple(row)
        for row, template in zip(data.shown.tolist(), data.template_of_row.tolist(), strict=True)
    }
    seen = {}
    for group in (group for split in ("train", "val", "test") for group in data.examples(split)):
        words = tokenizer.batch_decode(data.vocabulary.token_ids[group.prompt])
        numbers = tokenizer.batch_decode(data.vocabulary.token_ids[data.vocabulary.numbers[group.answer]][:, None])
        seen |= dict(zip(words, map(tuple, group.operands.tolist()), strict=True))
        assert numbers == [str(right(*row)) for row in group.operands.tolist()]
        for column, name in enumerate(task.letters):
            shown = tokenizer.batch_decode(data.vocabulary.token_ids[group.prompt.gather(1, group.slots[:, [column]])])
            assert [int(word) for word in shown] == group.operands[:, column].tolist(), name
    assert seen == wanted and len(wanted) == len(data.operands)


@every_task
def test_no_question_is_on_both_sides_of_the_split(task: Task, right: Right, tokenizer):
    def questions(split):
        shown = data.shown[data.split[split]].tolist()
        return {tuple(sorted(pair)) if task.commutative else tuple(pair) for pair in shown}

    data = data_of(task, tokenizer)
    assert not questions("train") & (questions("val") | questions("test")) and data.leaked() == 0
    if hasattr(task, "pairs"):
        data = data_of(task, tokenizer, "data.pairs=ordered")
        assert questions("train") & questions("val") and data.leaked() > 0


def test_operands_are_found_in_whatever_order_a_text_has_them(tokenizer):
    _, slots = encode_template(tokenizer, "Take {b} away from {a}. Answer:", range(20), "max_operand")
    assert slots[0] > slots[1]
    for text in ("Twice {a}:", "Take {b} away from {a}, and {c}:"):
        with pytest.raises(ConfigError, match=r"^data.templates: .* each once"):
            encode_template(tokenizer, text, range(20), "max_operand")
    _, slots = encode_template(tokenizer, "Take {c} and {a} and {b}:", range(20), "max_operand", "abc")
    assert slots.argsort().tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+data.max_operand=20"], "data.max_operand=20: no such setting; "),
        (["+data.modolus=20"], "data.modolus=20: no such setting; did you mean data.modulus"),
        (["data.modulus=few"], "data.modulus=few: str is not allowed here; use int"),
        (["data.pairs=both"], "data.pairs=both: str is not allowed here; use one of unordered, ordered"),
        (["data.modulus=1"], "data.modulus=1: too small"),
        (["data.modulus=600"], "data.number_style=bare: 14 of the answers 0..599 are not single tokens"),
        (["data.templates=[total]"], "data.templates=['total']: not templates: ['total']; choose from modulo, "),
    ],
)
def test_keys_that_a_task_does_not_have_are_a_line(tokenizer, overrides, line):
    cfg = load_config(["data=modular_addition", *overrides])
    with pytest.raises(ConfigError) as error:
        check_config(cfg)
        make(cfg.data, tokenizer=tokenizer)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["data.max_product=90"], "data.max_product=90: operands reach 100, and they lie on the number line, too"),
        (["data.max_product=522"], "data.number_style=bare: 1 of the answers 0..522 are not single tokens of this"),
        (["data.max_operand=400", "data.templates=[times]"], "data.max_operand: these operands are not single"),
    ],
)
def test_products_have_to_be_single_tokens(tokenizer, overrides, line):
    with pytest.raises(ConfigError) as error:
        make(load_config(["data=multiplication", *overrides]).data, tokenizer=tokenizer)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_the_papers_five_sentences_of_multiplication_are_asked_within_the_default_range(tokenizer):
    names = ["product", "find", "times", "equals", "multiplication"]
    data = make(
        load_config(["data=multiplication", f"data.templates=[{','.join(names)}]"]).data, tokenizer=tokenizer, seed=0
    )
    assert data.p == 521 and len(data.operands) == len({(a, b) for a, b in data.operands.tolist() if a * b <= 520})
    assert len(data.operands) == sum(a * b <= 520 for b in range(101) for a in range(b + 1)) == 1095
    text = tokenizer.decode(data.vocabulary.token_ids[data.examples("val")[0].prompt[0]])
    a, b = data.examples("val")[0].operands[0].tolist()
    assert text in {sentence.format(a=a, b=b) for sentence in data.task.templates.values()}


@pytest.mark.parametrize("p", [22, 23, 30])
def test_on_a_circle_errors_go_the_shorter_way_round(p):
    guesses, answers = torch.cartesian_prod(torch.arange(p), torch.arange(p)).T
    tally = Tally(p, torch.zeros(8), *(torch.zeros(n, dtype=torch.long) for n in (2 * p - 1, p, p)))
    tally.update(torch.nn.functional.one_hot(guesses, p).float(), answers, torch.arange(p), torch.tensor(0.0))
    steps = []  # from answer to guess, by walking both ways round at once
    for guess, answer in zip(guesses.tolist(), answers.tolist(), strict=True):
        steps.append(next(n for n in range(p) if guess in ((answer + n) % p, (answer - n) % p)))
    got = tally.means()
    assert got["mae"] == pytest.approx(sum(steps) / p**2)
    assert [got[f"within_{n}"] for n in (2, 10)] == pytest.approx([sum(s <= n for s in steps) / p**2 for n in (2, 10)])
    for n in (2, 5, 10):  # where n divides p: whether steps of n, either way round, lead from one to the other
        on_circle = sum(step % n == 0 for step in steps) / p**2
        same_remainder = sum(g % n == a % n for g, a in zip(guesses.tolist(), answers.tolist(), strict=True)) / p**2
        assert got[f"mod_{n}"] == pytest.approx(same_remainder)
        assert p % n or on_circle == pytest.approx(same_remainder)
    histogram = tally.histogram()
    assert (min(histogram), max(histogram)) == (-(p // 2), (p - 1) // 2) and set(histogram.values()) == {p}


SMALL = {  # a run of a second, each with another split
    "modular_addition": ["data.modulus=23", "data.split=residues"],
    "subtraction": ["data.max_operand=20", "data.split=carries"],
    "multiplication": ["data.max_operand=20", "data.max_product=40", "data.split=sums"],
    "three_operands": ["data.max_operand=8", "data.split=operands"],
    "comparison": ["data.max_operand=20"],
}


def small(task: str) -> list[str]:
    base = [option for option in TINY if not option.startswith("data.max_operand")]
    return [*base, f"data={task}", *SMALL[task], "logger=none", "trainer.max_epochs=1"]


@pytest.mark.parametrize("task", SMALL)
def test_every_task_goes_through_every_instrument(tmp_path, trained, task):
    few = {"final_logits.draws": 2, "knock_out.draws": 2, "knock_out.batch_size": 16, "input_waves.draws": 2,
           "direct_path.draws": 2, "direct_path.control_prompts": 32, "direct_path.knock_out_prompts": 16}  # fmt: skip
    cheap = [f"callbacks.{key}={value}" for key, value in few.items()]
    train(load_config([*small(task), *cheap, "filter.draws=2"], tmp_path))
    record = json.loads((tmp_path / "record" / "run.json").read_text())
    found, other, *_ = find_runs([tmp_path, trained])
    p = {"modular_addition": 23, "subtraction": 21, "multiplication": 41, "three_operands": 25, "comparison": 21}[task]
    cyclic, commutative = task == "modular_addition", task != "subtraction"
    assert record["status"] == "finished" and record["p"] == found.p == p
    assert record["task"] == {"name": task, "p": p, "cyclic": cyclic, "commutative": commutative}
    assert found.array("final_logits").shape == (1, p)
    assert {row.writer for row in TABLES.values()} - {TABLES[name].writer for name in found.names("tables")} == {
        "answers",
        "filter_grid",
    }
    assert cyclic <= ({row["error"] for row in found.table("single_component_errors")} <= set(range(-11, 12)))
    right = {name.name: function for name, function in TASKS}[task]
    for row in found.table("final_logit_waves"):
        operands = [row[letter] for letter in "abc" if row[letter] is not None]
        answer = sum(operands) % 23 if cyclic else right(*operands)
        assert row["answer"] == answer and len(operands) == 2 + (task == "three_operands")
    assert found.split == record["config"]["data"]["split"]
    assert found.label.split(", ")[1] == task.replace("_", " ") and other.label.split(", ")[1] == "addition"
    verdicts = [verdict for claim in CLAIMS for verdict in judge(claim, [found]) if verdict.value is not None]
    told = {(verdict.claim, verdict.outcome) for verdict in verdicts}  # it did not learn to multiply in an epoch
    assert told == ({("multiplication_periods", "not comparable")} if task == "multiplication" else set())
    asked = {row["period"] for row in found.table("answer_phase")}
    assert (10 / 3 in asked) == (task == "multiplication")


@pytest.mark.parametrize("task", ["three_operands", "multiplication", "comparison"])
@pytest.mark.parametrize("model", ["scratch", "pretrained"])
def test_every_task_trains_in_the_other_arms(tmp_path, task, model):
    options = [f"model={model}", "instruments=none", "trainer.limit_train_batches=2", "data.redraw_order=true"]
    sizes = [] if model == "scratch" else ["model.n_layer=null", "model.width=null"]
    before = train(load_config([*small(task), *options, *sizes, "trainer.max_epochs=2"], tmp_path)).metrics
    assert 0 < before["test/loss"] < 20 and "train/accuracy" in before
