"""What a run prints: the model before, the results after."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.readings import answers, waves, words
from fourier_lightning.readings.effects import effects
from fourier_lightning.record.runs import Run, read_run
from fourier_lightning.terminal import terminal, typed


def print_setup(
    parameters: list[dict[str, Any]], data: ArithmeticDataModule, title: str, notes: Sequence[str] = ()
) -> None:
    """The parameter table (trainable and frozen), the data in a line, and what else was chosen for this run."""
    table = Table(title=title, title_justify="left")
    table.add_column("part")
    for column in ("parameters", "trainable", "frozen"):
        table.add_column(column, justify="right")
    for row in parameters:
        table.add_row(
            row["part"],
            f"{row['parameters']:,}",
            f"{row['trainable']:,}",
            f"{row['parameters'] - row['trainable']:,}",
        )
    total, trainable = (sum(row[key] for row in parameters) for key in ("parameters", "trainable"))
    table.add_section()
    table.add_row("all", f"{total:,}", f"{trainable:,}", f"{total - trainable:,}")
    console = terminal()
    console.print(table)
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in data.split.items())
    rows = f"{len(data.operands):,} {'pairs' if len(data.task.letters) == 2 else 'rows'}"
    console.print(f"{rows}: {sizes}; answers 0..{data.p - 1}; {len(data.vocabulary)} tokens")
    for note in notes:
        console.print(note, soft_wrap=True)


def print_results(metrics: dict[str, float], run_dir: str | Path, train_seconds: float) -> None:
    """Final metrics by split, what the instruments found, and where everything lies."""
    console = terminal()
    splits = [split for split in ("train", "val", "test") if f"{split}/accuracy" in metrics]
    table = Table(title=f"Results after {train_seconds:.0f} s of training", title_justify="left")
    table.add_column("metric")
    for split in splits:
        table.add_column(split, justify="right")
    for name in NumberMetrics.names:
        style = "bold" if name == "accuracy" else None
        table.add_row(name, *(f"{metrics[f'{split}/{name}']:.4f}" for split in splits), style=style)
    if splits:  # an encoder is not asked anything
        console.print(table)
    print_findings(console, read_run(Path(run_dir)))
    console.print(f"Everything this run wrote: {run_dir}", soft_wrap=True)
    console.print(f"To look at it: fourier-lightning report {shlex.quote(str(run_dir))}", soft_wrap=True)


def print_seeds(metrics: dict[int, dict[str, float]], run_dir: str | Path, train_seconds: float) -> None:
    """Final accuracies of seeds that trained as one, and where each of them lies."""
    splits = [
        split for split in ("train", "val", "test") if any(f"{split}/accuracy" in one for one in metrics.values())
    ]
    rows = [
        {"seed": seed, **{f"{split}/accuracy": f"{one[f'{split}/accuracy']:.4f}" for split in splits}}
        for seed, one in metrics.items()
    ]
    print_rows(rows, f"Results after {train_seconds:.0f} s of training, {len(rows)} seeds as one")
    print(f"A run each: {run_dir}/seed*\nTo compare them: fourier-lightning report {shlex.quote(str(run_dir))}")


def print_interrupted(run_dir: str | Path) -> None:
    """Where a stopped run lies, and how it goes on."""
    last = Path(run_dir) / "checkpoints" / "last.ckpt"
    resume = f"; the same command with {typed('ckpt_path', last)} goes on" if last.is_file() else ""
    terminal().print(f"\nInterrupted. What there is: {run_dir}{resume}", soft_wrap=True)


def print_findings(console: Console, run: Run) -> None:
    """What the instruments found, in a few lines; nothing where none was on."""
    beyond, asked = (", ".join(f"{t:.3g}" for t in periods) for periods in waves.embedding_periods(run))
    if asked:
        console.print(f"Number embedding: T = {beyond or 'none'} beyond all nulls, of T = {asked}")
    if run.table("answer_phase"):
        for module, name in (("mlp", "MLPs write"), ("attn", "Attention writes")):
            console.print(f"{name} of the answer's waves: {words.written([run], module)}")
    if told := words.by_carries(run):
        console.print(f"Right in {told}")
    if told := answers.summary(run):
        console.print(answers.in_words(told), soft_wrap=True)
    if run.table("knock_out"):
        console.print(f"Costliest waves to remove: {words.costliest(run)}")
    found = effects([run])
    if found:
        console.print(f"Accuracy with waves removed: {words.SCORES}")
    for effect in found:
        how = f" ({effect.method})" if effect.method else ""
        console.print(f"  {words.removed(effect)}: {words.beside(effect)}: {effect.reading}{how}", soft_wrap=True)


def print_rows(rows: list[dict[str, Any]], title: str) -> None:
    """Any table of dictionaries with the same keys."""
    console, table = terminal(), Table(title=title, title_justify="left")
    cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(len(column), *(len(row[index]) for row in cells)) for index, column in enumerate(rows[0])]
    fits = sum(widths) + 3 * len(widths) < console.width  # else all columns give way, and none vanishes
    for index, column in enumerate(rows[0]):
        table.add_column(column, overflow="fold", no_wrap=index > 0 and fits, min_width=None if index else 16)
    for row in cells:
        table.add_row(*row)
    console.print(table)
