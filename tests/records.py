"""What a run left, for tests that look at one table or array."""

from pathlib import Path
from typing import Any

import torch

from fourier_lightning.record.runs import read_run


def read_table(run_dir: str | Path, name: str) -> list[dict[str, Any]]:
    """Rows of the latest weights; a table that is not there fails the test."""
    rows = read_run(Path(run_dir)).table(name)
    assert rows, f"no table {name} in {run_dir}"
    return rows


def read_array(run_dir: str | Path, name: str) -> torch.Tensor:
    """An array of a run's record."""
    return torch.from_numpy(read_run(Path(run_dir)).array(name))
