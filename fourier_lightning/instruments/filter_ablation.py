"""What the model gets wrong without the low or the high waves: Table 1 of the paper, with controls of equal rank."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.filters import METHODS, Filter, FilterMaker, FilterSettings, Method
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.instruments.base import Instrument, View
from fourier_lightning.instruments.filtering import Tally, Variant, evaluate, filter_modules
from fourier_lightning.metrics import MODULI, WITHIN

SHOWN = ("loss", "accuracy", *(f"mod_{n}" for n in MODULI), *(f"within_{n}" for n in WITHIN), "mae")
# (modules, removed) of the paper's seven rows, in its order
TABLE_1 = (
    ("none", "none"),
    *((modules, removed) for removed in ("low", "high") for modules in ("attn_mlp", "attn", "mlp")),
)


@dataclass
class Row:
    """A filter to be tried, with its controls.

    Attributes:
        columns: of the table, before the results.
        filter: to be applied; None if it can't be made, with the reason in ``refused``.
        controls: of the same rank.
    """

    columns: dict[str, Any]
    modules: str
    filter: Filter | None = None
    controls: list[Filter] = field(default_factory=list)
    refused: str | None = None


def make_row(
    maker: FilterMaker, selection: Selection, modules: str, method: Method, draws: int, columns: dict[str, Any]
) -> Row:
    """A row with its filter and controls, or with the reason why there is none."""
    try:
        chosen = maker.make(selection, method)
        count = chosen.control_rows
        controls = [maker.control(count, method, draw) for draw in range(draws)] if count else []
    except ConfigError as error:  # the weights have fewer directions than their shape allows
        return Row(columns, modules, refused=str(error))
    return Row(columns, modules, chosen, controls)


def try_rows(
    instrument: Instrument, view: View, settings: FilterSettings, rows: Sequence[Row]
) -> tuple[list[dict[str, Any]], list[Tally | None]]:
    """Evaluate rows and their controls in one pass over the instrument's examples.

    Returns:
        table rows (the columns, then rank, left and lost of the filter, the metrics, and mean and standard deviation
        of the controls' metrics), and the tally of each row's own filter.
    """
    variants: dict[tuple[str, int], Variant] = {}  # rows of one rank share their controls: evaluate each once
    wanted: list[list[tuple[str, int]]] = []
    for row in rows:
        filters = [row.filter, *row.controls] if row.filter is not None else []
        wanted.append([(row.modules, id(chosen)) for chosen in filters])
        for key, chosen in zip(wanted[-1], filters, strict=True):
            variants[key] = filter_modules(row.modules, chosen) if chosen.removed else Variant()
    tallies = evaluate(view.module, instrument.batches(view), list(variants.values()), settings.positions)
    by_key = dict(zip(variants, tallies, strict=True))
    grouped = [[by_key[key] for key in keys] for keys in wanted]
    table = [_columns(row, group) for row, group in zip(rows, grouped, strict=True)]
    return table, [group[0] if group else None for group in grouped]


def error_rows(
    table: Sequence[dict[str, Any]], tallies: Sequence[Tally | None], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """How often each row's own filter led to each error (prediction minus answer): the keys, error, count."""
    return [
        {**{key: row[key] for key in keys}, "error": error, "count": count}
        for row, tally in zip(table, tallies, strict=True)
        for error, count in (tally.histogram() if tally else {}).items()
    ]


def _columns(row: Row, tallies: list[Tally]) -> dict[str, Any]:
    columns: dict[str, Any] = dict(row.columns)
    for name in ("rank", "left", "lost"):
        columns[name] = None if row.filter is None else getattr(row.filter, name)
    own, *controls = [tally.means() for tally in tallies] or [dict.fromkeys(SHOWN)]
    columns |= {name: own[name] for name in SHOWN}
    for name in SHOWN:
        values = [control[name] for control in controls]
        columns[f"control_{name}_mean"] = statistics.fmean(values) if values else None
        columns[f"control_{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    return {**columns, "control_draws": len(controls), "refused": row.refused}


class FilterAblation(Instrument):
    """Removes the low or the high waves from the outputs of attention, of MLPs, or of both, in every layer.

    Writes the table ``filter_ablation``: the paper's seven rows by each method; where a projection's null space is
    empty the row says so in ``refused`` and has no numbers. Columns: modules, removed, cutoff (k), method, positions,
    basis, fold_ln, rank, left and lost (see ``filters.Filter``), the metrics, and ``control_<metric>_mean`` and
    ``_std`` over the random controls. Table ``error_histogram``: modules, removed, method, error, count. Logs, for
    ``filter.method``, ``ablation/<attn|mlp|attn_mlp>/<low|high>_removed/`` with accuracy, loss,
    control_accuracy_mean and control_accuracy_std.

    Args:
        filter: cut-off, basis, positions, LayerNorm, controls; ``keep`` and ``modules`` are the table's own.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self, filter: FilterSettings, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 512
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.filter = filter

    def check(self, data: ArithmeticDataModule, width: int) -> None:
        self.filter.selection.check(fourier_basis(data.p, self.filter.basis))

    def measure(self, view: View) -> None:
        settings, maker = self.filter, view.filters(self.filter)
        cutoff = Selection(cutoff=settings.cutoff).cutoff_at(view.p)
        rows = []
        for modules, removed in TABLE_1:
            keep = {"none": "all", "low": "high", "high": "low"}[removed]
            selection = Selection(keep, cutoff)  # type: ignore[arg-type]
            for method in METHODS if removed != "none" else [settings.method]:
                columns = {"modules": modules, "removed": removed, "cutoff": cutoff, "method": method}
                columns |= {"positions": settings.positions, "basis": settings.basis, "fold_ln": settings.fold_ln}
                rows.append(make_row(maker, selection, modules, method, settings.draws, columns))
        table, tallies = try_rows(self, view, settings, rows)
        view.table("filter_ablation", table)
        view.table("error_histogram", error_rows(table, tallies, ("modules", "removed", "method")))
        view.log(
            {
                f"ablation/{row['modules']}/{row['removed']}_removed/{name}": row[name]
                for row in table
                if row["removed"] != "none" and row["method"] == settings.method
                for name in ("accuracy", "loss", "control_accuracy_mean", "control_accuracy_std")
                if row[name] is not None
            }
        )
