"""What single waves can do: keep one component in all modules (paper figures 11 and 12)."""

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.fourier.selection import Period, Selection, check_range, parse_periods, usual_periods
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.filtering import check_components, error_rows
from fourier_lightning.instruments.trials import Trials


class SingleComponent(Instrument):
    """Keeps one wave (and the constant) in the outputs of all attention and MLP modules.

    Writes the table ``single_component``: component (k) or period (exact T), method, rank, left, lost, energy,
    comparable, the metrics, and the controls' as in ``filter_ablation``: random filters that keep as many dimensions
    of the number line, or as much of the power. With T = 2 the paper keeps parity
    and loses the number; with T = p - 1 it keeps the magnitude. Table ``single_component_errors``: component, period,
    error, count. Logs ``single/<period_T|k_k>/{accuracy,mod_2,within_10}``.

    Args:
        filter: method, basis, positions, LayerNorm, controls.
        periods: T's, exact; null for 2, 2.5, 5, 10 and p - 1 (the paper's 520), and the negative controls 3 and 7.
        components: k's of the basis.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        filter: FilterSettings,
        periods: list[Period] | None = None,
        components: list[int] | None = None,
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.filter, self.components = filter, components or []
        self.periods = None if periods is None else parse_periods(periods, "periods")
        if self.periods == [] and not self.components:
            raise ConfigError("periods=[]", "nothing to keep", "list periods or components, or remove the callback")

    def check(self, task: Task, width: int) -> None:
        check_range(self.periods or [], task.p, "periods")
        check_components(self.components, task.p, self.filter, "components")

    def measure(self, view: View) -> Findings:
        settings, bench = self.filter, Trials(self, view, self.filter)
        basis = view.basis(settings.basis)
        periods = usual_periods(view.p) if self.periods is None else self.periods
        wanted = [(None, period, Selection("periods", periods=[period])) for period in periods]
        wanted += [(k, float(basis.periods[k - 1]), Selection("components", components=[k])) for k in self.components]
        trials = []
        for k, period, selection in wanted:
            columns = {"component": k, "period": period, "method": settings.method, "positions": settings.positions}
            trials.append(bench.make(selection, "attn_mlp", settings.method, columns))
        table, tallies = bench.run(trials)
        errors = error_rows(table, tallies, ("component", "period", "method"))
        scalars = {
            f"single/{_name(row)}/{name}": row[name]
            for row in table
            for name in ("accuracy", "mod_2", "within_10")
            if row[name] is not None
        }
        return Findings({"single_component": table, "single_component_errors": errors}, scalars=scalars)


def _name(row: Row) -> str:
    return f"period_{row['period']:g}" if row["component"] is None else f"k_{row['component']}"
