"""How soon two arms learn to add: turn a sweep's runs into the study's rows, tables and picture.

    python -m scripts.contrast SWEEP_DIR [...]
    python -m scripts.contrast                  (redraw from the committed rows)

Writes rows/contrast.jsonl, tables/contrast.md and contrast.png below docs/results.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.accuracy import learning_curves
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.draw import draw
from fourier_lightning.readings.onset import LEVELS, reached, times_as_late
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.sweep import markdown_table
from scripts.mechanism import FROZEN, Row, collect, groups, report
from scripts.results import OUT, percent, places

SCORES = ("test/accuracy", "test/mod_10", "test/within_10", "val/accuracy", "train/accuracy")


def epochs_to(row: Row, level: float) -> float | None:
    """Epochs that a run took to reach a validation accuracy."""
    first = reached(row["curve"], level)
    return None if first is None else first + 1  # epochs are counted from 0


def runs_of(rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """The rows of whole runs, by arm."""
    return groups([row for row in rows if row["table"] == "run"], "arm", "words")


def times(rows: Sequence[Row]) -> str:
    """Epochs to each level, a line a run."""
    lines = []
    for (_, words), runs in runs_of(rows).items():
        for row in runs:
            line: dict[str, Any] = {"arm": words, "seed": row["seed"]}
            for level in LEVELS:
                epochs = epochs_to(row, level)
                line[f"epochs to {100 * level:g} %"] = "-" if epochs is None else epochs
            lines.append(line | {f"{name} %": f"{100 * row[name]:.2f}" for name in SCORES})
    return markdown_table(lines)


def ratios(rows: Sequence[Row]) -> str:
    """How many times as late the other arms reach each level, with an interval over seeds."""
    arms = runs_of(rows)
    (early,) = [runs for (arm, _), runs in arms.items() if arm == FROZEN]
    lines = []
    for (arm, words), late in arms.items():
        if arm == FROZEN:
            continue
        line: dict[str, Any] = {"arm": words}
        for level in LEVELS:
            found = [[epochs_to(row, level) for row in runs] for runs in (late, early)]
            if any(value is None for values in found for value in values):
                line[f"to {100 * level:g} %"] = "not all got there"
            else:
                ratio, low, high = times_as_late(*found)  # type: ignore[arg-type]
                line[f"to {100 * level:g} %"] = f"{ratio:.1f} times as late [{low:.1f}, {high:.1f}]"
        lines.append(line)
    return markdown_table(lines)


def text(rows: Sequence[Row]) -> str:
    """All tables."""
    ends = markdown_table([
        {"arm": words, "seeds": len(runs), **{f"{name} %": percent([row[name] for row in runs]) for name in SCORES}}
        for (_, words), runs in runs_of(rows).items()
    ])  # fmt: skip
    return (
        "<!-- made by python -m scripts.contrast -->\n\n"
        f"## How soon, run by run\n\nValidation accuracy, measured after each epoch.\n\n{times(rows)}\n"
        f"## How much later than with the pretrained table\n\n"
        f"Ratio of geometric means over seeds, with Welch's 95 % interval.\n\n{ratios(rows)}\n"
        f"## At the end\n\n{ends}\n{report(rows)}"
    )


def picture(rows: Sequence[Row]) -> Chart:
    """Validation accuracy by epoch of both arms."""
    curves = {
        words: [([epoch + 1 for epoch, _ in row["curve"]], [accuracy for _, accuracy in row["curve"]]) for row in runs]
        for (_, words), runs in runs_of(rows).items()
    }
    return learning_curves(curves)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run or sweep directories")
    args = parser.parse_args()
    path, shown = places("contrast")
    try:
        rows = collect(args.runs) if args.runs else read_jsonl(path)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown.write_text(text(rows))
    draw(picture(rows)).savefig(OUT / "contrast.png", dpi=130)


if __name__ == "__main__":
    main()
