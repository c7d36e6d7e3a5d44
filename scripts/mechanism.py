"""Turn runs with instruments into a study's rows, tables and picture, from the runs' records alone.

    python -m scripts.mechanism mechanism RUN_OR_SWEEP_DIR [...]
    python -m scripts.mechanism mechanism               (redraw from the committed rows)

Writes rows/NAME.jsonl (a row of a record's table a line, with the run's arm, regime and seed), tables/NAME.md and, of
runs with a frozen pretrained table, NAME.png below docs/results.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.chart import Axis, Bars, Chart, Panel, Points
from fourier_lightning.figures.draw import draw
from fourier_lightning.readings.filters import by_method, method_in
from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.readings.seeds import finished
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.record.sweep import markdown_table
from scripts.results import OUT, percent, places

Row = dict[str, Any]
NAMES = ["mechanism", "regimes", "fine_tuning", "sentences", "tasks", "splits"]
TABLES = ("filter_ablation", "single_component", "direct_path", "input_waves", "answer_phase", "lens_accuracy")
METRICS = ("val/accuracy", "test/accuracy", "test/mod_10", "test/within_10", "train/accuracy")
FROZEN = "scratch-pretrained-frozen"
TICKS = ("all", "no long", "random", "no short", "random")
PALETTE = {"none": "#3b6ea8", "low": "#c2572b", "short": "#6a51a3"}
KNOCK_OUTS = 10  # those that cost most
DROPPED = ("step", "epoch", "positions", "basis", "fold_ln")


def collect(directories: Sequence[Path]) -> list[Row]:
    """The rows of the models' records, evaluations joined to the runs that trained them."""
    rows: list[Row] = []
    for run in finished(find_runs(directories)):
        whose = {"arm": run.arm.key, "words": run.arm.words, "regime": regime(run), "seed": run.seed}
        metrics = {name: run.metrics[name] for name in METRICS if name in run.metrics}
        made = {name: run.info.get(name) for name in ("git", "device", "steps", "train_seconds", "overrides")}
        curve = [[line["epoch"], round(line["val/accuracy"], 4)] for line in run.lines if "val/accuracy" in line]
        rows.append({"table": "run", **whose, **metrics, **made, "curve": curve})
        for name in TABLES:
            rows += [{"table": name, **whose, **kept(row)} for row in run.table(name)]
        knocked = sorted(run.table("knock_out"), key=lambda row: -row["loss_increase"])[:KNOCK_OUTS]
        rows += [{"table": "knock_out", **whose, **kept(row)} for row in knocked]
    return rows


def kept(row: Row) -> Row:
    """A table's row with five digits, without what all rows share."""
    return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items() if k not in DROPPED}


def regime(run: Run) -> str:
    """Numbers, width and share of the pairs, and what else is not usual: the task, the split, the prompts, a rate."""
    share, width = run.config["data"]["train_fraction"], run.config["model"]["width"]
    told = [run.task["name"].replace("_", " ")] if run.task["name"] != "addition" else []
    told += [f"p {run.p}", f"d {width or 'of the backbone'}", f"{100 * share:g} % of the pairs"]
    told += [f"{run.config['data']['split']} held out"] if run.config["data"].get("split", "random") != "random" else []
    told += ["sentences"] if run.config["data"]["templates"] != ["format"] else []
    rate = run.config["optimizer"].get("table_lr")
    return ", ".join([*told, *([f"table at a rate of {rate:g}"] if rate else [])])


