"""Turn analysed checkpoints into the committed results: rows, tables and pictures, from the runs' records alone.

    python -m scripts.dissect RUN_DIR [RUN_DIR ...]      (each made with fit=false, or any finished run)
    python -m scripts.dissect                            (redraw from the committed rows and arrays)

Writes into docs/results: dissect.jsonl (a row for each row of the records' tables, with arm and seed), dissect.md
(Table 1 beside the paper's, single waves, lens, periods), arrays/<arm>-seed<n>/ (the spectra), embedding_spectrum.png
and layer_maps.png.
"""

import argparse
import json
import re
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.draw import draw as drawn
from fourier_lightning.figures.make import slug
from fourier_lightning.figures.spectra import MODULES, embedding_spectra, layer_components
from fourier_lightning.readings.filters import by_method, method_in, table_1_means
from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.readings.waves import beyond_trend
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import find_runs
from fourier_lightning.record.sweep import markdown_table
from scripts.committed import arm_in
from scripts.results import OUT, percent

TABLES = ("filter_ablation", "single_component", "lens_accuracy", "layer_periods", "embedding_periods")
ARRAYS = ("embedding_spectrum", "embedding_spectrum_limit", *(
    f"layer_component_{module}{suffix}" for module in ("attn", "mlp") for suffix in ("", "_of_mean", "_rms", "_limit")
))  # fmt: skip
KNOCK_OUTS = 20  # those that cost most


