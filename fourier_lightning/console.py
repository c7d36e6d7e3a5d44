"""What a run prints: the model before, the results after."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.figures.make import save
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.readings import answers, cutoffs, waves, words
from fourier_lightning.readings.bands import Table as WaveTable
from fourier_lightning.readings.bands import tables, uncontrolled
from fourier_lightning.readings.effects import effects
from fourier_lightning.readings.seeds import finished, grouped, spread
from fourier_lightning.record.runs import Run, read_run
from fourier_lightning.terminal import our_command, terminal, typed

PLACES = {"attn": "attention", "mlp": "MLPs", "attn_mlp": "both"}  # of a filter; short, for 80 columns


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
    run = read_run(Path(run_dir))
    print_findings(console, run)
    print_picture(console, "cutoffs", [run], Path(run_dir))
    console.print(f"Everything this run wrote: {run_dir}", soft_wrap=True)
    console.print(f"To look at it: {our_command('report', run_dir)}", soft_wrap=True)


def print_tried(batches: int) -> None:
    """What a ``fast_dev_run`` has shown."""
    tried = "one batch" if batches == 1 else f"{batches} batches"
    print(f"trainer.fast_dev_run: {tried} of each split went through; nothing is recorded, and no instrument looked")


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
    print(f"A run each: {run_dir}/seed*\nTo compare them: {our_command('report', run_dir)}")


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
            if heights := words.beside_periods(run, module):
                console.print(f"  height at the answer in logits (highest control): {heights}", soft_wrap=True)
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

    for grid in cutoffs.grids([run]):
        print_cutoffs(console, grid)


def print_picture(console: Console, name: str, runs: Sequence[Run], where: Path) -> None:
    """Draw a comparison figure into a run's or a sweep's directory, and say where it is; nothing if there is none."""
    chart = comparison(name, runs)
    path = save(chart, where / "figures" / f"{name}.png") if chart else None
    if path:
        console.print(f"Picture: {path}", soft_wrap=True)


def print_cutoffs(console: Console, grid: cutoffs.Grid, label: str = "") -> None:
    """A line for each filter of a grid: exact, modulo 10 and within 10, beside random directions of equal energy."""
    seeds = words.seeds(max((one.seeds for one in grid.outcomes), default=0))
    title = f"Filters by {grid.method}, {grid.split} split, {seeds}, %{': ' + label if label else ''}"
    table = Table(title=title, title_justify="left")
    table.add_column("waves kept")
    table.add_column("exact / mod 10\n/ within 10", justify="right")
    table.add_column(f"{cutoffs.CONTROL.replace(' of', chr(10) + 'of')}, ± sd", justify="right")
    table.add_column("note")
    letters, place = cutoffs.reasons(grid.outcomes), None
    if grid.whole:
        table.add_row("all: no filter", words.shares(grid.whole))
    for one in grid.outcomes:
        if place != (one.keep, one.modules):
            place = (one.keep, one.modules)
            table.add_section()
            table.add_row(Text(f"{one.keep}-pass in {PLACES[one.modules]}", style="bold"))
        notes = "".join(letters[cutoffs.kind_of(text)][0] for text in cutoffs.invalid_parts(one))
        table.add_row(one.kept, words.shares(one.found), words.shares(one.control, one.spread), notes)
    console.print(table)
    for letter, reason in letters.values():
        console.print(f"{letter}: not comparable: {reason}", soft_wrap=True)


def print_sweep(rows: list[dict[str, Any]], runs: Sequence[Run], sweep_dir: Path) -> None:
    """What a sweep ends with: its table, and of cut-offs or of bands the picture.

    Args:
        rows: of the summary.
        runs: of its jobs, labelled.
        sweep_dir: where the pictures go.
    """
    title = f"Sweep of {sum(row['seeds'] + row['failed'] for row in rows)} jobs: {sweep_dir}"
    console, done = terminal(), finished(runs)
    arms = grouped(done)
    grids = [(label, one) for label, members in arms.items() for one in cutoffs.grids(members) if one.cutoffs]
    if grids:
        console.print(title, soft_wrap=True)
        for row in rows:
            if row["failed"]:
                which = "" if row["settings"] == "(all)" else f": {row['settings']}"
                console.print(f"Failed: {row['failed']} of {row['seeds'] + row['failed']} jobs{which}", soft_wrap=True)
        for label, one in grids:
            print_cutoffs(console, one, label if len(arms) > 1 else "")
    else:
        print_rows(rows, title)
    if groups := tables(done):
        print_bands(groups)
    for name in ("cutoffs", "bands"):
        print_picture(console, name, runs, sweep_dir)


def print_bands(groups: Sequence[Sequence[WaveTable]]) -> None:
    """A line for each frozen table, by the waves that it keeps, and for each of its controls behind it."""
    console, split = terminal(), next(iter(groups[0][0].values)).partition("/")[0]
    table = Table(title=f"Frozen tables by the waves that they keep, {split} split, %", title_justify="left")
    table.add_column("number rows", overflow="fold")
    for name in ("exact", "modulo 10", "within 10", "seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        table.add_section()
        for one in group:
            name = f"  {one.control}" if one.control and one is not group[0] else one.words
            table.add_row(name, *map(deviating, one.values.values()), str(len(next(iter(one.values.values())))))
    console.print(table)
    console.print("Below each table: its controls, with what they share with it.")
    if without := uncontrolled(groups):
        console.print(f"No control of equal rank and energy here: {'; '.join(without)}.", soft_wrap=True)
        console.print("To add it: the same command with embedding.control=shuffled_rows.", soft_wrap=True)


def deviating(values: Sequence[float]) -> str:
    """ "99.0 ± 0.1": mean and standard deviation over seeds, in percent."""
    found = spread(values)
    if found is None:
        return "-"
    return f"{100 * found.mean:.1f}" + ("" if found.deviation is None else f" ± {100 * found.deviation:.1f}")


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
