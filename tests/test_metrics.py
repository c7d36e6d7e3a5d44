import pytest
import torch

from fourier_lightning.metrics import NumberMetrics


def test_metrics_against_hand_counts():
    numbers = torch.tensor([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])  # number n is token n + 3
    answers = torch.tensor([0, 5, 2, 10])
    guesses = torch.tensor([0, 7, 12, 13])  # errors 0, 2, 10, 3
    logits = torch.zeros(4, 20)
    logits[torch.arange(4), numbers[guesses]] = 5.0
    logits[0, 1] = 9.0  # the first example's likeliest token is no number, its likeliest number is right
    metrics = NumberMetrics()
    metrics.update(logits[:3], answers[:3], numbers, torch.tensor(1.0))
    metrics.update(logits[3:], answers[3:], numbers, torch.tensor(3.0))
    got = {name: value.item() for name, value in metrics.compute().items()}
    assert got == pytest.approx(
        {
            "loss": 1.5,
            "accuracy": 0.0,
            "within_2": 0.5,
            "within_10": 1.0,
            "mod_2": 0.75,
            "mod_5": 0.5,
            "mod_10": 0.5,
            "mae": 15 / 4,
        }
    )


def test_accuracy_counts_exact_answers_and_reset_forgets():
    metrics = NumberMetrics()
    numbers = torch.arange(10)
    logits = torch.nn.functional.one_hot(torch.tensor([1, 2, 3]), 10).float()
    metrics.update(logits, torch.tensor([1, 2, 4]), numbers, torch.tensor(0.0))
    assert metrics.compute()["accuracy"].item() == pytest.approx(2 / 3)
    metrics.reset()
    metrics.update(logits, torch.tensor([1, 2, 3]), numbers, torch.tensor(0.0))
    assert metrics.compute()["accuracy"].item() == 1.0
