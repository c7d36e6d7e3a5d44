"""The record's formats: JSON lines, and one array a safetensors file."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from safetensors.numpy import load_file
from yaml import YAMLError

from fourier_lightning.atomic import write_text


def read_jsonl(path: str | Path, cut_off: bool = False) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file.

    Args:
        cut_off: forgive a last line that a killed run left unfinished; it is left out.

    Raises:
        ValueError: any other line that can't be read.
    """
    lines = Path(path).read_text().splitlines()
    rows = []
    for index, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if not cut_off or index < len(lines) - 1:
                raise
    return rows


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a JSON-lines file in one move."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def latest_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the last step among them."""
    latest = max((row["step"] for row in rows), default=None)
    return [row for row in rows if row["step"] == latest]


def read_array(path: Path) -> np.ndarray:
    """The file's one tensor, which has the file's name."""
    return load_file(path)[path.stem]


def overrides_of(run_dir: Path) -> list[str]:
    """The command-line overrides that Hydra wrote down for a run, as far as they can be read."""
    try:
        return [str(override) for override in OmegaConf.load(run_dir / ".hydra" / "overrides.yaml")]
    except (OSError, ValueError, YAMLError):
        return []


def tried(run_dir: Path) -> bool:
    """Whether a run was only tried: a ``trainer.fast_dev_run`` leaves no record."""
    given = any(override.lstrip("+").startswith("trainer.fast_dev_run=") for override in overrides_of(run_dir))
    return given and not (run_dir / "record" / "run.json").is_file()


def natural(path: Path) -> tuple[Any, ...]:
    """Sorts 9 before 10."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in path.parts)
