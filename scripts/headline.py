"""The headline over seeds and splits: how much of the spread is the seed's, how much the choice of training pairs'?

    python train.py -m seed=0,1,2,3,4 data.split_seed=0,1,2
    python -m scripts.headline SWEEP_DIR
    python -m scripts.headline                  (the table again, from the committed rows)

Writes rows/headline.jsonl and tables/headline.md below docs/results.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.errors import ConfigError
from fourier_lightning.readings.seeds import finished
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.record.runs import find_runs
from fourier_lightning.record.sweep import markdown_table
from scripts.mechanism import FROZEN
from scripts.results import places

Row = dict[str, Any]
NUMBERS = {  # column, what it is, and the claim whose measure gives it
    "test/accuracy": ("test accuracy", "rescue_perfect"),
    "input_short": ("within 10 less modulo 10 without T = 2, 2.5, 10/3, 5, 10 at the input", "input_short"),
    "input_long": ("modulo 10 less within 10 without the frequencies below the cut-off there", "input_long"),
}
CAPPED = {  # ratios that end at 16 times, log2: cell by cell alone
    "mlp_third_log2": ("log2 of MLPs over their controls, third-highest of T = 2, 2.5, 5, 10", "mlp_outliers"),
    "attn_third_log2": ("the same of attention", "attention_outliers"),
}


def collect(directories: Sequence[Path]) -> list[Row]:
    """A row for each run: its seed, its split and the numbers.

    Raises:
        ConfigError: a cell of the cross that is missing, or there twice.
    """
    measures = {claim.name: claim.measure for claim in CLAIMS}
    rows = []
    for run in finished(find_runs(directories)):
        if run.arm.key != FROZEN:
            continue
        row: Row = {"arm": run.arm.key, "words": run.arm.words, "seed": run.seed}
        row |= {"split_seed": run.config["data"]["split_seed"]}
        for name, (_, claim) in {**NUMBERS, **CAPPED}.items():
            measure = measures[claim]
            measured = measure(run, []) if measure else None
            row[name] = None if measured is None else measured.value
        rows.append({**row, **{name: run.info.get(name) for name in ("git", "device", "train_seconds", "overrides")}})
    cells = sorted((row["seed"], row["split_seed"]) for row in rows)
    whole = sorted((seed, split) for seed in {s for s, _ in cells} for split in {t for _, t in cells})
    where = " ".join(map(str, directories))
    if len({seed for seed, _ in cells}) < 2 or len({split for _, split in cells}) < 2:
        remedy = "give runs of train -m seed=0,1,2,3,4 data.split_seed=0,1,2"
        raise ConfigError(where, "not several seeds on several splits", remedy)
    if cells != whole:
        missing = [f"seed={seed} data.split_seed={split}" for seed, split in whole if (seed, split) not in cells]
        remedy = f"train {missing[0]}" if missing else "leave out what is there twice"
        raise ConfigError(where, "not every seed with every split, once", remedy)
    return rows


def components(values: np.ndarray) -> dict[str, float]:
    """Variance components of a crossed design (seeds, splits) without replicates, by expected mean squares.

    Returns:
        mean; seed, split and rest (both together, and noise) as standard deviations; error of the mean over other seeds
        and splits.
    """
    seeds, splits = values.shape
    by_seed, by_split, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - by_seed[:, None] - by_split[None] + mean
    residual = float((rest**2).sum() / ((seeds - 1) * (splits - 1)))
    of_seed = max(0.0, float(by_seed.var(ddof=1)) - residual / splits)
    of_split = max(0.0, float(by_split.var(ddof=1)) - residual / seeds)
    error = (of_seed / seeds + of_split / splits + residual / (seeds * splits)) ** 0.5
    sizes = {"seed": of_seed**0.5, "split": of_split**0.5, "rest": residual**0.5}
    return {"mean": float(mean), **sizes, "error of the mean": error}


def table(rows: Sequence[Row]) -> str:
    """The components of each number, and the numbers cell by cell."""
    seeds, splits = (sorted({row[name] for row in rows}) for name in ("seed", "split_seed"))
    cell = {(row["seed"], row["split_seed"]): row for row in rows}
    lines, cells = [], []
    for name, (words, _) in {**NUMBERS, **CAPPED}.items():
        values = np.array([[cell[seed, split][name] for split in splits] for seed in seeds], dtype=float)
        if name in NUMBERS:
            lines.append({"number": words, **{key: f"{value:.4f}" for key, value in components(values).items()}})
        for seed, row in zip(seeds, values, strict=True):
            shown = {f"split {split}": f"{value:.4f}" for split, value in zip(splits, row, strict=True)}
            cells.append({"number": words, "seed": seed, **shown})
    return f"{markdown_table(lines)}\n\n{markdown_table(cells)}\n"


def main() -> None:
    """Write the rows of runs, if any are given, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", type=Path, help="of the sweep")
    args, (path, shown) = parser.parse_args(), places("headline")
    try:
        rows = collect(args.directories) if args.directories else read_jsonl(path)
        text = table(rows)
    except (OSError, ValueError, KeyError, ConfigError) as error:
        parser.exit(2, f"error: {error}\n")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown.write_text(f"<!-- made by python -m scripts.headline -->\n\n{text}")


if __name__ == "__main__":
    main()
