"""What a run left, for tests that look at one table or array."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from fourier_lightning.record.runs import Run, read_run


def read_table(run_dir: str | Path, name: str) -> list[dict[str, Any]]:
    """Rows of the latest weights; a table that is not there fails the test."""
    rows = read_run(Path(run_dir)).table(name)
    assert rows, f"no table {name} in {run_dir}"
    return rows


def read_array(run_dir: str | Path, name: str) -> torch.Tensor:
    """An array of a run's record."""
    return torch.from_numpy(read_run(Path(run_dir)).array(name))


def run_of(info: dict[str, Any] | None = None, arrays: dict[str, np.ndarray] | None = None, **tables: Any) -> Run:
    """A run in memory alone: run.json's entries (p = 521 unless they say otherwise), arrays, rows of tables."""
    read = {f"tables/{name}": rows for name, rows in tables.items()}
    read |= {f"arrays/{name}": np.asarray(values) for name, values in (arrays or {}).items()}
    return Run(Path("nowhere"), {"status": "finished", "p": 521, **(info or {})}, "x", _read=read)
