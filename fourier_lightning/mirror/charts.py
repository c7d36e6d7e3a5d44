"""Custom charts of W&B: tables with one of W&B's own Vega presets, so that its pages overlay them across runs.

The logger writes them during a run, ``dashboard`` puts them on a page; both read ``CHARTS``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.names import MODULES
from fourier_lightning.readings import cutoffs, filters, paper
from fourier_lightning.record.runs import Run

PRESETS = {"line": ("x", "y", "stroke"), "bar": ("label", "value"), "scatter": ("x", "y")}  # their fields
CONTROLS = {"control_energy": "random, equal energy", "control": "random, equal rank"}
WORDS = {**MODULES, "none": "nothing"}
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class ChartSpec:
    """A custom chart: its preset, the columns that its fields show, and where the rows come from.

    Attributes:
        title: above the chart.
        preset: "line", "bar" or "scatter", see ``PRESETS``; W&B colours each by run.
        columns: of the table, in the order of the preset's fields.
        rows: from a run that has all of ``sources``.
        sources: "tables/<name>" and "arrays/<name>" of the record.
    """

    title: str
    preset: str
    columns: Sequence[str]
    rows: Callable[[Run], Rows]
    sources: Sequence[str]

    @property
    def vega(self) -> str:
        """W&B's name of the preset."""
        return f"wandb/{self.preset}/v0"

    @property
    def fields(self) -> dict[str, str]:
        """Column by field of the preset."""
        return dict(zip(PRESETS[self.preset], self.columns, strict=True))


def spectrum_rows(run: Run) -> Rows:
    """Magnitude of each component k of the number rows."""
    spectrum = run.array("embedding_spectrum")
    return [(k, float(value), "number rows") for k, value in enumerate(spectrum, start=1)]  # type: ignore[arg-type]


def layer_rows(run: Run) -> Rows:
    """Share of each period in what each module writes."""
    rows = run.table("layer_periods")
    return [(row["layer"], row["share"], f"{WORDS[row['module']]}, T = {row['period']:.3g}") for row in rows]


def lens_rows(run: Run) -> Rows:
    """Accuracy after each attention (layer + 0.5) and each MLP (layer + 1); 0 is the embedding."""
    depth = {"embed": 1.0, "attn": 0.5, "mlp": 1.0}
    kinds = {"accuracy": "exact", "within_2": "within 2", "within_10": "within 10"}
    return [
        (row["layer"] + depth[row["after"]], row[name], word)
        for row in run.table("lens_accuracy")
        for name, word in kinds.items()
    ]


def ablation_rows(run: Run) -> Rows:
    """Accuracy under each filter of Table 1, and with as much energy, or as many, of random directions gone."""
    rows: Rows = []
    for row in filters.table_1(run).values():
        name = filter_name(row)
        rows.append((name, row["accuracy"]))
        rows += [(f"{name} ({words})", row[f"{control}_accuracy_mean"]) for control, words in CONTROLS.items()
                 if row.get(f"{control}_accuracy_mean") is not None]  # fmt: skip
    return rows


def error_rows(run: Run) -> Rows:
    """Share of the answers that are off by each error, filter by filter."""
    rows = [row for key in paper.TABLE_1 for row in filters.errors_of(run, *key)]
    totals: dict[str, int] = {}
    for row in rows:
        totals[filter_name(row)] = totals.get(filter_name(row), 0) + row["count"]
    return [(row["error"], row["count"] / totals[filter_name(row)], filter_name(row)) for row in rows]


def filter_name(row: dict[str, Any]) -> str:
    """A filter of Table 1 in words."""
    waves = f"no {row['removed']} waves in {WORDS[row['modules']]}, {row['method']}"
    return "no filter" if row["removed"] == "none" else waves


def wave_rows(metric: str) -> Callable[[Run], Rows]:
    """A metric with one wave kept, and with as much energy, or as many, of random directions gone."""

    def rows(run: Run) -> Rows:
        table = filters.waves_kept(run, metric)
        own: Rows = [(f"T = {row['period']:.3g}", row[metric]) for row in table]
        controls = [(row, words, row.get(f"{control}_{metric}_mean")) for row in table
                    for control, words in CONTROLS.items()]  # fmt: skip
        return own + [(f"T = {row['period']:.3g} ({words})", value) for row, words, value in controls
                      if value is not None]  # fmt: skip

    return rows


