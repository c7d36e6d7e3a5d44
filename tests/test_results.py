"""The committed results: pictures and tables are drawn from rows that runs left."""

import json
import sys
from pathlib import Path

import pytest

from fourier_lightning.errors import ConfigError
from fourier_lightning.run import train
from scripts import results

ROOT = Path(__file__).resolve().parents[1]


def test_rows_table_and_picture_from_real_runs(tiny, tmp_path, monkeypatch, capsys):
    sweep = tmp_path / "sweep"
    for number, seed in enumerate((0, 1)):
        train(tiny(f"seed={seed}", "logger=none", run_dir=sweep / str(number)), overrides=[f"seed={seed}"])
    monkeypatch.chdir(tmp_path)
    for name in ("quick", "data_efficiency"):
        monkeypatch.setattr(sys, "argv", ["results.py", name, str(sweep)])
        results.main()
        rows = [json.loads(line) for line in Path(f"docs/results/{name}.jsonl").read_text().splitlines()]
        run = json.loads((sweep / "1" / "record" / "run.json").read_text())
        assert rows[1]["test/accuracy"] == run["metrics"]["test/accuracy"]
        assert rows[1]["arm"] == "scratch + frozen pretrained table" and len(rows[1]["curve"]) == 2
        assert Path(f"docs/results/{name}.png").read_bytes().startswith(b"\x89PNG")
    before = Path("docs/results/quick.md").read_text()
    monkeypatch.setattr(sys, "argv", ["results.py", "quick"])
    results.main()  # redrawn from the committed rows
    assert Path("docs/results/quick.md").read_text() == before


def test_an_unfinished_run_is_not_left_out_silently(tiny, tmp_path, monkeypatch):
    train(tiny("logger=none", run_dir=tmp_path / "0"))
    path = tmp_path / "0" / "record" / "run.json"
    path.write_text(path.read_text().replace('"finished"', '"interrupted"'))
    with pytest.raises(ValueError, match="0 is interrupted"):
        results.collect([tmp_path])


@pytest.mark.parametrize("name", ["quick", "tuned_scratch", "data_efficiency"])
def test_the_committed_table_is_made_from_the_committed_rows(name):
    rows = [json.loads(line) for line in (ROOT / f"docs/results/{name}.jsonl").read_text().splitlines()]
    assert results.table(rows) in (ROOT / f"docs/results/{name}.md").read_text()


def test_an_empty_directory_does_not_empty_the_results(tmp_path):
    with pytest.raises(ConfigError, match="no run in"):
        results.collect([tmp_path])
