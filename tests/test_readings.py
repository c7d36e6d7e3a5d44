"""Every reading of the committed records is what it was; the planted ones too."""

import json

import numpy as np

from fourier_lightning.readings import filters, learning, seeds
from fourier_lightning.record.runs import find_runs
from tests.golden_readings import GOLDEN, different, readings


def test_every_reading_is_the_golden_one(dissected, trained):
    """If a change of readings is meant, write them anew: python -m tests.golden_readings."""
    found = readings(dissected, trained)
    assert len(found) > 250
    changed = list(different(json.loads(GOLDEN.read_text()), found))
    assert not changed, f"{len(changed)} readings changed:\n" + "\n".join(changed[:20])


def test_spreads_curves_and_sizes_by_hand():
    found = seeds.spread([0.5, 1.0, 0.9])
    assert np.allclose([found.mean, found.deviation], [0.8, np.std([0.5, 1.0, 0.9], ddof=1)])
    assert (found.low, found.high) == seeds.t_interval([0.5, 1.0, 0.9])
    assert seeds.spread([0.5]) == seeds.Spread(0.5) and seeds.spread([]) is None
    x, mean, deviation = seeds.mean_curve([([1, 2, 3], [1, 2, 3]), ([1, 2], [3, 6])])
    assert (x.tolist(), mean.tolist()) == ([1, 2], [2, 4]) and np.allclose(
        deviation, np.std([[1, 2], [3, 6]], 0, ddof=1)
    )
    assert seeds.mean_curve([([1, 2], [3, 4])])[2] is None
    rows = [{"arm": arm, "train_pairs": n, "test/accuracy": value}
            for arm, n, value in (("a", 10, 0.5), ("a", 10, 0.75), ("a", 20, 1.0), ("b", 10, 0.25))]  # fmt: skip
    assert seeds.by_size(rows) == {"a": {10: [0.5, 0.75], 20: [1.0]}, "b": {10: [0.25]}}


def test_arms_are_ranked_by_the_first_metric_that_they_have(trained):
    runs = find_runs([trained])[:3]
    runs[0].info["metrics"] = {"val/accuracy": 0.9, "filter/accuracy": 0.1}
    runs[1].info["metrics"] = {"test/accuracy": 0.7, "val/accuracy": 1.0}
    runs[2].info["metrics"] = {}
    assert [seeds.best([run]) for run in runs] == [0.9, 0.7, -1.0] and np.isclose(seeds.best(runs[:2]), 0.8)
    runs[0].label, runs[1].label, runs[2].label = "a", "b", "c"
    assert list(seeds.grouped(runs[::-1])) == ["a", "b", "c"]
    assert seeds.final(runs, "val/accuracy") == [0.9, 1.0] and seeds.finished(runs) == runs
    runs[0].info["status"] = "failed"
    assert seeds.finished(runs) == runs[1:] and list(seeds.ranking(runs).values()) == [{"b": [0.7]}]


def test_a_curve_reaches_a_level_or_never_does(trained):
    run = find_runs([trained])[0]
    run._read["metrics"] = [{"epoch": e, "val/accuracy": value} for e, value in enumerate((0.1, 0.5, 0.4, 0.9))]
    assert learning.epochs_to(run) == (2, 4) and learning.epochs_to(run, 0.51) == (4, 4)
    assert learning.epochs_to(run, 0.95) == (None, 4)
    run._read["metrics"] = []
    assert learning.epochs_to(run) == (None, 0)


def test_means_of_table_1_over_seeds_by_hand():
    def row(method, value, refused=None, draws=3):
        names = ("loss", "accuracy", "mod_10", "within_10", "left", "lost")
        controls = {"control_loss_mean": value, "control_accuracy_mean": value, "control_accuracy_std": value / 10}
        return {"modules": "mlp", "removed": "low", "method": method, "rank": 9, "refused": refused,
                "control_draws": draws, **dict.fromkeys(names, value), **controls}  # fmt: skip

    one = [row("readout", 1.0), row("projection", 2.0), {**row("readout", 7.0), "modules": "attn"}]
    attn, readout, projection = filters.table_1_means([one, [row("readout", 3.0)]])
    assert (attn["modules"], attn["accuracy"]) == ("attn", 7) and readout["rank"] == 9
    assert (readout["loss"], readout["lost_seeds"], readout["control_loss"]) == (2, [1, 3], 2)
    assert (readout["control_accuracy"], readout["control_deviation"]) == (2, 0.3)
    assert projection["accuracy"] == 2 and projection["method"] == "projection"
    refused = {**row("projection", 5.0, "no null space"), "control_draws": 0}
    (line,) = filters.table_1_means([[refused]])
    assert line["accuracy"] is line["control_accuracy"] is line["control_deviation"] is None
    assert line["accuracy_seeds"] == []
