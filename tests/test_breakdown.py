"""Accuracy by carries and by size: kinds counted by hand, means against the model's own answers, and the readings."""

import itertools

import pytest
import torch

from fourier_lightning.data.addition import Addition, addition_data
from fourier_lightning.data.comparison import Comparison
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.subtraction import Subtraction
from fourier_lightning.data.three_operands import ThreeOperands
from fourier_lightning.instruments import Breakdown, LogitLens, View
from fourier_lightning.instruments.breakdown import kinds_of, sizes
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.readings import breakdown, words
from tests.records import run_of


@pytest.mark.parametrize(
    ("task", "operands", "count"),
    [
        (Addition(), [5, 5], 1), (Addition(), [195, 5], 2), (Addition(), [99, 1], 2), (Addition(), [44, 55], 0),
        (Addition(), [60, 60], 1), (ModularAddition(), [55, 60], 1), (Subtraction(), [100, 1], 2),
        (Subtraction(), [57, 7], 0), (Subtraction(), [52, 7], 1), (ThreeOperands(), [9, 9, 9], 1),
        (ThreeOperands(), [30, 30, 30], 0), (ThreeOperands(), [5, 4, 1], 1),
    ],
)  # fmt: skip
def test_columns_that_carry_are_counted(task, operands, count):
    rows = torch.tensor([operands])
    assert kinds_of(task, rows, task.answers(rows), 10)["carries"][0].tolist() == [count]


def test_a_comparison_has_no_carries():
    task = Comparison()
    assert list(kinds_of(task, task.operands(), task.answers(task.operands()), 10)) == ["answer", "operand"]


@pytest.mark.parametrize(("smallest", "largest", "bins"), [(0, 200, 10), (3, 17, 4), (0, 4, 10), (5, 5, 3)])
def test_bins_are_of_one_width_and_leave_no_number_out(smallest, largest, bins):
    values = torch.arange(smallest, largest + 1)
    kind, starts = sizes(values, smallest, largest, bins)
    assert kind.tolist() == sorted(kind.tolist()) and set(kind.tolist()) == set(range(min(bins, len(values))))
    widths = kind.bincount()
    assert widths.max() - widths.min() <= 1
    for value, index in zip(values.tolist(), kind.tolist(), strict=True):
        assert starts[index] <= value < starts[index + 1]


@pytest.fixture(scope="module")
def view(pretrained, tokenizer) -> View:
    data = addition_data(tokenizer, templates=["total", "format"], max_operand=20, vocabulary="full")
    return View.of(pretrained, data, "train")


def test_every_kind_has_its_own_mean_and_all_of_them_are_the_model(view, pretrained):
    rows = Breakdown(bins=5, batch_size=100)(view).tables["breakdown"]
    whole = LogitLens()(view).tables["lens_accuracy"][-1]
    told = {}
    for group in view.examples:
        logits = pretrained(group.prompt).logits[:, -1].detach()
        guesses = logits[:, view.numbers].argmax(dim=1).tolist()
        for (a, b), guess in zip(group.operands.tolist(), guesses, strict=True):
            told[a, b] = abs(guess - a - b)
    for by in ("carries", "answer", "operand"):
        mine = [row for row in rows if row["by"] == by]
        assert sum(row["examples"] for row in mine) == len(told) == sum(map(len, view.examples))
        for name in ("mod_10", "within_10", "mae", "mod_2"):
            mean = sum(row[name] * row["examples"] for row in mine) / len(told)
            assert mean == pytest.approx(whole[name], rel=1e-5), (by, name)
        for row in mine:
            value = {"carries": lambda a, b: a % 10 + b % 10 > 9, "answer": lambda a, b: a + b,
                     "operand": max}[by]  # fmt: skip
            errors = [error for pair, error in told.items() if row["low"] <= value(*pair) <= row["high"]]
            assert row["examples"] == len(errors) and row["mae"] == pytest.approx(sum(errors) / len(errors), rel=1e-5)
            assert set(NumberMetrics.names) <= row.keys()
    bounds = [(row["low"], row["high"]) for row in rows if row["by"] == "answer"]
    assert bounds[0][0] == 0 and bounds[-1][1] == 40 and all(a[1] + 1 == b[0] for a, b in itertools.pairwise(bounds))


def test_readings_leave_out_what_hardly_occurs():
    def row(by, low, accuracy, examples):
        return {"by": by, "low": low, "high": low, "accuracy": accuracy, "examples": examples}

    run = run_of(breakdown=[row("carries", 1, 0.5, 40), row("carries", 0, 0.9, 60), row("carries", 2, 0.1, 3),
                            row("answer", 0, 1.0, 100)])  # fmt: skip
    assert [one["low"] for one in breakdown.kinds(run, "carries")] == [0, 1, 2]
    best, worst = breakdown.spread(run, "carries")
    assert (best["low"], worst["low"]) == (0, 1) and breakdown.spread(run, "answer") is None
    assert words.by_carries(run) == "90.0 % without a carry, 50.0 % with 1"
    assert words.by_carries(run_of()) == "" and breakdown.spread(run_of(), "operand") is None
