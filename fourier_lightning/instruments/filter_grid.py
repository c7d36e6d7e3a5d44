"""One filter, or a grid of cut-offs x bands x modules in a single job."""

from typing import Literal

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, fourier_basis
from fourier_lightning.fourier.filters import FilterSettings, Modules
from fourier_lightning.fourier.selection import Selection, usual_cutoffs
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.filtering import SHOWN
from fourier_lightning.instruments.trials import Trials

UNFILTERED = ("accuracy", "mod_10", "within_10")  # metrics of the unfiltered model beside those of a single filter


class FilterGrid(Instrument):
    """Evaluates the filter of ``filter.*``, or every combination of the lists below, each with its controls.

    Writes the table ``filter_grid``: keep, cutoff, modules, method, rank, left, lost, energy, comparable, the metrics
    and the controls' as in ``filter_ablation``. Its first row is the unfiltered model (``modules`` is "none"). For a
    single filter logs ``filter/`` + the metrics, ``control_<metric>_{mean,std}`` (random directions of equal rank),
    ``control_energy_<metric>_{mean,std}`` (of equal energy), ``unfiltered_<metric>``, comparable (1 or 0), and of a
    low-pass or high-pass its cutoff and period: all that a chart over a sweep's runs needs.

    Args:
        filter: the filter, and the settings of all filters of the grid.
        keep: ``low`` and/or ``high``; null for ``filter.keep``.
        cutoffs: in k; ``auto``: about a dozen, see ``usual_cutoffs``; null for ``filter.cutoff``.
        modules: of ``attn``, ``mlp``, ``attn_mlp``; null for ``filter.modules``.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        filter: FilterSettings,
        keep: list[Literal["low", "high"]] | None = None,
        cutoffs: list[int] | Literal["auto"] | None = None,
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

    def selections(self, basis: Basis) -> list[Selection]:
        """The bands to keep."""
        chosen = self.filter.selection
        if self.keep is None and self.cutoffs is None:
            return [chosen]
        cutoffs = usual_cutoffs(basis) if self.cutoffs == "auto" else self.cutoffs or [chosen.cutoff]
        return [
            Selection(keep, cutoff, chosen.upper, chosen.components, chosen.periods)  # type: ignore[arg-type]
            for keep in self.keep or [chosen.keep]
            for cutoff in cutoffs
        ]

    def check(self, task: Task, width: int) -> None:
        basis = fourier_basis(task.p, self.filter.basis)
        for selection in self.selections(basis):
            try:
                selection.check(basis)
            except ConfigError as error:
                if self.cutoffs is None:
                    raise
                raise ConfigError(f"cutoffs={self.cutoffs}", *error.args[1:]) from error
            self.filter.check_null_space(selection, task.p, width)

    def measure(self, view: View) -> Findings:
        settings, bench, basis = self.filter, Trials(self, view, self.filter), view.basis(self.filter.basis)
        same = {"method": settings.method, "positions": settings.positions, "basis": settings.basis}
        whole = {"keep": "all", "cutoff": None, "modules": "none", **same}
        trials = [bench.make(Selection("all"), "none", settings.method, whole)]
        for selection in self.selections(basis):
            for modules in self.modules:
                columns = {"keep": selection.keep, "cutoff": selection.cutoff_at(view.p), "modules": modules, **same}
                trials.append(bench.make(selection, modules, settings.method, columns))
        table, _ = bench.run(trials)
        found = Findings({"filter_grid": table})
        if len(table) == 2:
            found.scalars = single(*table, basis)
        return found


def single(whole: Row, row: Row, basis: Basis) -> dict[str, float]:
    """Scalars of a single filter, from its row and the unfiltered model's; without those that are null."""
    kinds = ("control", "control_energy")
    names = [*SHOWN, *(f"{kind}_{name}_{stat}" for kind in kinds for name in SHOWN for stat in ("mean", "std"))]
    values = {name: row[name] for name in names} | {f"unfiltered_{name}": whole[name] for name in UNFILTERED}
    values["comparable"] = float(not row["comparable"])
    if row["keep"] in ("low", "high"):
        values |= {"cutoff": float(row["cutoff"]), "period": basis.length / row["cutoff"]}
    return {f"filter/{name}": value for name, value in values.items() if value is not None}
