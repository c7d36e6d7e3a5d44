"""Finished, running and failed runs, read back from their records: what reports, figures and claims start from."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError

from fourier_lightning.checkpoint import BEFORE
from fourier_lightning.errors import ConfigError
from fourier_lightning.record import labels
from fourier_lightning.record.arm import UNKNOWN, Arm
from fourier_lightning.record.damage import check_run
from fourier_lightning.record.files import latest_rows, natural, overrides_of, read_array, read_jsonl, tried
from fourier_lightning.record.schema import checked

ENDINGS = {"tables": ".jsonl", "arrays": ".safetensors"}
TRAINED = ("backbone", "embedding", "model", "optimizer", "trainer")  # groups that say how a model came to be


@dataclass(eq=False)
class Run:
    """One run's record.

    Attributes:
        dir: the run directory.
        info: run.json; of a run that ended before its record began, ``status`` and ``overrides`` alone.
        label: the arm and whatever else sets the run apart from the others that it was found with, less the seed.
        damaged: files of the record that are there and could not be read, of those asked for so far.
    """

    dir: Path
    info: dict[str, Any]
    label: str = ""
    damaged: list[str] = field(default_factory=list)
    _read: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> dict[str, Any]:
        """The model that is measured: id, seed, step and config, of the run that trained it where that is another.

        Records of before models had an identity are of models of their own.
        """
        model = self.info.get("model")
        if model is not None and model["id"] != self.info["id"]:
            return model
        own = {"id": self.info.get("id", str(self.dir)), "seed": self.info.get("seed")}
        return {**own, "step": model["step"] if model else None, "config": self.info.get("config", {})}

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, a checkpoint's training settings with it; empty where there is none."""
        own = self.info.get("config", {})
        trained = self.model["config"]
        if trained is own or not own:
            return own
        share = {"train_fraction": trained["data"]["train_fraction"]}
        return {**own, **{name: trained[name] for name in TRAINED}, "data": {**own["data"], **share}}

    @property
    def status(self) -> str:
        """finished, failed, interrupted, or "running" for one that still runs or was killed."""
        return self.info["status"]

    @property
    def seed(self) -> int | None:
        """The model's seed, if known."""
        return self.model["seed"]

    @property
    def arm(self) -> Arm:
        """The arm: run.json's, of older records from the configuration, "unknown" where there is neither."""
        if "arm" in self.info:
            return Arm(**self.info["arm"])
        return Arm.from_config(self.config) if self.config else UNKNOWN

    @property
    def p(self) -> int:
        """Length of the number line; older records have sums on it, and don't say."""
        return self.info["p"] if "p" in self.info else 2 * self.config["data"]["max_operand"] + 1

    @property
    def task(self) -> dict[str, Any]:
        """name, p, cyclic and commutative; an older record is one of addition."""
        addition = {"name": "addition", "cyclic": False, "commutative": True}
        return {**self.info.get("task", addition), "p": self.p}

    @property
    def split(self) -> str:
        """What training did not see, ``data.split``."""
        return str(self.config.get("data", {}).get("split", BEFORE["data.split"]))

    @property
    def metrics(self) -> dict[str, float]:
        """Final metrics; empty unless finished."""
        return self.info.get("metrics", {})

    @property
    def title(self) -> str:
        """For the top of a figure: label, backbone and seed, and its state if it has not finished."""
        words = [self.label or self.arm.words]
        if self.arm.uses_backbone:
            words.append(str(self.config.get("backbone", {}).get("name", "")).replace("_", "-"))
        state = [] if self.status == "finished" else [self.status]
        return ", ".join([*filter(None, words), f"seed {self.seed}", *state])

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table about the latest weights that were looked at; empty if the record has none."""
        path = self.path("tables", name)
        return self._once(f"tables/{name}", lambda: checked(name, latest_rows(read_jsonl(path, cut_off=True)))) or []

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table, of every step that was looked at; empty if the record has none.

        Raises:
            ValueError: a damaged table.
        """
        path = self.path("tables", name)
        return read_jsonl(path, cut_off=True) if path.is_file() else []

    def path(self, kind: Literal["tables", "arrays"], name: str) -> Path:
        """Where a table or an array lies."""
        return self.dir / "record" / kind / f"{name}{ENDINGS[kind]}"

    def array(self, name: str) -> np.ndarray | None:
        """An array; None if the record has none."""
        return self._once(f"arrays/{name}", lambda: read_array(self.path("arrays", name)))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Lines of metrics.jsonl."""
        return self._once("metrics", lambda: read_jsonl(self.dir / "record" / "metrics.jsonl", cut_off=True)) or []

    def names(self, kind: Literal["tables", "arrays"]) -> list[str]:
        """The tables or arrays that the record has, damaged ones too."""
        return sorted(path.stem for path in (self.dir / "record" / kind).glob(f"*{ENDINGS[kind]}"))

    def _once(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a file of the record at its first use; None if it is not there or was cut off while it was written."""
        if name not in self._read:
            try:
                self._read[name] = read()
            except FileNotFoundError:
                self._read[name] = None
            except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError):
                self._read[name] = None
                self.damaged.append(name)
        return self._read[name]

    def has(self, tables: Iterable[str] = (), arrays: Iterable[str] = ()) -> bool:
        """Whether the record has all of these, and something in them."""
        return not self.lacks(tables, arrays)

    def lacks(self, tables: Iterable[str] = (), arrays: Iterable[str] = ()) -> list[str]:
        """Which of these the record does not have."""
        gone = [f"tables/{name}" for name in tables if not self.table(name)]
        gone += [f"arrays/{name}" for name in arrays if self.array(name) is None]
        return [f"{name} (damaged)" if name in self.damaged else name for name in gone]

    def damage(self) -> list[str]:
        """Every file of the record that can't be read, and the one that is missing though every run writes it."""
        missing = "metrics.jsonl (missing)"
        if not self.lines and not (self.dir / "record" / "metrics.jsonl").is_file() and missing not in self.damaged:
            self.damaged += [missing] if self.status == "finished" else []
        for name in self.names("arrays"):
            self.array(name)
        for name in self.names("tables"):
            self.table(name)
        return self.damaged

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Epochs (the first is 1) and values of a metric in metrics.jsonl."""
        points = {line["epoch"] + 1: line[metric] for line in self.lines if metric in line and "epoch" in line}
        return sorted(points), [points[epoch] for epoch in sorted(points)]


def find_runs(dirs: Sequence[str | Path]) -> list[Run]:
    """Every run in or below these directories, labelled, in the order in which they are given.

    A run that ended before its record began is there too, as failed.

    Raises:
        ConfigError: a directory that does not exist or has no run.
    """
    runs: list[Run] = []
    for top in map(Path, dirs):
        if not top.is_dir():
            problem = "a file" if top.exists() else "no such directory"
            raise ConfigError(str(top), problem, "give run or sweep directories, e.g. outputs/DATE/TIME")
        top = top.parent if (top / "run.json").is_file() else top  # RUN/record
        found = {path.parents[1] for path in top.rglob("record/run.json")}
        found |= {path.parents[1] for path in top.rglob(".hydra/overrides.yaml") if not tried(path.parents[1])}
        if not found:
            raise ConfigError(str(top), "no run in it or below", "a run directory has record/run.json")
        runs += [read_run(run_dir) for run_dir in sorted(found, key=natural)]
    runs = list({run.dir.resolve(): run for run in runs}.values())
    label_runs(runs)
    return runs


def label_runs(runs: Sequence[Run]) -> None:
    """Give each run the label of its model, as seen among these runs."""
    known, steps = [run for run in runs if run.config], {}
    for run in known:
        if run.status == "finished":
            steps.setdefault(run.model["id"], set()).add(run.model["step"])
    facts = [
        labels.Facts(
            arm=run.arm,
            config=run.model["config"],
            task=run.task["name"],
            step=run.model["step"] if len(steps.get(run.model["id"], ())) > 1 else None,
            asked=labels.asked(run.config, run.model["config"]),
        )
        for run in known
    ]
    for run in runs:
        run.label = run.arm.words
    for run, label in zip(known, labels.label(facts), strict=True):
        run.label = label


def read_run(run_dir: Path) -> Run:
    """One run, whatever is left of it."""
    path = run_dir / "record" / "run.json"
    try:
        info = json.loads(path.read_text())
        check_run(info)
        return Run(run_dir, info)
    except (OSError, ValueError, RecursionError) as error:
        there = path.is_file()
        reason = f"run.json can't be read: {error}" if there else "it ended before its record began"
        info = {"status": "failed", "error": reason, "overrides": overrides_of(run_dir)}
        return Run(run_dir, info, damaged=["run.json"] if there else [])


def by_label(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs grouped by label; of several of one label and seed, the last one that finished, else the last."""
    groups: dict[str, dict[Any, Run]] = {}
    for run in runs:
        members = groups.setdefault(run.label, {})
        earlier = members.get(run.seed)
        if earlier is None or earlier.status != "finished" or run.status == "finished":
            members[run.seed] = run
    return {label: list(members.values()) for label, members in groups.items()}
