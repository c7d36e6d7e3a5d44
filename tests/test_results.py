"""The committed results: pictures and tables are drawn from rows that runs left."""

import json
import sys
from pathlib import Path

import pytest

from fourier_lightning.errors import ConfigError
from scripts import bench_instruments, contrast, cutoffs, headline, mechanism, results, time_to_98
from tests.conftest import train

ROOT = Path(__file__).resolve().parents[1]


def test_rows_table_and_picture_from_real_runs(tiny, tmp_path, monkeypatch, capsys):
    sweep = tmp_path / "sweep"
    for number, seed in enumerate((0, 1)):
        train(tiny(f"seed={seed}", "logger=none", run_dir=sweep / str(number)), overrides=[f"seed={seed}"])
    monkeypatch.chdir(tmp_path)
    for name in ("quick", "data_efficiency"):
        monkeypatch.setattr(sys, "argv", ["results.py", name, str(sweep)])
        results.main()
        rows = [json.loads(line) for line in Path(f"docs/results/rows/{name}.jsonl").read_text().splitlines()]
        run = json.loads((sweep / "1" / "record" / "run.json").read_text())
        assert rows[1]["test/accuracy"] == run["metrics"]["test/accuracy"]
        assert rows[1]["arm"] == "scratch-pretrained-frozen" and len(rows[1]["curve"]) == 2
        assert Path(f"docs/results/{name}.png").read_bytes().startswith(b"\x89PNG")
    before = Path("docs/results/tables/quick.md").read_text()
    monkeypatch.setattr(sys, "argv", ["results.py", "quick"])
    results.main()  # redrawn from the committed rows
    assert Path("docs/results/tables/quick.md").read_text() == before


def test_an_unfinished_run_is_not_left_out_silently(tiny, tmp_path, monkeypatch):
    train(tiny("logger=none", run_dir=tmp_path / "0"))
    path = tmp_path / "0" / "record" / "run.json"
    path.write_text(path.read_text().replace('"finished"', '"interrupted"'))
    with pytest.raises(ValueError, match="0 is interrupted"):
        results.collect([tmp_path])


def test_tables_and_picture_of_a_study_from_a_real_run(offline_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mechanism.py", "mechanism", str(offline_run.dir)])
    mechanism.main()
    rows = [json.loads(line) for line in Path("docs/results/rows/mechanism.jsonl").read_text().splitlines()]
    text = Path("docs/results/tables/mechanism.md").read_text()
    for table in mechanism.TABLES:
        recorded = [json.loads(line) for line in (offline_run.dir / f"record/tables/{table}.jsonl").open()]
        last = [row for row in recorded if row["step"] == recorded[-1]["step"]]
        assert len(last) == sum(row["table"] == table for row in rows), table
    (low,) = [row for row in rows if row["table"] == "input_waves" and row["removed"] == "low"]
    assert f"| low | - | {low['energy']:.2f} | {100 * low['accuracy']:.0f} / {100 * low['mod_10']:.0f} / " in text
    assert Path("docs/results/mechanism.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(sys, "argv", ["mechanism.py", "mechanism"])
    mechanism.main()  # redrawn from the committed rows
    assert Path("docs/results/tables/mechanism.md").read_text() == text


@pytest.mark.parametrize("path", sorted((ROOT / "docs/results/rows").glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_committed_table_is_made_from_the_committed_rows(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    reports = {**dict.fromkeys(mechanism.NAMES, mechanism.report), cutoffs.NAME: cutoffs.report}
    reports |= {"contrast": contrast.text, "time_to_98": time_to_98.table, "headline": headline.table}
    made = reports.get(path.stem, results.table)(rows)
    assert (ROOT / f"docs/results/tables/{path.stem}.md").read_text().endswith(made)


def test_the_grids_rows_table_and_picture_from_a_real_run(grid_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cutoffs.py", str(grid_run.dir)])
    cutoffs.main()
    rows = [json.loads(line) for line in Path("docs/results/rows/cutoffs.jsonl").read_text().splitlines()]
    text = Path("docs/results/tables/cutoffs.md").read_text()
    assert len(rows) == 1 + 13 and len(text.splitlines()) == 8 + 13 and "| - | all | " in text
    assert str(tmp_path.anchor) + "tmp" not in json.dumps(rows)  # no path of this machine
    assert Path("docs/results/cutoffs.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(sys, "argv", ["cutoffs.py"])
    cutoffs.main()  # redrawn from the committed rows
    assert Path("docs/results/tables/cutoffs.md").read_text() == text


def test_the_readme_says_of_the_grid_what_its_rows_say():
    rows = [json.loads(line) for line in (ROOT / "docs/results/rows/cutoffs.jsonl").read_text().splitlines()]
    found = {(one.keep, one.modules, one.cutoff): one for one in cutoffs.grid_of(rows)[0].outcomes}
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "](docs/results/cutoffs.png)" in readme and rows[0]["command"].removeprefix("python ") in readme
    short, long = found["high", "mlp", 19], found["low", "mlp", 24]
    own, control = 100 * short.found.mod_10, 100 * short.control.mod_10
    assert f"modulo 10 in {own:.0f} % (random directions of equal energy: {control:.0f} %)" in readme
    own, control, spread = (100 * one.within_10 for one in (long.found, long.control, long.spread))
    assert f"within 10 in {own:.0f} % ({control:.0f} ± {spread:.0f} %)" in readme


def test_an_empty_directory_does_not_empty_the_results(tmp_path):
    with pytest.raises(ConfigError, match="no run in"):
        results.collect([tmp_path])


def test_the_bench_counts_what_the_table_evaluates(tiny):
    """At the tiny size; the figures are for `make bench`."""
    found = bench_instruments._ablation(tiny("logger=none"), rounds=1)
    assert found["rows"] == 10 and found["with controls"] == 1 + 9 * 4  # three projections have no null space
    assert found["passes a row"] > 0