def knock_out_rows(*columns: str) -> Callable[[Run], Rows]:
    """Columns of the knock-outs."""
    return lambda run: [tuple(row[name] for name in columns) for row in run.table("knock_out")]


def knock_out_lines(run: Run) -> Rows:
    """Increase of the loss without each component, and the most that as many random directions cost in 95 %."""
    rows = run.table("knock_out")
    lines: Rows = [(row["component"], row["loss_increase"], "without component k") for row in rows]
    return lines + [(row["component"], row["limit"], "the most that random ones cost (5 %)") for row in rows
                    if row.get("limit") is not None]  # fmt: skip


def grid_rows(place: int) -> Callable[[Run], Rows]:
    """A score by cut-off, a line for each band and modules, one for its control, and one for the unfiltered model.

    Args:
        place: of the score in ``Scores``.
    """

    def rows(run: Run) -> Rows:
        lines: Rows = []
        for grid in cutoffs.grids([run]):
            for one in (one for one in grid.outcomes if one.keep in cutoffs.BANDS and one.found):
                name = f"{one.keep}-pass in {WORDS[one.modules]}"
                lines.append((one.cutoff, one.found[place], name))
                lines += [(one.cutoff, one.control[place], f"{name}, {cutoffs.CONTROL}")] if one.control else []
            if grid.whole and grid.cutoffs:
                lines += [(k, grid.whole[place], "no filter") for k in (grid.cutoffs[0], grid.cutoffs[-1])]
        return lines

    return rows


CHARTS: dict[str, ChartSpec] = {
    "embedding_spectrum": ChartSpec("Spectrum of the number embedding over k = p / T", "line",
                                    ("component", "magnitude", "rows"), spectrum_rows, ("arrays/embedding_spectrum",)),
    "layer_periods": ChartSpec("Power share of each period in what each module writes", "line",
                               ("layer", "share", "module"), layer_rows, ("tables/layer_periods",)),
    "lens_accuracy": ChartSpec("Logit-lens accuracy by depth in layers", "line", ("depth", "accuracy", "kind"),
                               lens_rows, ("tables/lens_accuracy",)),
    "ablation_accuracy": ChartSpec("Accuracy without low or high waves, with random controls", "bar",
                                   ("filter", "accuracy"), ablation_rows, ("tables/filter_ablation",)),
    "single_wave_accuracy": ChartSpec("Accuracy with one wave kept", "bar", ("wave", "accuracy"),
                                      wave_rows("accuracy"), ("tables/single_component",)),
    "single_wave_parity": ChartSpec("Parity with one wave kept", "bar", ("wave", "mod_2"), wave_rows("mod_2"),
                                    ("tables/single_component",)),
    "knock_out": ChartSpec("Loss increase without component k", "line", ("component", "loss_increase", "removed"),
                           knock_out_lines, ("tables/knock_out",)),
    "knock_out_power": ChartSpec("Loss increase against the wave's power in the logits", "scatter",
                                 ("power", "loss_increase"), knock_out_rows("power", "loss_increase"),
                                 ("tables/knock_out",)),
    "error_histogram": ChartSpec("Share of the answers by error, filter by filter", "line",
                                 ("error", "share", "filter"), error_rows, ("tables/error_histogram",)),
    "filter_grid": ChartSpec("Exact by cut-off k", "line", ("cutoff", "accuracy", "filter"), grid_rows(0),
                             ("tables/filter_grid",)),
    "filter_grid_mod_10": ChartSpec("Right modulo 10 by cut-off k", "line", ("cutoff", "mod_10", "filter"),
                                    grid_rows(1), ("tables/filter_grid",)),
    "filter_grid_within_10": ChartSpec("Within 10 by cut-off k", "line", ("cutoff", "within_10", "filter"),
                                       grid_rows(2), ("tables/filter_grid",)),
}  # fmt: skip
