"""Turn grids of filters into a study's rows, table and picture, from the runs' records alone.

    python -m scripts.cutoffs RUN_DIR [...]     (runs with instruments=filter_grid; several seeds are averaged)
    python -m scripts.cutoffs                   (redraw from the committed rows)

Writes rows/cutoffs.jsonl, tables/cutoffs.md and cutoffs.png below docs/results.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import cutoffs
from fourier_lightning.figures.draw import draw
from fourier_lightning.names import MODULES
from fourier_lightning.readings.cutoffs import CONTROL, Grid, grids
from fourier_lightning.readings.words import SCORES, shares
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.record.sweep import markdown_table
from scripts.gallery import command
from scripts.mechanism import METRICS, kept
from scripts.results import OUT, places

Row = dict[str, Any]
NAME = "cutoffs"


def collect(directories: Sequence[Path]) -> list[Row]:
    """A row a run, then its filters."""
    rows: list[Row] = []
    for run in find_runs(directories):
        if run.status != "finished":
            raise ValueError(f"{run.dir} is {run.status}")
        about = {"model": run.model["id"], "arm": run.arm.key, "words": run.arm.words, "seed": run.seed, "p": run.p}
        metrics = {name: run.metrics[name] for name in METRICS if name in run.metrics}
        made = {"split": run.config["split"], "git": run.info["git"], "command": command(run)}
        rows.append({"table": "run", **about, **made, **metrics})
        whose = {name: about[name] for name in ("model", "arm", "words")}
        rows += [{"table": "filter_grid", **whose, **kept(row)} for row in run.table("filter_grid")]
    return rows


def grid_of(rows: Sequence[Row]) -> tuple[Grid, list[Run]]:
    """The grid, and its runs as far as the rows tell of them."""
    runs = []
    for about in (row for row in rows if row["table"] == "run"):
        mine = [row for row in rows if (row["table"], row["model"]) == ("filter_grid", about["model"])]
        info = {"status": "finished", "id": about["model"], "seed": about["seed"], "p": about["p"]}
        runs.append(Run(Path(), {**info, "config": {"split": about["split"]}}, _read={"tables/filter_grid": mine}))
    (grid,) = grids(runs)
    return grid, runs


def picture(rows: Sequence[Row]) -> Chart:
    """Exact, modulo 10 and within 10 by cut-off."""
    return cutoffs({str(rows[0]["words"]): grid_of(rows)[1]}, {})


def report(rows: Sequence[Row]) -> str:
    """The command, and a line for each filter."""
    grid, runs = grid_of(rows)
    scores = f"{SCORES}, %"
    lines = [{"in": "-", "waves kept": "all", scores: shares(grid.whole), f"{CONTROL}, ± sd": "-", "energy %": "-",
              "not comparable": "-"}]  # fmt: skip
    energy = {(row["keep"], row["modules"], row["cutoff"]): row["energy"] for row in rows if row["table"] != "run"}
    for one in grid.outcomes:
        power = energy[one.keep, one.modules, one.cutoff]
        lines.append({"in": MODULES[one.modules], "waves kept": one.kept, scores: shares(one.found),
                      f"{CONTROL}, ± sd": shares(one.control, one.spread), "energy %": f"{100 * power:.0f}",
                      "not comparable": one.invalid or "-"})  # fmt: skip
    seeds = ", ".join(str(run.seed) for run in runs)
    return f"`{rows[0]['command']}`\n\n{grid.split} split, seed {seeds}, p = {rows[0]['p']}.\n\n{markdown_table(lines)}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run directories")
    args = parser.parse_args()
    path, shown = places(NAME)
    try:
        rows = collect(args.runs) if args.runs else read_jsonl(path)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown.write_text(f"<!-- made by python -m scripts.cutoffs -->\n\n{report(rows)}")
    draw(picture(rows)).savefig(OUT / f"{NAME}.png", dpi=130)


if __name__ == "__main__":
    main()
