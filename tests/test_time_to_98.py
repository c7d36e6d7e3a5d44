"""What other recipes do to gradients and to the loss, by their papers' formulas, and the table of times."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fourier_lightning.record.files import read_jsonl
from scripts import recipes, time_to_98


def test_stablemax_is_its_formula_and_a_distribution():
    logits = torch.tensor([[2.0, 0.0, -3.0]], dtype=torch.float64)
    s = [2 + 1, 0 + 1, 1 / (1 + 3)]
    wanted = [math.log(value / sum(s)) for value in s]
    assert recipes.log_stablemax(logits)[0].tolist() == pytest.approx(wanted)


def with_gradient(value, gradient):
    weight = nn.Parameter(torch.tensor(value))
    weight.grad = torch.tensor(gradient)
    return weight


def test_orthogonal_gradients_have_no_part_along_the_weights_and_keep_their_norm():
    weight = with_gradient([3.0, 4.0], [1.0, 1.0])
    recipes.orthogonal([weight])
    assert weight.grad @ weight.detach() == pytest.approx(0, abs=1e-6)
    assert weight.grad.norm() == pytest.approx(math.sqrt(2))
    assert weight.grad[0] > 0 > weight.grad[1]


def test_grokfast_adds_twice_the_average():
    change, weight = recipes.Grokfast(alpha=0.5, strength=2.0), with_gradient([0.0], [1.0])
    change([weight])
    assert weight.grad.tolist() == [3.0]  # the average begins at the first gradient
    weight.grad = torch.tensor([5.0])
    change([weight])
    assert weight.grad.tolist() == [5.0 + 2 * 3.0]


@pytest.mark.parametrize("name", time_to_98.RECIPES)
def test_every_recipe_trains(monkeypatch, name):
    monkeypatch.setattr(time_to_98, "CAP", 1e-9)  # one look at the clock
    monkeypatch.setattr(time_to_98, "LEVEL", -1.0)  # and no epoch
    found = time_to_98.train(name, 0, "rescue", 0)
    assert found["steps"] == 0 and found["there"]
    monkeypatch.setattr(time_to_98, "LEVEL", 1e-9)
    monkeypatch.setattr(time_to_98, "CAP", 0.2)
    monkeypatch.setattr(time_to_98, "TASKS", {"small": ["data.max_operand=20", "model.width=16", "model.n_layer=1"]})
    found = time_to_98.train(name, 0, "small", 0)
    assert found["steps"] >= 1 and found["examples"] >= 80


def test_of_tries_that_did_not_get_there_the_nearest_is_taken():
    late, near, far = ({"there": there, "seconds": s, "best": best}
                       for there, s, best in ((True, 50.0, 0.98), (False, 60.3, 0.95), (False, 60.1, 0.1)))  # fmt: skip
    assert time_to_98.sooner([far, near]) is near and time_to_98.sooner([far, near, late]) is late


def test_the_table_has_medians_of_those_that_got_there():
    rows = [
        {"recipe": name, "setting": 0, "task": task, "seed": seed, "best": 0.5 if name == "torch's Muon" else 0.99,
         "there": name != "torch's Muon", "seconds": 10.0 * seed, "steps": 100 * seed, "examples": 1000, "epochs": 3}
        for name in time_to_98.RECIPES for task in time_to_98.TASKS for seed in (1, 2, 3)
    ]  # fmt: skip
    text = time_to_98.table([*rows, {**rows[0], "seconds": 1.0, "search": True}])
    assert "| rescue | ours | lr 0.00125, batch 128, weight_decay 1.0 | 3 of 3 | 20 (10 to 30) |" in text
    assert text.count("| 0 of 3 | - | - | - | 50.0 % |") == 2


def test_the_picture_has_a_point_for_each_reported_run():
    rows = read_jsonl(Path(__file__).resolve().parents[1] / "docs/results/rows/time_to_98.jsonl")
    reported = [row for row in rows if not row.get("search")]
    for panel in time_to_98.picture(rows).panels:
        there, missed = panel.marks
        mine = [row for row in reported if row["task"] == panel.title]
        assert sorted(there.x) == sorted(row["seconds"] for row in mine if row["there"]) and not there.hollow
        assert len(there.x) + len(missed.x) == len(mine) == 3 * len(recipes.RECIPES) and missed.hollow
        assert min(missed.x) >= time_to_98.CAP
