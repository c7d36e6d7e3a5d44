import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.instruments.filtering import Tally
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


pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=50)
@given(pairs, st.integers(1, 30))
def test_metrics_are_what_the_errors_say_however_they_are_batched(pairs, batch):
    """Guesses and answers against plain Python, and the histogram of a tally against both."""
    guesses, answers = torch.tensor(pairs).T
    tally = Tally(None, torch.zeros(8), *(torch.zeros(n, dtype=torch.long) for n in (2 * 41 - 1, 41, 41)))
    logits, numbers = torch.nn.functional.one_hot(guesses, 41).float(), torch.arange(41)
    for part in range(0, len(pairs), batch):
        chosen = slice(part, part + batch)
        tally.update(logits[chosen], answers[chosen], numbers, torch.tensor(0.0))
    got, errors = tally.means(), [guess - answer for guess, answer in pairs]
    mean = lambda values: sum(values) / len(errors)  # noqa: E731
    expected = {"loss": 0, "accuracy": mean(e == 0 for e in errors), "mae": mean(abs(e) for e in errors)}
    expected |= {f"within_{n}": mean(abs(e) <= n for e in errors) for n in (2, 10)}
    expected |= {f"mod_{n}": mean(e % n == 0 for e in errors) for n in (2, 5, 10)}
    assert got == pytest.approx(expected, abs=1e-6, rel=1e-6)
    assert got["accuracy"] <= min(got["within_2"], got["mod_10"]) + 1e-6
    assert got["within_2"] <= got["within_10"] and got["mod_10"] <= min(got["mod_2"], got["mod_5"])
    assert tally.histogram() == {e: errors.count(e) for e in sorted(set(errors))}
