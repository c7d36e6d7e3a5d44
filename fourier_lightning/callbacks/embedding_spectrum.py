"""The spectrum of the number embedding, and what of it is more than chance (paper section 3, figures 5a, 7a, 15)."""

from torch import Tensor

from fourier_lightning.callbacks.instrument import Instrument, View
from fourier_lightning.data.datamodule import AdditionDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import BasisKind
from fourier_lightning.fourier.nulls import NULLS, Against, Null, significant, test_against
from fourier_lightning.fourier.selection import Period, parse_periods, period_name
from fourier_lightning.fourier.spectrum import (
    Probes,
    centred_power,
    component_probes,
    period_probes,
    table_spectrum,
    top_share,
)

Results = dict[Null, Against]


class EmbeddingSpectrum(Instrument):
    """Spectrum of the input table's number rows, held against three nulls.

    Writes ``embedding_periods`` (a row for each of ``periods``: power is the sum of squares that the exact-period fit
    explains, share its part of the centred power; z and p_value are the permutation null's, p_value corrected for
    the number of periods asked for; the other nulls have columns of their own), ``embedding_components`` (the final
    weights' significant components, strongest first), and the arrays ``embedding_spectrum`` (K,) and
    ``embedding_spectrum_limit`` (K,), the magnitude above which a component is beyond the permutation null at 5 %,
    corrected for looking at all K. Logs ``embedding/period_<T>/{power,z}``.

    Args:
        periods: T's in numbers that get a row at every measurement, on the grid of the basis or off it; "10/3" too.
        basis: of the spectrum.
        draws: from each null.
        seed: of the draws.
        every_n_epochs: cadence.
    """

    def __init__(
        self,
        periods: list[Period],
        basis: BasisKind = "orthonormal",
        draws: int = 100,
        seed: int = 0,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs)
        self.periods = parse_periods(periods, "periods")
        if not self.periods:
            raise ConfigError("periods=[]", "empty", "list periods, or remove the callback")
        if draws < 2:
            raise ConfigError(f"draws={draws}", "too few for a null", "use 20 or more")
        self.basis, self.draws, self.seed = basis, draws, seed
        self._seen: tuple[Tensor, Results] | None = None

    def check(self, data: AdditionDataModule, width: int) -> None:
        check_periods(self.periods, data.p, "periods")

    def measure(self, view: View) -> None:
        table = view.number_rows()
        if self._seen is None or not self._seen[0].equal(table):  # a frozen table needs its nulls once
            self._seen = (table.clone(), self._against(table, period_probes(self.periods, view.p)))
        results, total = self._seen[1], float(centred_power(table))
        rows = [{"period": period, **row(results, i, total)} for i, period in enumerate(self.periods)]
        view.table("embedding_periods", rows)
        spectrum = table_spectrum(table, view.basis(self.basis))
        view.array("embedding_spectrum", spectrum)
        scalars = {f"embedding/period_{period_name(r['period'])}/{key}": r[key] for r in rows for key in ("power", "z")}
        view.log({**scalars, "embedding/top_10_share": float(top_share(spectrum.square(), 10))})
        if view.final:
            self._all_components(view, table)

    def _all_components(self, view: View, table: Tensor) -> None:
        basis = view.basis(self.basis)
        results, total = self._against(table, component_probes(basis)), float(centred_power(table))
        rows = [
            {"component": k + 1, "period": float(basis.periods[k]), **row(results, k, total)}
            for k in range(basis.n_components)
        ]
        found = sorted((r for r in rows if r["significant"]), key=lambda r: -r["power"])
        view.table("embedding_components", found)
        view.array("embedding_spectrum_limit", (results["permutation"].limit * total).sqrt())

    def _against(self, table: Tensor, probes: Probes) -> Results:
        return {null: test_against(table, probes, null, self.draws, self.seed) for null in NULLS}


def row(results: Results, i: int, total: float) -> dict[str, float | bool]:
    """Table columns of one period or component: against the permutation null, then against the others.

    ``significant``: corrected p-values of at most 5 % against every null.
    """
    first = results["permutation"]
    columns: dict[str, float | bool] = {
        "power": float(first.share[i]) * total,
        "share": float(first.share[i]),
        "z": float(first.z[i]),
        "p_value": float(first.p_value[i]),
        "p_single": float(first.p_single[i]),
    }
    for null, against in results.items():
        if null != "permutation":
            columns |= {f"z_{null}": float(against.z[i]), f"p_value_{null}": float(against.p_value[i])}
    return {**columns, "significant": bool(significant(results)[i])}


def check_periods(periods: list[float], p: int, key: str) -> None:
    """Refuse periods that a number line of this length can't tell from its mean."""
    for period in periods:
        if period > 2 * p:
            raise ConfigError(
                f"{key}={period_name(period)}", f"the number line has {p} numbers", f"use periods from 2 to {2 * p}"
            )
