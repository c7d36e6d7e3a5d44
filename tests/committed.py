"""Records rebuilt from committed rows of real runs: numbers that every reading can be held against.

Those of ``golden/narrow`` are of streams narrower than their number line (p = 521). They decide nothing about models,
and have all that a reading can meet: refused filters, both methods, arms with lines and without.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from safetensors.numpy import load_file, save_file

from fourier_lightning.config import load_config
from fourier_lightning.figures.make import slug
from fourier_lightning.record.files import read_jsonl, write_jsonl

NARROW = Path(__file__).resolve().parent / "golden" / "narrow"
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "rows"
ELSEWHERE = ("ckpt_path=", "logger=", "name=", "callbacks.", "~callbacks.")  # not what a run is about
# The default job of when they were made: the paper's range, and of a run without experiment= what is "quick" now.
RANGE, QUICK = (
    "data.max_operand=260",
    ("data.train_fraction=0.2", "size=small", "optimizer=muon", "trainer.max_epochs=40"),
)
METRICS = ("val/", "test/", "train/")


def write_dissected(top: Path) -> Path:
    """The nine dissected checkpoints: everything that is committed of them, the first with planted tables beside it."""
    rows = read_jsonl(NARROW / "dissect.jsonl")
    for number, run in enumerate(row for row in rows if row["table"] == "run"):
        mine = [row for row in rows if (row["arm"], row["seed"]) == (run["arm"], run["seed"])]
        intact = next(row for row in mine if row.get("removed") == "none")  # of the validation split, for what lacks
        run = {f"test/{name}": intact[name] for name in ("mod_10", "within_2", "within_10")} | run
        record = write_run(top / str(number), run, {"analysis_seconds": run["analysis_seconds"]})
        for name in dict.fromkeys(row["table"] for row in mine if row["table"] != "run"):
            write_table(record, name, [row for row in mine if row["table"] == name])
        for path in sorted((NARROW / "arrays" / slug(f"{run['arm']} seed{run['seed']}")).glob("*.safetensors")):
            write_array(record, path.stem, load_file(path)[path.stem])
        if number == 1:
            plant(record)
    return top


def write_trained(top: Path) -> Path:
    """The quick runs and fine-tuned ones, with their learning curves."""
    rows = [row for path in (RESULTS / "quick.jsonl", NARROW / "finetune.jsonl") for row in read_jsonl(path)]
    for number, row in enumerate(rows):
        record = write_run(top / str(number), row, {"steps": row["steps"], "train_seconds": row["train_seconds"]})
        lines = [{"step": step, "epoch": n, "val/accuracy": value} for n, (step, value) in enumerate(row["curve"])]
        write_jsonl(record / "metrics.jsonl", lines)
    return top


def write_mechanism(top: Path) -> Path:
    """The default job of today: all committed tables of five seeds with and without the pretrained table, and more."""
    groups: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    for row in read_jsonl(RESULTS / "mechanism.jsonl"):
        tables = groups.setdefault((row["arm"], row["seed"]), {})
        tables.setdefault(row["table"], []).append({k: v for k, v in row.items() if k not in ("words", "regime")})
    for number, tables in enumerate(groups.values()):
        (run,) = tables.pop("run")
        run = {"test/within_2": tables["filter_ablation"][0]["within_2"]} | run  # of the validation split
        rows = {"train": 1802, "val": 515, "test": 516}
        more = {"p": 201, "steps": run["steps"], "train_seconds": run["train_seconds"], "rows": rows}
        record = write_run(top / str(number), run, more, ())
        lines = [{"step": 8 * n, "epoch": n, "val/accuracy": value} for n, value in run["curve"]]
        write_jsonl(record / "metrics.jsonl", lines)
        for name, mine in tables.items():
            write_table(record, name, mine)
    return top


def write_run(
    run_dir: Path, row: dict[str, Any], more: dict[str, Any], defaults: tuple[str, ...] = (RANGE, *QUICK)
) -> Path:
    """run.json of a committed row, made on top of these overrides; returns the record's directory."""
    record = run_dir / "record"
    for name in ("tables", "arrays"):
        (record / name).mkdir(parents=True)
    overrides = [o for o in row["overrides"] if not o.startswith(ELSEWHERE)]
    config = json.loads(settings(tuple(o for o in overrides if not o.startswith("seed=")), defaults))
    config |= {"seed": row["seed"]}
    config |= {"ckpt_path": next((o[10:] for o in row["overrides"] if o.startswith("ckpt_path=RUN")), None)}
    metrics = {name: value for name, value in row.items() if name.startswith(METRICS)}
    info = {"status": "finished", "seed": row["seed"], "overrides": overrides, "metrics": metrics, "git": row["git"],
            "device": row["device"], "rows": {"train": 27352, "val": 3419, "test": 3420}, "config": config}  # fmt: skip
    (record / "run.json").write_text(json.dumps(info | more))
    return record


