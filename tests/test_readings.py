"""Readings by hand: rows of Table 1, single waves, learning, seeds, subjects, words."""

import numpy as np
import pytest

from fourier_lightning.readings import filters, learning, seeds, subjects, words
from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.record.arm import Arm
from fourier_lightning.record.runs import Run, find_runs
from tests.records import run_of


def test_spreads_curves_and_sizes_by_hand():
    found = seeds.spread([0.5, 1.0, 0.9])
    assert np.allclose([found.mean, found.deviation], [0.8, np.std([0.5, 1.0, 0.9], ddof=1)])
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
        if value < 3:  # a record that has controls of equal energy
            controls |= {
                "energy": value / 4,
                "control_energy_accuracy_mean": -value,
                "control_energy_accuracy_std": None,
            }
        return {"modules": "mlp", "removed": "low", "method": method, "rank": 9, "refused": refused,
                "control_draws": draws, **dict.fromkeys(names, value), **controls}  # fmt: skip

    one = [row("readout", 1.0), row("projection", 2.0), {**row("readout", 7.0), "modules": "attn"}]
    attn, readout, projection = filters.table_1_means([one, [row("readout", 3.0)]])
    assert (attn["modules"], attn["accuracy"]) == ("attn", 7) and readout["rank"] == 9
    assert (readout["loss"], readout["lost_seeds"], readout["control_loss"]) == (2, [1, 3], 2)
    assert (readout["control_accuracy"], readout["control_deviation"]) == (2, 0.3)
    assert (readout["energy"], readout["control_energy_accuracy"], readout["control_energy_deviation"]) == (0.25, -1, 0)
    assert projection["accuracy"] == 2 and projection["method"] == "projection"
    refused = {**row("projection", 5.0, "no null space"), "control_draws": 0}
    (line,) = filters.table_1_means([[refused]])
    assert line["accuracy"] is line["control_accuracy"] is line["control_energy_deviation"] is line["energy"] is None
    assert line["accuracy_seeds"] == []


def filtered(modules: str, removed: str, method: str, accuracy: float = 0.5, refused: str | None = None) -> dict:
    """A row of Table 1 with what readings ask of it."""
    names = dict.fromkeys(("accuracy", "mod_10", "within_10", "control_accuracy_mean"), accuracy)
    return {"modules": modules, "removed": removed, "method": method, "refused": refused, "control_draws": 3, **names}


def table(method: str, *without: tuple[str, str], **more) -> list[dict]:
    """All rows of Table 1 by one method, the last first, less some."""
    return [filtered(*key, method, **more) for key in list(TABLE_1)[::-1] if key not in without]


def test_the_method_of_a_comparison_has_every_row_of_every_run():
    whole = run_of(filter_ablation=table("projection"))
    assert filters.method_of(whole) == "projection" == filters.method_of(whole, whole)
    for key in TABLE_1:
        lacking = run_of(filter_ablation=table("projection", key) + table("readout"))
        expected = "projection" if key == ("none", "none") else "readout"
        assert filters.method_of(lacking) == filters.method_of(whole, lacking) == expected
    refused = table("projection") + table("readout")
    refused[0]["refused"] = "no null space"
    assert filters.method_in(refused) == filters.method_in() == filters.method_in([]) == "readout"
    for lost, expected in ((0.05, "projection"), (0.0501, "readout")):  # it takes other waves along
        assert filters.method_in([{**row, "lost": lost} for row in table("projection")]) == expected


def test_rows_of_table_1_are_those_of_a_method_in_the_papers_order():
    rows = table("projection", accuracy=0.7) + table("readout", ("none", "none"), accuracy=0.2)
    rows[0]["refused"] = "no null space"
    run = run_of(filter_ablation=rows)
    found = {method: [(r["modules"], r["removed"], r["accuracy"]) for r in part]
             for method, part in filters.tables(run).items()}  # fmt: skip
    key = (rows[0]["modules"], rows[0]["removed"])
    whole = [("none", "none", 0.7), *((*key, 0.2) for key in list(TABLE_1)[1:])]
    assert found == {"readout": whole, "projection": [(*k, 0.7) for k in TABLE_1 if k != key]}
    assert list(filters.table_1(run)) == list(TABLE_1) and filters.table_1(run)["mlp", "low"]["accuracy"] == 0.2
    assert list(filters.table_1(run, "projection")) == [k for k in TABLE_1 if k != key]
    assert filters.row_of(run, "none", "none")["accuracy"] == 0.7 and filters.row_of(run, "mlp", "band") is None


def test_errors_are_those_of_the_method():
    rows = [{**filtered("mlp", "low", method), "error": error} for method in filters.METHODS for error in (1, 2)]
    rows += [{**filtered("none", "none", "readout"), "error": 3}, {**filtered("attn", "low", "readout"), "error": 4}]
    for method in filters.METHODS:
        run = run_of(error_histogram=rows, filter_ablation=table(method))
        found = filters.errors_of(run, "mlp", "low")
        assert [(row["error"], row["method"]) for row in found] == [(1, method), (2, method)]
        assert [row["error"] for row in filters.errors_of(run, "none", "none")] == [3]


def test_a_seed_counts_once_of_runs_that_were_measured():
    runs = [run_of({"seed": seed}, filter_ablation=rows) for seed, rows in ((0, [{}]), (1, []), (0, [{}]), (2, [{}]))]
    assert filters.measured_once(runs) == [runs[2], runs[3]]


