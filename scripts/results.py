"""Turn sweeps into the committed results: rows, a table and a picture, read from the runs' records alone.

    python -m scripts.results quick multirun/DATE/TIME [...]
    python -m scripts.results embedding_bands multirun/DATE/TIME [...]
    python -m scripts.results quick             (no sweep: redraw from the committed rows)

Writes rows/NAME.jsonl (a row a run), tables/NAME.md and NAME.png below docs/results.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.accuracy import arms, data_efficiency, learning_curves
from fourier_lightning.figures.chart import ARM_COLOURS, Chart, colours
from fourier_lightning.figures.draw import draw
from fourier_lightning.readings.seeds import by_size
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import find_runs
from fourier_lightning.record.sweep import markdown_table

OUT = Path("docs/results")
NAMES = ["quick", "tuned_scratch", "data_efficiency", "data_efficiency_wide", "embedding_bands"]
METRICS = ("val/accuracy", "test/accuracy", "test/mod_10", "test/within_2", "test/within_10", "train/loss")


def collect(sweep_dirs: list[Path]) -> list[dict[str, Any]]:
    """A row for each finished run of the sweeps; a run directory counts as a sweep of one.

    Raises:
        ConfigError: a directory without a run.
        ValueError: a run did not finish: a result must not leave one out unseen.
    """
    rows: list[dict[str, Any]] = []
    for run in find_runs(sweep_dirs):
        if run.status != "finished":
            raise ValueError(f"{run.dir} is {run.status}")
        curve = {line["step"]: line["val/accuracy"] for line in run.lines if "val/accuracy" in line}
        rows.append(
            {
                "arm": run.arm.key,
                "words": run.arm.words,
                "train_fraction": run.config["data"]["train_fraction"],
                "train_pairs": run.info["rows"]["train"],
                "seed": run.seed,
                "epochs": run.config["trainer"]["max_epochs"],
                "steps": run.info["steps"],
                "train_seconds": round(run.info["train_seconds"], 1),
                **{name: run.metrics[name] for name in METRICS},
                "git": run.info["git"],
                "device": run.info["device"],
                "overrides": run.info["overrides"],
                "curve": [[step, accuracy] for step, accuracy in sorted(curve.items())],
            }
        )
    cells = [(row["arm"], row["train_fraction"], row["seed"]) for row in rows]
    if len(set(cells)) < len(cells):
        raise ValueError("two runs have the same arm, training share and seed: give sweeps that differ in these alone")
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds for each arm and training share, and the worst seed."""
    lines = []
    for members in by_arm(rows).values():
        for fraction in sorted({row["train_fraction"] for row in members}):
            group = [row for row in members if row["train_fraction"] == fraction]
            lowest = min(row["test/accuracy"] for row in group)
            highest = max(row["test/accuracy"] for row in group)
            lines.append(
                {
                    "arm": group[0]["words"],
                    "training pairs": f"{group[0]['train_pairs']:,}",
                    "steps": group[0]["steps"],
                    "seeds": len(group),
                    **{f"{name} %": percent([row[name] for row in group]) for name in METRICS[:5]},
                    "test lowest..highest %": f"{100 * lowest:.2f}..{100 * highest:.2f}",
                    "train loss": f"{statistics.fmean(row['train/loss'] for row in group):.3f}",
                }
            )
    return markdown_table(lines)


def by_arm(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by the key of their arm, the main arms first."""
    order = {key: place for place, key in enumerate(ARM_COLOURS)}
    keys = sorted(dict.fromkeys(row["arm"] for row in rows), key=lambda key: order.get(key, len(order)))
    return {key: [row for row in rows if row["arm"] == key] for key in keys}


def picture(name: str, rows: list[dict[str, Any]]) -> Chart:
    """What the table is about, in a picture."""
    groups = {members[0]["words"]: members for members in by_arm(rows).values()}
    palette = colours(list(groups), {words: members[0]["arm"] for words, members in groups.items()})
    if name.startswith("data_efficiency"):
        named = [{**row, "arm": words} for words, members in groups.items() for row in members]
        return data_efficiency(by_size(named), palette)
    if name == "embedding_bands":
        metrics = ("test/accuracy", "test/mod_10", "test/within_10")
        values = {words: {m: [row[m] for row in members] for m in metrics} for words, members in groups.items()}
        return arms(values, palette)
    curves = {words: [tuple(zip(*row["curve"], strict=True)) for row in members] for words, members in groups.items()}
    return learning_curves(curves, "training step", palette)


def percent(values: list[float]) -> str:
    """Mean ± sample standard deviation, in percent."""
    spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.2f}{spread}"


def places(name: str) -> tuple[Path, Path]:
    """Where a study's rows and its tables are."""
    for folder in ("rows", "tables"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    return OUT / "rows" / f"{name}.jsonl", OUT / "tables" / f"{name}.md"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("sweeps", nargs="*", type=Path, help="sweep or run directories")
    args = parser.parse_args()
    path, shown = places(args.name)
    try:
        rows = collect(args.sweeps) if args.sweeps else read_jsonl(path)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown.write_text(f"<!-- made by python -m scripts.results {args.name} -->\n\n{table(rows)}")
    draw(picture(args.name, rows)).savefig(OUT / f"{args.name}.png", dpi=150)
    print(table(rows))


if __name__ == "__main__":
    main()
