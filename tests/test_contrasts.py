"""Claims that hold one arm against another: which runs may be compared, and what the comparison says."""

import numpy as np
import pytest

from fourier_lightning.claims import contrasts
from fourier_lightning.readings.contrasts import unequal_arms
from fourier_lightning.report import summary
from tests.planted import contrast


def test_contrasts_compare_the_same_task(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
    gains = [contrasts.advantage("scratch")(run, found).value for run in found[:2]]
    np.testing.assert_allclose(gains, [0.6, 0.3])  # each against the scratch run of its own seed
    found[2].config["data"]["train_fraction"] = 0.5
    contrasts.by_question.cache_clear()  # records don't change; this one did
    assert contrasts.advantage("scratch")(found[0], found).value == pytest.approx(0.4)  # only seed 1 is left
    found[3].info["p"] = 61
    contrasts.by_question.cache_clear()
    assert contrasts.advantage("scratch")(found[0], found) is None
    found = contrast(trained)
    for run, curve in zip(found, ([0.1, 0.6], [0.1, 0.2], [0.1, 0.2], [0.6, 0.7]), strict=True):
        run._read["metrics"] = [{"epoch": e, "val/accuracy": value} for e, value in enumerate(curve)]
    faster = contrasts.speed("scratch")
    assert [faster(run, found).value for run in found[:2]] == [1.0, 1.0]
    found[0]._read["metrics"][0]["val/accuracy"] = 0.5
    assert faster(found[0], found).value == 0.5 and "never in 2" in faster(found[0], found).detail
    found[0]._read["metrics"] = [{"epoch": 0, "val/accuracy": 0.9}]
    assert faster(found[0], found) is None  # one epoch is no curve
    assert contrasts.speed("fine_tuned")(found[1], found) is None  # nobody to compare with
    for run in found:
        run._read["metrics"] = [{"epoch": e, "val/accuracy": 0.1} for e in range(3)]
    assert faster(found[0], found) is None  # neither ever gets there
    assert contrasts.speed("scratch", level=0.1)(found[0], found).detail == "1 epochs; the other 1"
    found[2]._read["metrics"][1]["val/accuracy"] = 0.5
    assert (faster(found[0], found).value, faster(found[0], found).detail) == (1.0, "never reaches 50%")


def curves(members, *accuracies):
    """The runs of a contrast with these validation accuracies, an epoch each."""
    for run, curve in zip(members, accuracies, strict=True):
        run._read["metrics"] = [{"epoch": e, "val/accuracy": value} for e, value in enumerate(curve)]


@pytest.mark.parametrize(
    ("peers", "others"),
    [
        (([0.1, 0.6], [0.1, 0.2, 0.3, 0.7]), (2 + 4) / 2),
        (([0.1, 0.6], [0.1] * 10), (2 + 10) / 2),  # it counts with all its epochs
        (([0.1] * 6, [0.1] * 10), (6 + 10) / 2),
    ],
)
def test_a_peer_that_never_gets_there_counts_with_all_its_epochs(trained, peers, others):
    """A run whose seed no peer has is held against the mean of all of them; in one epoch it is there itself."""
    members = contrast(trained)
    members[0].info["seed"] = 7
    contrasts.by_question.cache_clear()
    curves(members, [0.6, 0.7], [0.1, 0.1], *peers)
    seen = contrasts.speed("scratch")(members[0], members)
    assert contrasts.matching(members[0], members, "scratch") == members[2:]
    assert seen.value == pytest.approx(1 / others) and f"{others:g}" in seen.detail
    assert ("never" in seen.detail) == all(max(curve) < 0.5 for curve in peers)


def test_a_contrast_needs_equal_bodies_budgets_and_data(trained):
    found = contrast(trained)
    for run, accuracy in zip(found, (0.9, 0.8, 0.3, 0.5), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy}
        run.info["steps"] = 1000
    gain = contrasts.advantage("scratch")
    assert (gain(found[0], found).detail, gain(found[0], found).incomparable) == ("90.00% against 30.00%", "")
    for group, key, value in (("model", "width", 7), ("model", "n_layer", 7), ("model", "dropout", 0.7),
                              ("data", "split_seed", 7)):  # fmt: skip
        before = found[0].config[group][key]
        found[0].config[group][key] = value
        assert gain(found[0], found).incomparable == f"{group}.{key}={value} against {before}"
        found[0].config[group][key] = before
    for steps, fair in ((1020, True), (1021, False), (500, False)):
        found[0].info["steps"] = steps
        assert bool(gain(found[0], found).incomparable) != fair
    found[0].config["data"]["batch_size"] *= 2
    assert gain(found[0], found).incomparable == ""  # as many pairs, in half as many steps
    found[0].info["steps"], size = 100, found[1].config["data"]["batch_size"]
    assert gain(found[0], found).incomparable == f"100 steps of {2 * size} against 1000 of {size}"
    del found[0].info["steps"]
    found[0].config["trainer"]["max_epochs"] = 7
    assert gain(found[0], found).incomparable.startswith("trainer.max_epochs=7 against ")
    found = contrast(trained)
    for run in found:  # the backbone's sizes by default are as good as named ones
        run.info["parameters"] = [{"part": "blocks", "parameters": 9}]
    found[0].config["model"]["width"] = None
    assert contrasts.advantage("scratch")(found[0], found).incomparable == ""
    found[2].info["parameters"] = [{"part": "blocks", "parameters": 8}]
    assert contrasts.advantage("scratch")(found[0], found).incomparable.startswith("model.width=None against ")
    found[2].info["parameters"] = found[0].info["parameters"]
    found[2].info["metrics"]["train/accuracy"] = 0.5
    assert (
        contrasts.advantage("scratch")(found[0], found).incomparable == "the other did not fit its training pairs (50%)"
    )
    for key, value in (("templates", ["plain"]), ("pairs", "ordered")):
        other = contrast(trained)
        other[0].config["data"][key] = value
        assert contrasts.matching(other[0], other, "scratch") == []
    del found[0].info["metrics"]["test/accuracy"]
    assert contrasts.advantage("scratch")(found[0], found) is None


def test_arms_that_are_ranked_say_what_else_differs(trained):
    found = contrast(trained)
    assert unequal_arms(found) == ""
    found[0].config["model"]["width"] = 7
    assert unequal_arms(found).startswith("scratch + frozen pretrained table and scratch: model.width=7 against ")
    assert unequal_arms(found[1:]) == ""
    (sentence, *_) = summary.winner(found)
    assert "these two differ in more than the arm (model.width=7 against " in sentence