def test_single_waves_are_found_by_their_period():
    rows = [{"period": 5.0, "mod_5": None, "mod_2": 0.1}, {"period": 2.0, "mod_5": 0.3, "mod_2": 0.2}]
    run = run_of(single_component=rows)
    assert filters.waves_kept(run, "mod_5") == [rows[1]] and filters.waves_kept(run, "mod_2") == rows
    assert filters.kept_row(run, 2.0, "flow") is rows[1] and filters.kept_row(run, 7.0, "flow") is None
    errors = [{"period": period, "error": error} for period in (2.0, 520.0, 10.0) for error in (0, 1)]
    run = run_of(single_component_errors=errors)
    assert filters.wave_errors(run) == (520.0, errors[2:4]) and filters.wave_errors(run, 10.0) == (10.0, errors[4:])
    assert filters.wave_errors(run, 3.0) == (3.0, [])
    assert filters.wave_errors(run_of()) == (None, []) and filters.wave_errors(run_of(), 2.0) == (2.0, [])


def test_the_costliest_waves_are_of_a_model_that_adds():
    rows = [{"period": float(t), "loss_increase": t / 10, "p_value": 0.05} for t in range(2, 9)]
    adding = run_of({"metrics": {"val/accuracy": 0.5}}, knock_out=rows)
    assert filters.costliest(adding) == rows[:1:-1] and filters.costliest(adding, 1) == rows[-1:]
    assert filters.costliest(run_of({"metrics": {"test/accuracy": 1.0}}, knock_out=rows)) is None
    assert filters.costliest(run_of({"metrics": {"val/accuracy": 0.5}})) is None


def test_near_before_exact_is_the_widest_gap_below_the_last_layer():
    rows = [{"layer": layer, "within_10": near, "accuracy": exact}
            for layer, near, exact in ((-1, 1.0, 0.0), (0, 0.5, 0.4), (0, 0.6, 0.3), (1, 0.9, 0.7), (2, 1.0, 0.1),
                                       (2, 0.9, 0.9))]  # fmt: skip
    assert learning.near_before_exact(run_of(lens_accuracy=rows)) == (rows[2], rows[5])
    assert learning.near_before_exact(run_of(lens_accuracy=[rows[0], rows[1]])) is None
    assert learning.near_before_exact(run_of()) is None


def test_near_misses_are_a_share_of_the_wrong_answers():
    metrics = {"test/accuracy": 0.6, "test/within_2": 0.9}
    share, wrong, rows = learning.near_misses(run_of({"metrics": metrics, "rows": {"test": 50}}))
    assert (share, wrong, rows) == (pytest.approx(0.75), 20, 50)
    for less in ({"metrics": {**metrics, "test/accuracy": 1.0}, "rows": {"test": 50}}, {"metrics": metrics},
                 {"metrics": metrics, "rows": {}}, {"rows": {"test": 50}}):  # fmt: skip
        assert learning.near_misses(run_of(less)) is None


def test_wilsons_interval_is_the_formula():
    for share, n in ((0.5, 10), (1.0, 40), (0.0, 7)):
        z = 1.959963984540054
        middle, reach = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        assert seeds.wilson(share, n) == pytest.approx(
            ((middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n))
        )
    assert seeds.wilson(1.1, 40) == seeds.wilson(1.0, 40) and seeds.wilson(-0.1, 7) == seeds.wilson(0.0, 7)


def test_what_runs_share_to_be_compared():
    data = {"train_fraction": 0.25, "templates": ["format"]}
    run = run_of({"p": 41, "task": {"name": "modular_addition"}, "config": {"data": data}})
    assert seeds.task_of(run) == ("Modular addition, answers 0 to 40", '"a,b+"', "25 % of the pairs")
    data |= {"pairs": "ordered", "templates": ["plain"]}
    assert seeds.task_of(run)[1:] == ("prompts plain", "25 % of the pairs", "ordered")


def arm(*args, **kwargs) -> Run:
    return run_of({"arm": vars(Arm(*args, **kwargs)), "config": {"data": {"templates": ["format"]}}})


def test_subjects_are_told_by_their_arm():
    kinds = {
        "scratch": arm("random", "random", False), "fine-tuned": arm("pretrained", "pretrained", False),
        "rescued": arm("random", "pretrained", True), "as is": arm("pretrained", "pretrained", False, trained=False),
        "low": arm("random", "pretrained", True, keep="low"), "odd": arm("pretrained", "random", False, trained=False),
    }  # fmt: skip
    asked = {subjects.is_scratch: ["scratch"], subjects.fine_tuned: ["fine-tuned"], subjects.rescued: ["rescued"],
             subjects.untouched: ["rescued", "as is"], subjects.uses_format: list(kinds)}  # fmt: skip
    for question, expected in asked.items():
        assert [name for name, run in kinds.items() if question(run)] == expected
    assert not subjects.uses_format(run_of({"config": {"data": {"templates": ["plain", "format"]}}}))


def test_words():
    assert [words.percent(0.99514), words.percent(0.5, 0), words.percent(None)] == ["99.51 %", "50 %", "-"]
    assert [words.seeds(n) for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]
    rows = [{"period": t, "loss_increase": t, "p_value": 0.01} for t in (2.0, 10 / 3, 5.0, 7.0, 8.0, 9.0)]
    run = run_of({"metrics": {"val/accuracy": 1.0}}, knock_out=rows)
    assert words.costliest(run) == "T = 9, 8, 7, 5, 3.33" and words.costliest(run, 1) == "T = 9"
