"""What single waves can do: keep one component in all modules, or remove one (paper figures 11 and 12)."""

import torch

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.filters import FilterSettings, Method
from fourier_lightning.fourier.selection import Period, Selection, check_range, parse_periods
from fourier_lightning.fourier.spectrum import coefficients, magnitudes
from fourier_lightning.instruments.base import Instrument, View
from fourier_lightning.instruments.filter_ablation import error_rows, make_row, try_rows


class SingleComponent(Instrument):
    """Keeps one wave (and the constant) in the outputs of all attention and MLP modules.

    Writes the table ``single_component``: component (k) or period (exact T), method, rank, the metrics, and the
    controls' (random filters that keep as many dimensions of the number line). With T = 2 the paper keeps parity
    and loses the number; with T = p - 1 it keeps the magnitude. Table ``single_component_errors``: component, period,
    error, count. Logs ``single/<period_T|k_k>/{accuracy,mod_2,within_10}``.

    Args:
        filter: method, basis, positions, LayerNorm, controls.
        periods: T's, exact; null for 2, 2.5, 5, 10 and p - 1 (the paper's 520).
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

    def check(self, data: ArithmeticDataModule, width: int) -> None:
        check_range(self.periods or [], data.p, "periods")
        check_components(self.components, data.p, self.filter, "components")

    def measure(self, view: View) -> None:
        settings, maker = self.filter, view.filters(self.filter)
        basis = view.basis(settings.basis)
        periods = self.periods if self.periods is not None else [2.0, 2.5, 5.0, 10.0, view.p - 1.0]
        wanted = [(None, period, Selection("periods", periods=[period])) for period in periods]
        wanted += [(k, float(basis.periods[k - 1]), Selection("components", components=[k])) for k in self.components]
        rows = [
            make_row(
                maker,
                selection,
                "attn_mlp",
                settings.method,
                settings.draws,
                {"component": k, "period": period, "method": settings.method, "positions": settings.positions},
            )
            for k, period, selection in wanted
        ]
        table, tallies = try_rows(self, view, settings, rows)
        view.table("single_component", table)
        view.table("single_component_errors", error_rows(table, tallies, ("component", "period", "method")))
        view.log(
            {
                f"single/{_name(row)}/{name}": row[name]
                for row in table
                for name in ("accuracy", "mod_2", "within_10")
                if row[name] is not None
            }
        )


def _name(row: dict[str, float | int | None]) -> str:
    return f"period_{row['period']:g}" if row["component"] is None else f"k_{row['component']}"


class KnockOut(Instrument):
    """Removes one component k at a time from all attention and MLP outputs: effect against power.

    A large peak can be causally inert. Writes the table ``knock_out``: component, period, power (mean squared
    magnitude in the unfiltered final logits), rank, left, lost, loss, loss_increase, accuracy, mod_10 and within_10
    without it, and mean and standard deviation of loss and accuracy when as many random directions of the number
    line go instead; z is the loss against these controls. Logs ``knock_out/largest_loss_increase`` and its
    ``component``.

    Args:
        filter: basis, positions, LayerNorm, seed of the controls.
        method: ``projection`` by default: it always exists for two rows and leaves nothing of the wave, where a narrow
            model's ``readout`` may leave most of it (column ``left``).
        components: k's; null for all.
        draws: random controls, shared by all components.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``. By default one batch: 260 components take
            as many passes.
    """

    CONTROLS = (("loss", "mean"), ("loss", "std"), ("accuracy", "mean"), ("accuracy", "std"))
    KEPT = ("rank", "left", "lost", "loss", "accuracy", "mod_10", "within_10")

    def __init__(
        self,
        filter: FilterSettings,
        method: Method = "projection",
        components: list[int] | None = None,
        draws: int = 10,
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

    def check(self, data: ArithmeticDataModule, width: int) -> None:
        check_components(self.components or [], data.p, self.filter, "components")
        self.filter.selection.check(fourier_basis(data.p, self.filter.basis))

    def measure(self, view: View) -> None:
        settings, maker = self.filter, view.filters(self.filter)
        basis = view.basis(settings.basis)
        method = self.method if maker.rank > 2 else "readout"  # a projection would leave nothing
        components = self.components or list(range(1, basis.n_components + 1))
        whole = make_row(maker, Selection("all"), "attn_mlp", method, 0, {})  # the model itself, beside the controls
        whole.controls = [maker.control(2, method, draw) for draw in range(self.draws)]
        (intact,), _ = try_rows(self, view, settings, [whole])
        shared = {f"control_{name}_{stat}": intact[f"control_{name}_{stat}"] for name, stat in self.CONTROLS}
        power = self._power(view)
        table = []
        for chunk in torch.tensor(components).split(16):  # a wide model's 260 matrices need not lie side by side
            selections = [Selection("notch", components=[k]) for k in chunk.tolist()]
            tried, _ = try_rows(
                self, view, settings, [make_row(maker, s, "attn_mlp", method, 0, {}) for s in selections]
            )
            for k, row in zip(chunk.tolist(), tried, strict=True):
                columns = {"component": k, "period": float(basis.periods[k - 1]), "power": float(power[k - 1])}
                columns |= {name: row[name] for name in self.KEPT} | {"loss_increase": row["loss"] - intact["loss"]}
                z = (row["loss"] - shared["control_loss_mean"]) / max(shared["control_loss_std"], 1e-12)
                table.append({**columns, "z": z, **shared, "method": method})
        view.table("knock_out", table)
        worst = max(table, key=lambda row: row["loss_increase"])
        view.log(
            {
                "knock_out/largest_loss_increase": worst["loss_increase"],
                "knock_out/component": worst["component"],
            }
        )

    def _power(self, view: View) -> torch.Tensor:
        """Mean squared magnitude (K,) of each component in the final number logits."""
        basis = view.basis(self.filter.basis)
        total, count = torch.zeros(basis.n_components, dtype=torch.float64), 0
        for batch in self.batches(view):
            logits = view.module.decoder.answer_logits(batch["prompt"])[:, view.module.numbers]
            total += magnitudes(coefficients(logits, basis), basis).square().sum(dim=0).cpu()
            count += len(logits)
        return total / count


def check_components(components: list[int], p: int, settings: FilterSettings, key: str) -> None:
    """Refuse components that the basis does not have."""
    most = fourier_basis(p, settings.basis).n_components
    for k in components:
        if not 1 <= k <= most:
            raise ConfigError(f"{key}={components}", f"no component k={k} with p={p}", f"use 1 to {most}")
