"""The record: a run's own files, in plain formats, are the truth; W&B and the rest are mirrors.

<run dir>/record/run.json          configuration, versions, seed, device, times, status, final metrics
<run dir>/record/metrics.jsonl     one line a step or epoch: {"step": ..., "epoch": ..., "val/accuracy": ...}
<run dir>/record/tables/<name>.jsonl         one row a line, each with the step and epoch of the weights it is about
<run dir>/record/arrays/<name>.safetensors   one tensor, called <name>, of the latest weights that were looked at
"""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from fourier_lightning.atomic import append, remove_parts, replacing, write_text
from fourier_lightning.checkpoint import recorded
from fourier_lightning.errors import ConfigError
from fourier_lightning.record.files import read_jsonl, write_jsonl

LIBRARIES = ("torch", "pytorch-lightning", "transformers", "torchmetrics", "hydra-core", "wandb")


class RunRecord:
    """Writes a run's record. Every file is complete after each call.

    Args:
        run_dir: the run directory; ``record/`` is made inside it, replacing an earlier run's.
        config: the resolved configuration; empty of answers that no run of ours gave.
        overrides: the command-line overrides that made it.
        resumed_at: step of the checkpoint that the run continues; earlier lines of metrics and tables stay.
        about: further entries of run.json that are known from the start.
        epoch_end: the line of metrics.jsonl that follows the saving of that checkpoint. A run that was killed in
            between has it in the checkpoint alone; what a killed one wrote after it will be written again.
    """

    def __init__(
        self,
        run_dir: str | Path,
        config: dict[str, Any],
        overrides: list[str],
        resumed_at: int = 0,
        about: Mapping[str, Any] | None = None,
        epoch_end: Mapping[str, Any] | None = None,
    ) -> None:
        self.dir, self.resumed_at = Path(run_dir) / "record", resumed_at
        earlier = recorded(run_dir)
        killed = bool(resumed_at) and earlier is not None and earlier.get("status") != "finished"
        self.dir.mkdir(parents=True, exist_ok=True)
        remove_parts(self.dir)
        (self.dir / "metrics.jsonl").touch()
        for lines in [self.dir / "metrics.jsonl", *self.dir.glob("tables/*.jsonl")]:
            kept = [row for row in read_jsonl(lines, cut_off=True) if row["step"] < resumed_at]
            if killed and epoch_end and lines.name == "metrics.jsonl":
                kept = up_to(epoch_end, kept)
            write_jsonl(lines, kept)
            if not kept and lines.name != "metrics.jsonl":
                lines.unlink()
        for array in self.dir.glob("arrays/*.safetensors"):
            array.unlink()
        self.run: dict[str, Any] = {
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": config.get("name"),
            "seed": config.get("seed"),
            "overrides": overrides,
            **(about or {}),
            **({"wandb_id": earlier["wandb_id"]} if earlier and "wandb_id" in earlier else {}),
            "metrics": {},
            "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
            "git": git_revision(),
            "config": config,
        }
        self.update()

    def update(self, **values: Any) -> None:
        """Set entries of run.json and write it, in one move."""
        self.run.update(values)
        write_text(self.dir / "run.json", json.dumps(self.run, indent=2) + "\n")

    def log_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        """Append a line to metrics.jsonl."""
        epoch = {"epoch": int(metrics["epoch"])} if "epoch" in metrics else {}
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        append(self.dir / "metrics.jsonl", json.dumps({"step": step, **epoch, **values}))

    def write_table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows to a table; those of the same steps are replaced.

        Args:
            rows: plain values, ``step`` among them.
        """
        path = self.dir / "tables" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        steps = {row["step"] for row in rows}
        earlier = [row for row in read_jsonl(path) if row["step"] not in steps] if path.is_file() else []
        write_jsonl(path, [*earlier, *rows])

    def write_array(self, name: str, values: torch.Tensor) -> None:
        """Write an array in float32 (integers as they are), replacing one of the same name."""
        path = self.dir / "arrays" / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        values = values.float() if values.is_floating_point() else values
        with replacing(path) as part:
            part.write_bytes(save({name: values.contiguous().cpu().clone()}))


def up_to(line: Mapping[str, Any], lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines up to the one that holds ``line``, or all of them and it."""
    places = [place for place, one in enumerate(lines) if line.items() <= one.items()]
    return [*lines[: places[0] + 1]] if places else [*lines, dict(line)]


def check_history(run_dir: str | Path) -> None:
    """Refuse to go on with a record whose earlier lines are gone or can't be read: what follows would hide it.

    A last line that was cut off is no loss: what it said is measured again.

    Raises:
        ConfigError: naming the file.
    """
    record = Path(run_dir) / "record"
    for path in [record / "metrics.jsonl", *sorted(record.glob("tables/*.jsonl"))]:
        try:
            _ = [row["step"] < 0 for row in read_jsonl(path, cut_off=True)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = "is missing" if isinstance(error, FileNotFoundError) else f"can't be read ({error})"
            remedy = "restore it, or go on in another directory with hydra.run.dir=DIR"
            raise ConfigError(str(path), problem, remedy) from error


def describe_device(device: torch.device, count: int = 1) -> str:
    """The GPU's name, or the CPU and the threads that torch uses; of several devices one, and how many there are."""
    name = device.type
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    if device.type == "cpu":
        name = f"CPU {platform.machine()}, {torch.get_num_threads()} threads"
    return name if count == 1 else f"{count} x {name}"


def git_revision() -> str | None:
    """Commit of the code, with ``+changes`` if the tree differs from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "-C", root, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changed else "")
