"""What single waves are worth: remove one component from all modules, and see what it costs."""

import torch
from torch import Tensor

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.extremes import beyond_random
from fourier_lightning.fourier.filters import FilterSettings, Method
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.fourier.spectrum import coefficients, magnitudes
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.filtering import check_components
from fourier_lightning.instruments.trials import Trials


class KnockOut(Instrument):
    """Removes one component k at a time from all attention and MLP outputs: effect against power.

    A large peak can be causally inert. Writes the table ``knock_out``: component, period, power (mean squared
    magnitude in the unfiltered final logits), rank, left, lost, energy, comparable, loss, loss_increase, accuracy,
    mod_10 and within_10 without it, and mean and standard deviation of loss and accuracy when two random directions of
    the number line go instead; z is the loss against these. ``limit`` is the loss increase from which a component is
    beyond random directions, ``p_value`` how often the largest of as many random ones would cost as much: both are
    corrected for all components looked at (``fourier.extremes``). Logs ``knock_out/largest_loss_increase`` and its
    ``component``.

    Args:
        filter: basis, positions, LayerNorm, seed of the controls.
        method: ``readout`` by default: it takes from a state what the two rows hold of its number logits. A
            ``projection`` takes the directions that the rows read, and those of two random rows are mostly W's largest,
            the longest waves: beside such controls a long wave hardly stands out.
        components: k's; null for all.
        draws: pairs of random rows, shared by all components.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``. By default one batch: 260 components take
            as many passes.
    """

    CONTROLS = (("loss", "mean"), ("loss", "std"), ("accuracy", "mean"), ("accuracy", "std"))
    KEPT = ("rank", "left", "lost", "energy", "comparable", "loss", "accuracy", "mod_10", "within_10")

    def __init__(
        self,
        filter: FilterSettings,
        method: Method = "readout",
        components: list[int] | None = None,
        draws: int = 20,
        every_n_epochs: int = 0,
        limit_batches: int | None = 1,
        batch_size: int = 128,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        if draws < 2:
            raise ConfigError(f"draws={draws}", "too few for a spread", "use 2 or more")
        if components == []:
            raise ConfigError("components=[]", "empty", "list components, or null for all")
        self.filter, self.components, self.draws = filter, components, draws
        self.method: Method = method

    def check(self, task: Task, width: int) -> None:
        check_components(self.components or [], task.p, self.filter, "components")
        self.filter.selection.check(fourier_basis(task.p, self.filter.basis))

    def measure(self, view: View) -> Findings:
        bench, basis = Trials(self, view, self.filter), view.basis(self.filter.basis)
        method = self.method if bench.maker.rank > 2 else "readout"  # a projection would leave nothing
        components = self.components or list(range(1, basis.n_components + 1))
        whole = bench.make(Selection("all"), "attn_mlp", method, {})  # the model itself, beside the controls
        whole.controls = [bench.maker.control(2, method, draw) for draw in range(self.draws)]
        trials = [bench.make(Selection("notch", components=[k]), "attn_mlp", method, {}, draws=0) for k in components]
        # all on the same examples, so that losses can be compared
        (intact, *tried), _ = bench.run([whole, *trials], share=False)
        losses, power = bench.losses(whole), self._power(view)
        increases = torch.tensor([row["loss"] - intact["loss"] for row in tried], dtype=torch.float64)
        limit, p_values = beyond_random(torch.tensor(losses) - intact["loss"], increases, seed=self.filter.seed)
        shared = {f"control_{name}_{stat}": intact[f"control_{name}_{stat}"] for name, stat in self.CONTROLS}
        table: list[Row] = []
        for k, row, increase, p_value in zip(components, tried, increases.tolist(), p_values.tolist(), strict=True):
            columns: Row = {"component": k, "period": float(basis.periods[k - 1]), "power": float(power[k - 1])}
            columns |= {name: row[name] for name in self.KEPT} | {"loss_increase": increase}
            z = (row["loss"] - shared["control_loss_mean"]) / max(shared["control_loss_std"], 1e-12)
            table.append({**columns, "z": z, "limit": limit, "p_value": p_value, **shared, "method": method})
        worst = max(table, key=lambda row: row["loss_increase"])
        scalars = {
            "knock_out/largest_loss_increase": worst["loss_increase"],
            "knock_out/component": worst["component"],
        }
        return Findings({"knock_out": table}, scalars=scalars)

    def _power(self, view: View) -> Tensor:
        """Mean squared magnitude (K,) of each component in the final number logits."""
        basis = view.basis(self.filter.basis)
        total, count = torch.zeros(basis.n_components, dtype=torch.float64), 0
        for batch in self.batches(view):
            logits = view.decoder.answer_logits(batch["prompt"], share=True)[:, view.numbers]
            total += magnitudes(coefficients(logits, basis), basis).square().sum(dim=0).cpu()
            count += len(logits)
        return total / count
