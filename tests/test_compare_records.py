"""The script that holds a record made by new code against one made by old code."""

import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fourier_lightning.record.files import read_jsonl, write_jsonl
from fourier_lightning.record.runs import read_run
from scripts import compare_records


@pytest.fixture
def copied(tiny_runs, tmp_path):
    shutil.copytree(tiny_runs / "0", tmp_path / "new")
    return tmp_path / "new"


def compare(old, new, renamed=()):
    found = compare_records.Comparison(dict(renamed), 1e-5, 1e-8)
    found.compare(read_run(old), read_run(new))
    return found


def change_table(run_dir, name, change):
    path = run_dir / "record" / "tables" / f"{name}.jsonl"
    write_jsonl(path, [change(row) for row in read_jsonl(path)])


def test_a_record_is_its_own_equal_and_additions_are_no_difference(tiny_runs, copied):
    change_table(copied, "lens_accuracy", lambda row: {**row, "more": 1, "accuracy": row["accuracy"] * (1 + 1e-6)})
    (copied / "record" / "arrays" / "new.safetensors").touch()
    found = compare(tiny_runs / "0", copied)
    assert found.found == [] and 1e-7 < found.largest < 1e-5
    assert found.added == ["tables/lens_accuracy more", "arrays/new"]


def test_each_kind_of_difference_is_told(tiny_runs, copied, monkeypatch, capsys):
    arrays = copied / "record" / "arrays"
    (arrays / "heatmap_mlp.safetensors").unlink()
    values = load_file(arrays / "final_logits.safetensors")["final_logits"]
    values[0, 3] += 1
    save_file({"final_logits": values}, arrays / "final_logits.safetensors")
    counts = load_file(arrays / "number_embedding.safetensors")["number_embedding"]
    save_file({"number_embedding": counts.astype(np.float64)}, arrays / "number_embedding.safetensors")
    change_table(copied, "lens_accuracy", lambda row: {**row, "layer": float(row["layer"])})
    change_table(copied, "knock_out", lambda row: {("p" if key == "power" else key): v for key, v in row.items()})
    table = copied / "record" / "tables" / "layer_periods.jsonl"
    write_jsonl(table, read_jsonl(table)[:-1])
    path = copied / "record" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "steps": 7}))
    found = compare(tiny_runs / "0", copied, [("power", "p")])
    told = "\n".join(found.found)
    for text in ("run.json steps: ", "heatmap_mlp is gone", "1 of 41 numbers differ, first at (0, 3)", "float64 (41",
                 "layer -1 before, -1.0 now", "layer_periods: "):  # fmt: skip
        assert text in told
    assert "knock_out" not in told and "knock_out: power is gone" in "\n".join(compare(tiny_runs / "0", copied).found)
    monkeypatch.setattr(sys, "argv", ["compare_records", str(tiny_runs / "0"), str(copied)])
    with pytest.raises(SystemExit) as stop:
        compare_records.main()
    assert stop.value.code == 1 and "DIFFERS: run.json steps" in capsys.readouterr().out
