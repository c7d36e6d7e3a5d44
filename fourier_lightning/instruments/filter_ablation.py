"""What the model gets wrong without the low or the high waves: Table 1 of the paper, with fair controls."""

from fourier_lightning.data.task import Task
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.filters import METHODS, FilterSettings
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.instruments.base import Findings, Instrument, View
from fourier_lightning.instruments.filtering import error_rows
from fourier_lightning.instruments.trials import Trials

# (modules, removed) of the paper's seven rows, in its order
TABLE_1 = (
    ("none", "none"),
    *((modules, removed) for removed in ("low", "high") for modules in ("attn_mlp", "attn", "mlp")),
)
CONTROLS = [f"control{kind}_accuracy_{stat}" for kind in ("", "_energy") for stat in ("mean", "std")]


class FilterAblation(Instrument):
    """Removes the low or the high waves from the outputs of attention, of MLPs, or of both, in every layer.

    Writes the table ``filter_ablation``: the paper's seven rows by each method; where a projection's null space is
    empty the row says so in ``refused`` and has no numbers. Columns: modules, removed, cutoff (k), method, positions,
    basis, fold_ln, rank, left and lost (see ``filters.Filter``), energy (share of the power of what the modules really
    add that the filter changes), comparable (empty, or why this is no fair question to this model), the metrics, and
    ``control_<metric>_mean`` and ``_std`` over random filters of equal rank, ``control_energy_...`` of equal energy
    (``control_energy_rows`` random rows of the number line, on average). Table
    ``error_histogram``: modules, removed, method, error, count. Logs, for ``filter.method``,
    ``ablation/<attn|mlp|attn_mlp>/<low|high>_removed/`` with accuracy, mod_10, within_10, loss, and
    accuracy's mean and standard deviation under both kinds of controls.

    Args:
        filter: cut-off, basis, positions, LayerNorm, controls; ``keep`` and ``modules`` are the table's own.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self, filter: FilterSettings, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 512
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.filter = filter

    def check(self, task: Task, width: int) -> None:
        self.filter.selection.check(fourier_basis(task.p, self.filter.basis))

    def measure(self, view: View) -> Findings:
        settings, bench = self.filter, Trials(self, view, self.filter)
        cutoff = Selection(cutoff=settings.cutoff).cutoff_at(view.p)
        trials = []
        for modules, removed in TABLE_1:
            keep = {"none": "all", "low": "high", "high": "low"}[removed]
            selection = Selection(keep, cutoff)  # type: ignore[arg-type]
            for method in METHODS if removed != "none" else [settings.method]:
                columns = {"modules": modules, "removed": removed, "cutoff": cutoff, "method": method}
                columns |= {"positions": settings.positions, "basis": settings.basis, "fold_ln": settings.fold_ln}
                trials.append(bench.make(selection, modules, method, columns))
        table, tallies = bench.run(trials)
        errors = error_rows(table, tallies, ("modules", "removed", "method"))
        scalars = {
            f"ablation/{row['modules']}/{row['removed']}_removed/{name}": row[name]
            for row in table
            if row["removed"] != "none" and row["method"] == settings.method
            for name in ("accuracy", "mod_10", "within_10", "loss", *CONTROLS)
            if row[name] is not None
        }
        return Findings({"filter_ablation": table, "error_histogram": errors}, scalars=scalars)
