"""One filter, or a grid of cut-offs x bands x modules in a single job."""

from typing import Literal

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.filters import FilterSettings, Modules
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.instruments.base import Findings, Instrument, View
from fourier_lightning.instruments.filtering import SHOWN
from fourier_lightning.instruments.trials import Trials


class FilterGrid(Instrument):
    """Evaluates the filter of ``filter.*``, or every combination of the lists below, each with its controls.

    Writes the table ``filter_grid``: keep, cutoff, modules, method, rank, left, lost, energy, comparable, the metrics
    and the controls' as in ``filter_ablation``. For a single filter logs ``filter/`` + the metrics and
    ``filter/control_<metric>_{mean,std}``.

    Args:
        filter: the filter, and the settings of all filters of the grid.
        keep: ``low`` and/or ``high``; null for ``filter.keep``.
        cutoffs: in k; null for ``filter.cutoff``.
        modules: of ``attn``, ``mlp``, ``attn_mlp``; null for ``filter.modules``.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        filter: FilterSettings,
        keep: list[Literal["low", "high"]] | None = None,
        cutoffs: list[int] | None = None,
        modules: list[Modules] | None = None,
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        for key, values in (("keep", keep), ("cutoffs", cutoffs), ("modules", modules)):
            if values == []:
                raise ConfigError(f"{key}=[]", "empty", "list values, or null for filter.*")
        self.filter, self.cutoffs, self.modules = filter, cutoffs, modules or [filter.modules]
        self.keep = keep

    def selections(self) -> list[Selection]:
        """The bands to keep."""
        chosen = self.filter.selection
        if self.keep is None and self.cutoffs is None:
            return [chosen]
        keeps = self.keep or [chosen.keep]
        return [
            Selection(keep, cutoff, chosen.upper, chosen.components, chosen.periods)
            for keep in keeps
            for cutoff in self.cutoffs or [chosen.cutoff]
        ]

    def check(self, task: Task, width: int) -> None:
        for selection in self.selections():
            try:
                selection.check(fourier_basis(task.p, self.filter.basis))
            except ConfigError as error:
                if self.cutoffs is None:
                    raise
                raise ConfigError(f"cutoffs={self.cutoffs}", *error.args[1:]) from error
            self.filter.check_null_space(selection, task.p, width)

    def measure(self, view: View) -> Findings:
        settings, bench = self.filter, Trials(self, view, self.filter)
        trials = []
        for selection in self.selections():
            for modules in self.modules:
                columns = {"keep": selection.keep, "cutoff": selection.cutoff_at(view.p), "modules": modules}
                columns |= {"method": settings.method, "positions": settings.positions, "basis": settings.basis}
                trials.append(bench.make(selection, modules, settings.method, columns))
        table, _ = bench.run(trials)
        found = Findings({"filter_grid": table})
        if len(table) == 1:
            names = [*SHOWN, *(f"control_{name}_{stat}" for name in SHOWN for stat in ("mean", "std"))]
            found.scalars = {f"filter/{name}": table[0][name] for name in names if table[0][name] is not None}
        return found
