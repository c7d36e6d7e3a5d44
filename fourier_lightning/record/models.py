"""Which model a run is about: the one that it trains, or the one whose checkpoint it measures."""

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fourier_lightning.record.arm import Arm
from fourier_lightning.record.runs import Run

LEFT_OUT = ("paths", "logger", "callbacks", "ckpt_path", "group", "tags")  # where a run writes, not what it trains


def new_card(config: dict[str, Any]) -> dict[str, Any]:
    """The identity card of a run that begins: what its checkpoints carry as ``hyper_parameters["run"]``.

    Args:
        config: the resolved configuration, plain values.

    Returns:
        ``id`` (12 hexadecimal characters, of the operating system's randomness: no seed is touched), ``seed``,
        ``arm`` (the fields of ``Arm``) and ``config`` (less where it writes).
    """
    settings = {key: value for key, value in config.items() if key not in LEFT_OUT}
    arm = asdict(Arm.from_config(config))
    return {"id": secrets.token_hex(6), "seed": config["seed"], "arm": arm, "config": settings}


@dataclass(eq=False)
class Merged(Run):
    """All runs about one model at one step as if they were one: what any of them measured counts for the model.

    Attributes:
        runs: the run that trained it (else the latest) gives ``dir`` and ``info``; of tables and arrays that several
            have, the latest run's are taken; of ``filter_grid``, the rows of all, each once.
    """

    runs: list[Run] = field(default_factory=list)

    def table(self, name: str) -> list[dict[str, Any]]:
        found = [rows for run in self.runs if (rows := run.table(name))]
        self._note_damage()
        if name == "filter_grid":  # a job for each filter: one table
            return list({repr(row): row for rows in found for row in rows}.values())
        return found[-1] if found else []

    def array(self, name: str) -> np.ndarray | None:
        found = [values for run in self.runs if (values := run.array(name)) is not None]
        self._note_damage()
        return found[-1] if found else None

    def _note_damage(self) -> None:
        self.damaged = list(dict.fromkeys(name for run in self.runs for name in run.damaged))


def models(runs: Iterable[Run]) -> list[Run]:
    """A run for each model, in the order in which they first come: evaluations join the run that trained it.

    Runs are about one model if the identity, the step of the weights and the label (what it was asked) are the same.
    """
    groups: dict[tuple[Any, ...], dict[Run, None]] = {}
    for run in runs:
        parts = run.runs if isinstance(run, Merged) else [run]
        groups.setdefault((run.model["id"], run.model["step"], run.label), {}).update(dict.fromkeys(parts))
    return [merge(list(members)) if len(members) > 1 else next(iter(members)) for members in groups.values()]


def merge(runs: list[Run]) -> Merged:
    """One model's runs as one, finished and later ones last."""
    order = sorted(runs, key=lambda run: (run.status == "finished", run.info.get("started", "")))
    main = next((run for run in order if run.config.get("fit")), order[-1])
    metrics = {name: value for run in order for name, value in run.metrics.items() if not name.startswith("filter/")}
    info = {**main.info, "metrics": {**metrics, **main.metrics}}
    return Merged(main.dir, info, main.label, runs=order)
