"""Frozen tables with some of their waves: which control belongs to which, the picture and the table in the terminal."""

import json
from copy import deepcopy

import pytest

from fourier_lightning.config import load_config
from fourier_lightning.console import print_bands
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.readings.bands import tables, uncontrolled
from fourier_lightning.record.runs import Run, find_runs, label_runs
from tests.committed import RESULTS, write_run
from tests.conftest import TINY, train
from tests.test_figures import drawn_both_ways


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The committed runs of the sweep over bands."""
    top = tmp_path_factory.mktemp("bands")
    for number, line in enumerate((RESULTS / "embedding_bands.jsonl").read_text().splitlines()):
        row = json.loads(line)
        more = {"p": 201, "steps": row["steps"], "train_seconds": row["train_seconds"]}
        write_run(top / str(number), row | {"val/mod_10": 0.5, "val/within_10": 0.5}, more, ())
    return find_runs([top])


def test_each_control_stands_behind_the_table_that_it_controls(runs):
    groups = tables(runs)
    assert [[one.words for one in group] for group in groups] == [
        ["all waves", "all waves, control: rows shuffled (equal rank and energy)",
         "all waves, control: random directions (equal power of each wave)",
         "all waves, control: random phases (equal amplitudes in each column)",
         "all waves, control: random directions (equal norms)"],
        ["low-pass: k < 19 (T > 10.6)"], ["high-pass: k >= 19 (T <= 10.6)"], ["only T = 2, 2.5, 10/3, 5, 10"],
        ["synthetic: T = 10, 100, 1000"],
    ]  # fmt: skip
    assert all(len(one.values["test/accuracy"]) == 3 for group in groups for one in group)
    assert uncontrolled(groups) == [group[0].kept for group in groups[1:4]]


def test_a_shuffled_low_pass_is_the_low_passs_own_control(runs):
    """Its configuration says so."""
    low, shuffled = ([run for run in runs if getattr(run.arm, key) == value]
                     for key, value in (("keep", "low"), ("control", "shuffled_rows")))  # fmt: skip
    changed = [Run(run.dir, deepcopy(run.info)) for run in shuffled]
    for run in changed:
        run.info["config"]["embedding"]["keep"] = "low"
    found = [*low, *changed]
    label_runs(found)
    ((own, control),) = tables(found)
    assert control.words == f"{own.kept}, control: rows shuffled (equal rank and energy)"
    assert uncontrolled([[own, control]]) == []


def test_tables_that_do_not_differ_are_no_bands(runs, tiny_runs):
    assert tables([run for run in runs if run.arm.is_rescue]) == []
    assert comparison("bands", find_runs([tiny_runs])) is None


def test_the_table_in_the_terminal_fits_80_columns_and_says_what_has_no_control(runs, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    print_bands(tables(runs))
    lines = capsys.readouterr().out.splitlines()
    assert "Frozen tables by the waves that they keep, test split, %" in lines[0]
    assert max(len(line) for line in lines if line[:1] in "│┃┏└") == 80
    (low,) = [line for line in lines if "low-pass: k < 19" in line and line.startswith("│")]
    assert "99.9 ± 0.2" in low and "100.0 ± 0.0" in low
    assert any(line.startswith("│   rows shuffled") for line in lines)
    assert "No control of equal rank and energy here: low-pass: k < 19 (T > 10.6); high-pass" in lines[-2]
    assert lines[-1] == "To add it: the same command with embedding.control=shuffled_rows."


def test_the_figure_of_real_runs(tiny_runs, tmp_path):
    train(load_config([*TINY, "logger=none", "instruments=none", "data.train_fraction=0.6", "embedding=low"], tmp_path))
    chart = comparison("bands", find_runs([tiny_runs / "0", tiny_runs / "1", tmp_path]))
    drawn_both_ways(chart)
    names = [text.replace("\n", " ") for _, text in chart.panels[0].y.ticks]
    assert names == ["all waves", "low-pass: k < 4 (T > 10.2)"]
    assert "No control of equal rank and energy among these runs: low-pass" in chart.caption