def groups(rows: Sequence[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some columns, in the order in which they come."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def three(rows: Sequence[Row], start: str = "", end: str = "") -> str:
    """Exact, modulo 10 and within 10 in percent, means over seeds."""
    cells = []
    for name in ("accuracy", "mod_10", "within_10"):
        values = [row[f"{start}{name}{end}"] for row in rows if row.get(f"{start}{name}{end}") is not None]
        cells.append(f"{100 * sum(values) / len(values):.0f}" if values else "-")
    return " / ".join(cells)


def trials(rows: Sequence[Row], *keys: str) -> str:
    """A line for each filter: the model under it, and both kinds of controls."""
    lines = []
    for values, mine in groups(rows, *keys).items():
        line = {
            key: "-" if v is None else f"{v:.4g}" if isinstance(v, float) else v
            for key, v in zip(keys, values, strict=True)
        }
        energy = [row["energy"] for row in mine if row.get("energy") is not None]
        line |= {
            "energy": f"{sum(energy) / len(energy):.2f}" if energy else "-",
            "exact / mod 10 / within 10": three(mine),
        }
        line |= {
            "equal energy": three(mine, "control_energy_", "_mean"),
            "equal rank": three(mine, "control_", "_mean"),
        }
        reasons = {row["comparable"] for row in mine if row.get("comparable")}
        lines.append(line | {"not comparable": "; ".join(sorted(reasons)) or "-"})
    return markdown_table(lines)


def flow(rows: Sequence[Row]) -> str:
    """Table 1 in the flow, by one method, beside the paper's accuracy."""
    tables = list(groups(rows, "seed").values())
    method = method_in(*tables)
    chosen = [by_method(table, method) for table in tables]
    found = [
        {**table[key], "paper %": f"{100 * TABLE_1[key][1]:.1f}"} for key in TABLE_1 for table in chosen if key in table
    ]
    return f"By `{method}`.\n\n" + trials(found, "modules", "removed", "paper %")


def phases(rows: Sequence[Row]) -> str:
    """For each module class and period: the best layer's alignment in each seed, and in how many it is real."""
    lines = []
    for (module,), mine in groups(rows, "module").items():
        line: Row = {"what": module}
        for (period,), same in groups(mine, "period").items():
            best = [max(seed, key=lambda r: r["alignment"]) for seed in groups(same, "seed").values()]
            real = sum(any(r["p_value"] <= 0.05 for r in seed) for seed in groups(same, "seed").values())
            line[f"T = {period:.4g}"] = f"{sum(r['alignment'] for r in best) / len(best):.2f} ({real}/{len(best)})"
        lines.append(line)
    return markdown_table(lines)


def lens(rows: Sequence[Row]) -> str:
    """Means over seeds after each module."""
    return markdown_table([
        {"layer": layer, "after": after, "exact / mod 10 / within 10": three(mine)}
        for (layer, after), mine in groups(rows, "layer", "after").items()
    ])  # fmt: skip


def knocked(rows: Sequence[Row]) -> str:
    """The components whose removal costs most, by how many seeds have them among their ten."""
    lines = []
    for (period,), mine in groups(rows, "period").items():
        cost = sum(row["loss_increase"] for row in mine) / len(mine)
        line = {"T": f"{period:.4g}", "seeds": len(mine), "loss increase": f"{cost:.3g}"}
        lines.append({**line, "exact / mod 10 / within 10": three(mine)})
    return markdown_table(sorted(lines, key=lambda line: (-line["seeds"], -float(line["loss increase"])))[:KNOCK_OUTS])


def rescue(rows: Sequence[Row]) -> str:
    """Final metrics of each arm and regime."""
    return markdown_table([
        {"regime": which, "arm": words, "seeds": len(mine), "steps": mine[0]["steps"],
         **{f"{name} %": percent([row[name] for row in mine]) for name in METRICS if all(name in r for r in mine)}}
        for (which, words), mine in groups(rows, "regime", "words").items()
    ])  # fmt: skip


PARTS: tuple[tuple[str, str, Callable[[Sequence[Row]], str]], ...] = (
    ("Table 1, in the flow", "filter_ablation", flow),
    ("Table 1 and single waves, on the direct path", "direct_path", 
     lambda rows: trials(rows, "modules", "removed", "period")),
    ("One wave kept in all modules, in the flow (figures 11, 12)", "single_component",
     lambda rows: trials(rows, "period", "method")),
    ("Waves removed from the operands' input rows", "input_waves", lambda rows: trials(rows, "removed", "period")),
    ("Does a module's wave point at the answer? Largest alignment over layers, mean (seeds where it is real)",
     "answer_phase", phases),
    ("Single waves removed from all modules, in the flow: the costliest", "knock_out", knocked),
    ("Logit lens", "lens_accuracy", lens),
)  # fmt: skip


def report(rows: Sequence[Row]) -> str:
    """All tables."""
    accuracy = rescue([row for row in rows if row["table"] == "run"])
    text = f"## Accuracy\n\n{accuracy}"
    text += "\nTriples are exact / modulo 10 / within 10 in percent, means over seeds, validation split.\n"
    for (which, words), mine in groups(rows, "regime", "words").items():
        if {row["table"] for row in mine} == {"run"}:
            continue
        text += f"\n## {words[0].upper()}{words[1:]}: {which}\n"
        for title, table, show in PARTS:
            found = [row for row in mine if row["table"] == table]
            text += f"\n### {title}\n\n{show(found)}" if found else ""
    return text


SHOWN = (  # rows of input_waves in the picture: what is removed, and whose columns: the filter's, or its control's
    ("nothing removed", "none", "", ""), ("long waves removed", "low", "", ""),
    ("as much at random", "low", "control_energy_", "_mean"), ("T = 2, 2.5, 10/3, 5, 10 removed", "short", "", ""),
    ("as much at random ", "short", "control_energy_", "_mean"),
)  # fmt: skip


def picture(rows: Sequence[Row]) -> Chart:
    """Waves removed from the operands' input rows of the frozen arm: exact, modulo 10, within 10, a dot a seed."""
    regimes = groups([row for row in rows if row["table"] == "input_waves" and row["arm"] == FROZEN], "regime")
    mine = next(iter(regimes.values()))  # of several regimes the first
    panels = []
    for name, title in (("accuracy", "exact"), ("mod_10", "right modulo 10"), ("within_10", "within 10")):
        marks: list[Any] = []
        for place, (label, removed, start, end) in enumerate(SHOWN):
            seen = [100 * row[f"{start}{name}{end}"] for row in mine if row["removed"] == removed]
            colour = "#9aa0a6" if start else PALETTE[removed]
            marks.append(Bars([place], [sum(seen) / len(seen)], label.strip(), colour))
            marks.append(Points([place] * len(seen), seen, "single seeds", "#222222", size=3))
        panels.append(
            Panel(
                title,
                Axis("waves of the operands", ticks=list(enumerate(TICKS))),
                Axis("validation split (%)", limits=(0, 105)),
                marks,
            )
        )
    note = "Waves removed from the operands' vectors alone; grey: random directions of the same energy."
    return Chart("What the model needs its waves for", panels, note, columns=3, width=12)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("runs", nargs="*", type=Path, help="run or sweep directories")
    args = parser.parse_args()
    path, shown = places(args.name)
    try:
        rows = collect(args.runs) if args.runs else read_jsonl(path)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown.write_text(f"<!-- made by python -m scripts.mechanism {args.name} -->\n\n{report(rows)}")
    if any(row["arm"] == FROZEN and row["table"] == "input_waves" for row in rows):
        draw(picture(rows)).savefig(OUT / f"{args.name}.png", dpi=130)


if __name__ == "__main__":
    main()