@cache
def settings(overrides: tuple[str, ...], defaults: tuple[str, ...]) -> str:
    """The configuration of these overrides as JSON, without the directories of this machine."""
    if any(override.startswith("experiment=") for override in overrides):
        defaults = tuple(default for default in defaults if default not in QUICK)
    config = OmegaConf.to_container(load_config([*defaults, *overrides], Path("run")), resolve=True)
    assert isinstance(config, dict)
    config.pop("paths")
    return json.dumps(config)


def write_table(record: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """A table, its rows about step 0 unless they say otherwise."""
    kept = [{k: v for k, v in row.items() if k not in ("table", "arm", "seed")} for row in rows]
    write_jsonl(record / "tables" / f"{name}.jsonl", [{"step": 0, "epoch": 0, **row} for row in kept])


def write_array(record: Path, name: str, values: np.ndarray) -> None:
    """An array."""
    save_file({name: np.ascontiguousarray(values)}, record / "arrays" / f"{name}.safetensors")


def plant(record: Path, p: int = 521, layers: int = 4) -> None:
    """What is too large to be committed, made up: the readings don't care, as long as it is the same every time."""
    rng, x = np.random.default_rng(0), np.arange(p)
    wave = lambda t, at=0.0: np.cos(2 * np.pi * (x - at) / t)  # noqa: E731
    filters = [(m, r, method) for r in ("low", "high") for m in ("attn_mlp", "attn", "mlp")
               for method in ("readout", "projection")]  # fmt: skip
    counts = [
        (key, error, int(count))
        for key in [("none", "none", "readout"), *filters]
        for error, count in zip((-40, -10, -5, -1, 0, 2, 6, 10, 20), rng.integers(1, 99, 9), strict=True)
    ]
    write_table(record, "error_histogram", [
        dict(zip(("modules", "removed", "method"), key, strict=True), error=error, count=count)
        for key, error, count in counts])  # fmt: skip
    write_table(record, "single_component_errors", [
        {"component": None, "period": t, "method": "readout", "error": error, "count": int(count)}
        for t in (2.0, 520.0) for error, count in zip((-99, -52, 0, 53, 200), rng.integers(1, 99, 5), strict=True)
    ])  # fmt: skip
    total = 3 * wave(10, 8) + 2 * wave(2, 8) + wave(2.5, 8) + 4 * wave(521, 8)
    waves = [{"a": 5, "b": 3, "answer": 8, "predicted": 8, "band": band, "rank": rank, "component": round(p / t),
              "period": t, "amplitude": amplitude, "peak": 8 % t}
             for band, ts in (("all", (521.0, 10.0, 2.0)), ("low", (521.0, 260.5)), ("high", (10.0, 2.0)))
             for rank, (t, amplitude) in enumerate(zip(ts, (4.0, 3.0, 2.0), strict=False), start=1)]  # fmt: skip
    write_table(record, "final_logit_waves", waves)
    write_array(record, "final_logits_topk_sum", total[None].astype(np.float32))
    write_array(record, "final_logits", (total + 0.1 * rng.standard_normal(p))[None].astype(np.float32))
    for module, periods in (("mlp", (2, 100)), ("attn", (5, 10))):
        maps = rng.standard_normal((layers, p)) + np.arange(layers)[:, None] * sum(map(wave, periods))
        write_array(record, f"heatmap_{module}", maps[None].astype(np.float32))
    digits, tenths = np.eye(10)[x % 10], np.eye(10)[x * 10 // p]
    write_array(record, "number_embedding", np.hstack([3 * digits, tenths]).astype(np.float32))
    score = lambda value: dict.fromkeys(("accuracy", "mod_10", "within_10"), value)  # noqa: E731
    grid = [{"keep": "all", "cutoff": None, "modules": "none", "method": "readout", **score(0.9)}] + [
        {"keep": keep, "cutoff": cutoff, "modules": "mlp", "method": "readout", **score(cutoff / 100),
         "rank": 2 * cutoff, "energy": cutoff / 200, "comparable": "collapse: 2 % of the predictions distinct"
         if (keep, cutoff) == ("low", 10) else ""}
        | {f"control_energy_{name}_{stat}": 0.3 if stat == "mean" else 0.02
           for name in ("accuracy", "mod_10", "within_10") for stat in ("mean", "std")}
        for keep in ("low", "high") for cutoff in (10, 50)
    ]  # fmt: skip
    write_table(record, "filter_grid", grid)
