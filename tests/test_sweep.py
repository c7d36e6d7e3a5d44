"""Summaries of sweeps, from records alone."""

import json

import pytest

from fourier_lightning.directory import write_settings
from fourier_lightning.record.sweep import jobs, markdown_table, summarise, write_summary


def job(sweep, number, overrides, status="finished", **metrics):
    directory = sweep / str(number)
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    if status is not None:
        (directory / "record").mkdir()
        run = {"status": status, "overrides": overrides, "metrics": metrics, "config": {}}
        (directory / "record" / "run.json").write_text(json.dumps(run))


def test_mean_and_deviation_over_seeds_by_what_differs(tmp_path):
    for number, (model, seed, value) in enumerate([("a", 0, 0.2), ("a", 1, 0.4), ("b", 0, 0.9), ("b", 1, 0.9)]):
        overrides = [f"model={model}", f"seed={seed}", "logger=none"]
        job(tmp_path, number, overrides, **{"val/accuracy": value, "test/accuracy": value})
    job(tmp_path, 4, ["model=b", "seed=2", "logger=none"], status="failed")
    job(tmp_path, 10, ["model=c", "seed=0", "logger=none"], status=None)  # died before its record
    rows = summarise(jobs(tmp_path))
    assert [(row["settings"], row["seeds"], row["failed"]) for row in rows] == [
        ("model=a", 2, 0),
        ("model=b", 2, 1),
        ("model=c", 0, 1),
    ]
    assert rows[0]["val/accuracy/mean"] == pytest.approx(0.3)
    assert rows[0]["val/accuracy/std"] == pytest.approx(0.2 / 2**0.5)
    short = write_summary(tmp_path)
    assert short[0]["val/accuracy"] == "0.3000 ± 0.1414" and short[2]["val/accuracy"] == "-"
    assert json.loads((tmp_path / "summary.json").read_text()) == rows
    assert (tmp_path / "summary.md").read_text().count("\n") == 2 + 3


def test_an_arms_runs_are_one_row_whichever_command_ran_them(tmp_path):
    """What counts are the settings, not what was typed; runs that have nothing else to tell them apart stay apart."""
    values = {"val/accuracy": 0.5}
    for number, (overrides, settings) in enumerate(
        [
            (["seed=0"], {"model.name": "b", "seed": 0, "name": "x"}),  # the default
            (["model=b", "logger=none", "seed=1"], {"model.name": "b", "seed": 1, "name": "x"}),
            (["seed=2", "model=b", "ckpt_path=auto"], {"model.name": "b", "seed": 2, "name": "x", "ckpt_path": "auto"}),
            (["name=x", "seed=0", "model=a"], {"model.name": "a", "seed": 0, "name": "x"}),
            (["name=y", "model=a", "seed=0"], {"model.name": "a", "seed": 0, "name": "y"}),
        ]
    ):
        job(tmp_path, number, overrides, **values)
        write_settings(tmp_path / str(number), settings)
    rows = summarise(jobs(tmp_path))
    assert [(row["settings"], row["seeds"]) for row in rows] == [
        ("model=b", 3),
        ("name=x model=a", 1),
        ("name=y model=a", 1),
    ]


def test_one_seed_has_no_deviation_and_an_empty_sweep_no_rows(tmp_path):
    assert write_summary(tmp_path) == [] and markdown_table([]) == ""
    job(tmp_path, 0, ["seed=0"], **{"val/accuracy": 0.5})
    assert write_summary(tmp_path)[0]["val/accuracy"] == "0.5000"


def test_jobs_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        job(tmp_path, number, [f"seed={number}"])
    assert [run.dir.name for run in jobs(tmp_path)] == ["1", "2", "10"]


def test_a_job_of_several_seeds_counts_each(tmp_path):
    job(tmp_path, 0, ["model=a", "seeds_in_parallel=2"], status=None)
    for seed, value in ((0, 0.2), (1, 0.4)):
        where = tmp_path / "0" / f"seed{seed}" / "record"
        where.mkdir(parents=True)
        run = {"status": "finished", "overrides": ["model=a", f"seed={seed}"], "metrics": {"val/accuracy": value}}
        (where / "run.json").write_text(json.dumps({**run, "config": {}}))
    [row] = summarise(jobs(tmp_path))
    assert (row["seeds"], row["failed"], row["val/accuracy/mean"]) == (2, 0, pytest.approx(0.3))
