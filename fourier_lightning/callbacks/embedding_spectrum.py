"""The spectrum of the number embedding, and what of it is more than chance (paper section 3, figures 5a, 7a, 15)."""

from typing import Any

from torch import Tensor

from fourier_lightning.callbacks.instrument import Instrument, View
from fourier_lightning.data.datamodule import AdditionDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import BasisKind, fourier_basis
from fourier_lightning.fourier.nulls import NULLS, Against, Null, significant, test_against
from fourier_lightning.fourier.selection import Period, check_range, parse_periods, period_name
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
    """Spectrum of the number vectors, held against three nulls.

    Of the input rows of the answers' tokens ("numbers"), and where they are other vectors also of the prompts' tokens
    ("operands": " 15" beside "15", on their own number line) and of an untied unembedding: column ``line``.

    Writes ``embedding_periods`` (a row for each of ``periods``: power is the sum of squares that the exact-period fit
    explains, share its part of the centred power; z and p_value are the permutation null's, p_value corrected for
    the number of periods asked for; the other nulls have columns of their own), ``embedding_components`` (the same for
    every k of the orthonormal basis, corrected for all of them; the final weights' alone), and the arrays
    ``embedding_spectrum`` (K,) and, for the orthonormal basis, ``embedding_spectrum_limit`` (K,), the magnitude above
    which a component is beyond the permutation null at 5 %, corrected; of other lines with ``_<line>`` appended. Logs
    ``embedding/period_<T>/{power,z}``, of other lines ``embedding/<line>/...``.

    The permutation null spreads a table's whole power over the number line. A strong trend (low k) raises it, so that
    a weak short wave that exact periods find may not come out among all components.

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
        check_draws(draws, seed)
        self.basis: BasisKind = basis
        self.draws, self.seed = draws, seed
        self._seen: dict[str, tuple[Tensor, Results]] = {}

    def check(self, data: AdditionDataModule, width: int) -> None:
        check_range(self.periods, data.p, "periods")

    def measure(self, view: View) -> None:
        rows: list[dict[str, Any]] = []
        components: list[dict[str, Any]] = []
        for line, table in view.number_lines().items():
            rows += self._periods(line, table)
            suffix, prefix = ("", "embedding") if line == "numbers" else (f"_{line}", f"embedding/{line}")
            spectrum = table_spectrum(table, fourier_basis(len(table), self.basis))
            view.array(f"embedding_spectrum{suffix}", spectrum)
            scalars = {
                f"{prefix}/period_{period_name(r['period'])}/{key}": r[key]
                for r in rows
                for key in ("power", "z")
                if r["line"] == line
            }
            view.log({**scalars, f"{prefix}/top_10_share": float(top_share(spectrum.square(), 10))})
            if view.final:
                components += self._components(view, line, table, suffix)
        view.table("embedding_periods", rows)
        if components:
            view.table("embedding_components", components)

    def _periods(self, line: str, table: Tensor) -> list[dict[str, Any]]:
        seen = self._seen.get(line)
        if seen is None or not seen[0].equal(table):  # a frozen table needs its nulls once
            seen = (table.clone(), self._against(table, period_probes(self.periods, len(table))))
            self._seen[line] = seen
        total = float(centred_power(table))
        return [{"line": line, "period": t, **columns(seen[1], i, total)} for i, t in enumerate(self.periods)]

    def _components(self, view: View, line: str, table: Tensor, suffix: str) -> list[dict[str, Any]]:
        basis = fourier_basis(len(table))
        results, total = self._against(table, component_probes(basis)), float(centred_power(table))
        if self.basis == "orthonormal":
            limit = (results["permutation"].limit * total).sqrt()
            view.array(f"embedding_spectrum_limit{suffix}", limit)
        return [
            {"line": line, "component": k, "period": float(basis.periods[k - 1]), **columns(results, k - 1, total)}
            for k in range(1, basis.n_components + 1)
        ]

    def _against(self, table: Tensor, probes: Probes) -> Results:
        return {null: test_against(table, probes, null, self.draws, self.seed) for null in NULLS}


def columns(results: Results, i: int, total: float) -> dict[str, float | bool]:
    """Table columns of one period or component: against the permutation null, then against the others.

    ``significant``: corrected p-values of at most 5 % against every null.
    """
    first = results["permutation"]
    values: dict[str, float | bool] = {
        "power": float(first.share[i]) * total,
        "share": float(first.share[i]),
        "z": float(first.z[i]),
        "p_value": float(first.p_value[i]),
        "p_single": float(first.p_single[i]),
    }
    for null, against in results.items():
        if null != "permutation":
            values |= {f"z_{null}": float(against.z[i]), f"p_value_{null}": float(against.p_value[i])}
    return {**values, "significant": bool(significant(results)[i])}


def check_draws(draws: int, seed: int) -> None:
    """Refuse numbers of draws that make no null, and seeds that torch has not.

    Raises:
        ConfigError: naming the key.
    """
    if draws < 20:
        raise ConfigError(f"draws={draws}", "too few for a level of 5 %", "use 20 or more")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed={seed}", "out of range", "use 0 or a positive integer below 2^32")