def collect(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of the runs' records, and copies of their arrays.

    Raises:
        ConfigError: a directory without a run.
        ValueError: a run did not finish.
    """
    rows: list[dict[str, Any]] = []
    for run in find_runs(runs):
        if run.status != "finished":
            raise ValueError(f"{run.dir} is {run.status}")
        share = run.config["data"]["train_fraction"]
        trained = f", {100 * share:g} % of the pairs" if run.arm.trained else ""
        whose = {"arm": run.arm.words + trained, "seed": run.seed}
        measured = {name: run.metrics[name] for name in ("test/accuracy", "val/accuracy")}
        given = run.info["overrides"]
        overrides = [re.sub(r"^ckpt_path=.*(/checkpoints/)", r"ckpt_path=RUN\1", each) for each in given]
        made = {"git": run.info["git"], "device": run.info["device"], "overrides": overrides}
        rows.append({"table": "run", **whose, **measured, **made, "analysis_seconds": run.info["analysis_seconds"]})
        for name in TABLES:
            rows += [{"table": name, **whose, **row} for row in run.table(name)]
        components = [r for r in run.table("embedding_components") if r["significant"] or beyond_trend(r)]
        rows += [{"table": "embedding_components", **whose, **row} for row in components]
        knocked = sorted(run.table("knock_out"), key=lambda row: -row["loss_increase"])
        rows += [{"table": "knock_out", **whose, **row} for row in knocked[:KNOCK_OUTS]]
        target = OUT / "arrays" / folder(whose["arm"], whose["seed"])
        target.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            shutil.copy(run.path("arrays", name), target)
    return rows


def folder(arm: str, seed: int) -> str:
    """A directory name for an arm and seed."""
    return slug(f"{arm} seed{seed}")


def arms(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by arm, in the order in which arms first come."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["arm"], []).append(row)
    return grouped


def by_seed(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of one arm, a table a seed."""
    return [[row for row in rows if row["seed"] == seed] for seed in dict.fromkeys(row["seed"] for row in rows)]


def overview(rows: list[dict[str, Any]]) -> str:
    """Table 1 by the method that all arms have: accuracy and the controls' in percent, trained arms side by side."""
    lines = [{"filtered": modules, "removed": removed, "paper": f"{100 * accuracy:.2f}"}
             for (modules, removed), (_, accuracy) in TABLE_1.items()]  # fmt: skip
    rows = [row for row in rows if row["table"] == "filter_ablation"]
    method = method_in(*(table for members in arms(rows).values() for table in by_seed(members)))
    for arm, members in arms(rows).items():
        if arm_in(arm).as_is:
            continue
        tables = [by_method(mine, method) for mine in by_seed(members)]
        for line, key in zip(lines, TABLE_1, strict=True):
            found = [table[key] for table in tables]
            line[arm] = percent([row["accuracy"] for row in found])
            controls = [row["control_accuracy_mean"] for row in found if row["control_draws"]]
            line[f"control {len(line) // 2 - 1}"] = percent(controls) if controls else "-"
    return markdown_table(lines)


def table_1(rows: list[dict[str, Any]]) -> str:
    """The seven rows by each method, mean over seeds, beside the paper's."""
    lines = []
    for row in table_1_means(by_seed(rows)):
        loss, accuracy = TABLE_1[row["modules"], row["removed"]]
        line = {"filtered": row["modules"]} | {name: row[name] for name in ("removed", "method", "rank")}
        line |= {name: number(row[name]) for name in ("left", "lost", "loss")}
        for name in ("accuracy", "mod_10", "within_10"):
            line[f"{name} %"] = percent(row[f"{name}_seeds"]) if row[f"{name}_seeds"] else "no null space"
        line["control loss"] = number(row["control_loss"])
        drawn = row["control_accuracy"] is not None
        shown = f"{100 * row['control_accuracy']:.2f} ± {100 * row['control_deviation']:.2f}" if drawn else "-"
        lines.append({**line, "control accuracy %": shown, "paper loss": loss, "paper %": f"{100 * accuracy:.2f}"})
    return markdown_table(lines)


def number(value: float | None) -> str:
    """Four digits; a dash for none."""
    return "-" if value is None else f"{value:.4g}"


def mean(values: list[float]) -> str:
    """Mean to four digits; a dash for none."""
    return f"{statistics.fmean(values):.4g}" if values else "-"


def averaged(rows: list[dict[str, Any]], keys: list[str], columns: list[str]) -> str:
    """Means over seeds of some columns, a line for each combination of keys."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for combination, members in groups.items():
        line = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in zip(keys, combination, strict=True)}
        lines.append(line | {c: mean([r[c] for r in members if r[c] is not None]) for c in columns})
    return markdown_table(lines)


def report(rows: list[dict[str, Any]]) -> str:
    """All tables, arm by arm."""
    text = f"<!-- made by scripts/dissect.py -->\n\n## Table 1 at a glance\n\n{overview(rows)}"
    for arm, members in arms(rows).items():
        by_table = {name: [row for row in members if row["table"] == name] for name in {r["table"] for r in members}}
        accuracy = percent([row["test/accuracy"] for row in by_table["run"]])
        text += f"\n## {arm[0].upper() + arm[1:]}\n\nTest accuracy {accuracy} % ({len(by_table['run'])} seeds).\n"
        text += f"\n### Table 1, validation split\n\n{table_1(by_table['filter_ablation'])}"
        text += "\n### One wave kept in all modules\n\n"
        metrics = ["rank", "left", "loss", "accuracy", "mod_2", "mod_5", "mod_10", "within_10", "mae"]
        text += averaged(by_table["single_component"], ["period", "method"], [*metrics, "control_accuracy_mean"])
        text += "\n### Logit lens\n\n"
        lens = ["accuracy", "within_2", "within_10", "mod_2", "mod_5", "mod_10"]
        text += averaged(by_table["lens_accuracy"], ["layer", "after"], lens)
        text += "\n### Periods in what attention and MLPs write\n\n"
        found = ["share", "expected", "z", "p_value", "z_permutation"]
        text += averaged(by_table["layer_periods"], ["module", "layer", "period"], found)
        text += "\n### Periods in the number embedding\n\n"
        nulls = ["share", "z", "p_value", "p_value_random_init", "p_value_gaussian", "z_detrended", "p_value_detrended"]
        text += averaged(by_table["embedding_periods"], ["period"], nulls)
        seed = by_table["run"][0]["seed"]
        components = [row for row in by_table.get("embedding_components", []) if row["seed"] == seed]
        for title, beyond in (("all three nulls", lambda r: r["significant"]), ("the detrended null", beyond_trend)):
            listed = [r for r in sorted(components, key=lambda r: -r["power"]) if beyond(r)]
            names = ", ".join(f"{r['component']} ({r['period']:.4g})" for r in listed) or "none"
            text += f"\nComponents beyond {title}, k (period), strongest first, seed {seed}: {names}.\n"
        text += f"\n### The ten knock-outs that cost most, seed {seed}\n\n"
        worst = [row for row in by_table["knock_out"] if row["seed"] == seed][:10]
        text += averaged(worst, ["component", "period"], ["power", "lost", "loss_increase", "accuracy", "z"])
    return text


def draw(rows: list[dict[str, Any]]) -> None:
    """The two pictures, of the first seed of each arm."""
    from safetensors.numpy import load_file

    first = {arm: min(row["seed"] for row in members) for arm, members in arms(rows).items()}
    array = lambda arm, name: load_file(  # noqa: E731
        OUT / "arrays" / folder(arm, first[arm]) / f"{name}.safetensors"
    )[name]
    p = 521
    components = {
        arm: [r for r in members if r["table"] == "embedding_components" and r["seed"] == first[arm]]
        for arm, members in arms(rows).items()
    }
    spectra = {
        arm: (array(arm, "embedding_spectrum"), array(arm, "embedding_spectrum_limit"), components[arm])
        for arm in first
    }
    drawn(embedding_spectra(spectra, p)).savefig(OUT / "embedding_spectrum.png", dpi=130)
    maps = {
        f"{arm}: {name}": tuple(array(arm, f"layer_component_{module}{suffix}") for suffix in ("", "_rms", "_limit"))
        for arm in first
        for module, name in MODULES.items()
    }
    drawn(layer_components(maps, p)).savefig(OUT / "layer_maps.png", dpi=130)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run directories")
    args = parser.parse_args()
    path = OUT / "dissect.jsonl"
    try:
        rows = collect(args.runs) if args.runs else read_jsonl(path)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (OUT / "dissect.md").write_text(report(rows))
    draw(rows)


if __name__ == "__main__":
    main()
