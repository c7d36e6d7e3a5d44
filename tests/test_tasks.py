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
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.subtraction import Subtraction
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import encode_template
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.filtering import Tally
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.record.runs import find_runs
from fourier_lightning.run import make, train
from tests.conftest import TINY

# A task and what is right, said in another way.
TASKS = [
    (Addition(max_operand=20), lambda a, b: len([None] * a + [None] * b)),
    (ModularAddition(modulus=23), lambda a, b: a + b if a + b < 23 else a + b - 23),
    (Subtraction(max_operand=20), lambda a, b: (a - 20) + (20 - b)),
]
every_task = pytest.mark.parametrize(("task", "right"), TASKS, ids=[task.name for task, _ in TASKS])
Right = Callable[[int, int], int]


def data_of(task: Task, tokenizer, *overrides: str):
    """The task's data as its YAML makes it, of this size."""
    size = f"data.{task.size_key}={getattr(task, task.size_key)}"
    return make(
        load_config([f"data={task.name}", size, "data.train_fraction=0.8", *overrides]).data, tokenizer=tokenizer
    )


@every_task
def test_answers_are_right_and_fill_the_number_line(task: Task, right: Right):
    pairs = [tuple(pair) for pair in task.operands().tolist()]
    asked = {pair for pair in itertools.product(range(task.p), repeat=2) if task.allows(list(pair))}
    assert len(set(pairs)) == len(pairs) and set(pairs) <= asked
    assert {frozenset(pair) for pair in pairs} == {frozenset(pair) for pair in asked}  # none is missing
    assert task.unordered or set(pairs) == asked
    answers = task.answers(task.operands()).tolist()
    assert answers == [right(a, b) for a, b in pairs]
    assert set(answers) == set(range(task.p))
    assert {n for pair in pairs for n in pair} == set(range(task.smallest, task.largest + 1)) <= set(range(task.p))
    assert task.commutative == all(right(a, b) == right(b, a) for a, b in pairs)


@every_task
def test_prompts_ask_for_their_answers(task: Task, right: Right, tokenizer):
    data = data_of(task, tokenizer, f"data.templates=[{','.join(task.templates)}]")
    assert data.task == task and data.p == task.p
    texts = list(task.templates.values())
    wanted = {
        texts[template].format(a=a, b=b): (a, b)
        for (a, b), template in zip(data.shown.tolist(), data.template_of_row.tolist(), strict=True)
    }
    seen = {}
    for group in (group for split in ("train", "val", "test") for group in data.examples(split)):
        words = tokenizer.batch_decode(data.vocabulary.token_ids[group.prompt])
        numbers = tokenizer.batch_decode(data.vocabulary.token_ids[data.vocabulary.numbers[group.answer]][:, None])
        seen |= dict(zip(words, map(tuple, group.operands.tolist()), strict=True))
        assert numbers == [str(right(a, b)) for a, b in group.operands.tolist()]
        for name, column in (("a", 0), ("b", 1)):
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
    if task.commutative:
        data = data_of(task, tokenizer, "data.pairs=ordered")
        assert questions("train") & questions("val") and data.leaked() > 0


def test_operands_are_found_in_whatever_order_a_text_has_them(tokenizer):
    _, slots = encode_template(tokenizer, "Take {b} away from {a}. Answer:", range(20), "max_operand")
    assert slots[0] > slots[1]
    with pytest.raises(AssertionError, match="each once"):
        encode_template(tokenizer, "Twice {a}:", range(20), "max_operand")


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+data.max_operand=20"], "data.max_operand=20: no such setting; known here: "),
        (["+data.modolus=20"], "data.modolus=20: no such setting; did you mean data.modulus or "),
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


@pytest.mark.parametrize("p", [22, 23, 30])
def test_on_a_circle_errors_go_the_shorter_way_round(p):
    guesses, answers = torch.cartesian_prod(torch.arange(p), torch.arange(p)).T
    tally = Tally(NumberMetrics(cycle=p), *(torch.zeros(n, dtype=torch.long) for n in (2 * p - 1, p, p)))
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


def test_a_cyclic_task_goes_through_every_instrument(tmp_path, tiny_runs):
    base = [option for option in TINY if not option.startswith("data.max_operand")]
    options = ["data=modular_addition", "data.modulus=23", "logger=none", "callbacks.knock_out.batch_size=64"]
    train(load_config([*base, *options], tmp_path))
    record = json.loads((tmp_path / "record" / "run.json").read_text())
    assert record["status"] == "finished" and record["p"] == 23
    assert record["task"] == {"name": "modular_addition", "p": 23, "cyclic": True, "commutative": True}
    found, *others = find_runs([tmp_path, tiny_runs / "0"])
    assert found.p == 23 and found.array("final_logits").shape == (1, 23)
    assert {row["error"] for row in found.table("single_component_errors")} <= set(range(-11, 12))
    for row in found.table("final_logit_waves"):
        assert row["answer"] == (row["a"] + row["b"]) % 23
    assert found.label.split(", ")[1] == "modular addition" and others[0].label.split(", ")[1] == "addition"
    assert all(verdict.value is None for claim in CLAIMS for verdict in judge(claim, [found]))  # none is about it
