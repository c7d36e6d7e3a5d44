"""Committed dissections: tables and pictures are drawn from rows and arrays that runs left."""

import json
import sys
from pathlib import Path

import pytest

from fourier_lightning.run import train
from scripts import bench_instruments, dissect, results
from tests.records import read_table

ROOT = Path(__file__).resolve().parents[1]


def test_rows_tables_and_pictures_from_real_runs(tiny, tmp_path, monkeypatch):
    for seed in (0, 1):
        train(tiny("logger=none", f"seed={seed}", run_dir=tmp_path / str(seed)), overrides=[f"seed={seed}"])
    monkeypatch.chdir(tmp_path)
    Path("docs/results").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["dissect.py", "0", "1"])
    dissect.main()
    text = Path("docs/results/dissect.md").read_text()
    rows = [read_table(tmp_path / str(seed), "filter_ablation")[1] for seed in (0, 1)]
    assert (rows[0]["modules"], rows[0]["removed"], rows[0]["method"]) == ("attn_mlp", "low", "readout")
    assert f"| {dissect.mean([row['loss'] for row in rows])} |" in text
    assert "4.0842" in text and "no null space" in text and "(2 seeds)" in text
    assert all(
        Path(f"docs/results/{name}.png").read_bytes()[:4] == b"\x89PNG" for name in ("layer_maps", "embedding_spectrum")
    )
    monkeypatch.setattr(sys, "argv", ["dissect.py"])
    dissect.main()  # redrawn from the committed rows
    assert Path("docs/results/dissect.md").read_text() == text


def test_an_unfinished_run_is_refused(tiny, tmp_path):
    train(tiny("logger=none"))
    path = tmp_path / "record" / "run.json"
    path.write_text(path.read_text().replace('"finished"', '"failed"'))
    with pytest.raises(ValueError, match="is failed"):
        dissect.collect([tmp_path])


@pytest.mark.parametrize("name", ["embedding_bands", "finetune", "sentences"])
def test_the_committed_training_table_is_made_from_the_committed_rows(name):
    rows = [json.loads(line) for line in (ROOT / f"docs/results/{name}.jsonl").read_text().splitlines()]
    assert results.table(rows) in (ROOT / f"docs/results/{name}.md").read_text()


def test_the_committed_dissection_is_made_from_the_committed_rows():
    rows = [json.loads(line) for line in (ROOT / "docs/results/dissect.jsonl").read_text().splitlines()]
    assert dissect.report(rows) == (ROOT / "docs/results/dissect.md").read_text()
    assert dissect.overview(rows) in (ROOT / "docs/results/narrow.md").read_text()


def test_the_bench_counts_what_the_table_evaluates(tiny):
    """At the tiny size; the figures are for `make bench`."""
    found = bench_instruments._ablation(tiny("logger=none"), rounds=1)
    assert found["rows"] == 10 and found["with controls"] == 1 + 9 * 4  # three projections have no null space
    assert found["passes a row"] > 0
