"""Turn a prompted run into the committed results, from its record alone.

    python -m scripts.prompted RUN_DIR

Writes into docs/results: prompted_answers.csv (a, b, answer: what ``fourier-lightning errors`` reads; answers that are
numbers), prompted.jsonl (summary, errors, lens, direct path, number rows, and of each module and period the layer of
the largest alignment).
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from fourier_lightning.record.runs import Run, read_run
from scripts.results import OUT

WHOLE = ("answer_summary", "answer_errors", "embedding_periods", "lens_accuracy", "direct_path")


def rows_of(run: Run) -> list[dict[str, Any]]:
    """The rows to be committed; nothing in them names a directory."""
    made = [each for each in run.info["overrides"] if not each.startswith(("backbone.path=", "hydra.run.dir="))]
    model = {"model": run.config["backbone"]["name"], "task": run.task["name"]}
    rows = [{"table": "run", **model, "git": run.info["git"], "device": run.info.get("device"), "overrides": made}]
    for name in WHOLE:
        rows += [{"table": name, **row} for row in run.table(name)]
    largest: dict[tuple[str, float], dict[str, Any]] = {}
    for row in run.table("answer_phase"):
        key = (row["module"], row["period"])
        if key not in largest or row["alignment"] > largest[key]["alignment"]:
            largest[key] = row
    return [*rows, *({"table": "answer_phase", **row} for row in largest.values())]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    run = read_run(parser.parse_args().run)
    if not run.has(tables=["answers"]):
        parser.exit(2, f"error: {run.dir}: no table answers; run it with instruments=[answers,...]\n")
    (OUT / "prompted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(run)))
    with (OUT / "prompted_answers.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["a", "b", "answer"])
        answers = [[*row["operands"], row["said"]] for row in run.table("answers")]
        table.writerows(row for row in answers if row[-1] is not None)
    if unread := sum(row[-1] is None for row in answers):
        print(f"{unread} of {len(answers)} answers mean no number: left out of the table")


if __name__ == "__main__":
    main()
