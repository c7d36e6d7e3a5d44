"""The spectrum of the number embedding, and what of it is more than chance (paper section 3, figures 5a, 7a, 15)."""

from torch import Tensor

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import BasisKind, fourier_basis
from fourier_lightning.fourier.nulls import NULLS, Against, Null, significant, test_against, test_detrended
from fourier_lightning.fourier.selection import Period, Selection, check_range, parse_periods, period_name
from fourier_lightning.fourier.spectrum import (
    Probes,
    centred_power,
    component_probes,
    period_probes,
    table_spectrum,
    top_share,
)
from fourier_lightning.instruments.base import Findings, Instrument, Row, View

ROUGH = 60  # draws where nothing is decided: the smallest p-value is 1/61


class EmbeddingSpectrum(Instrument):
    """Spectrum of the number vectors, held against three nulls.

    Of the input rows of the answers' tokens ("numbers"), and where they are other vectors also of the prompts' tokens
    ("operands": " 15" beside "15", on their own number line) and of an untied unembedding: column ``line``.

    Writes ``embedding_periods``, a row for each of ``periods``, of the table before training too (epoch -1): power is
    the sum of squares that the exact-period fit explains, share its part of the centred power; z and p_value are the
    permutation null's, p_value corrected for the number of periods asked for; the other nulls have columns of their
    own, and ``significant`` means beyond all three. ``embedding_components``: the same for every k of the orthonormal
    basis, corrected for all of them, of the final weights alone. The arrays ``embedding_spectrum`` (K,) and, for the
    orthonormal basis, ``embedding_spectrum_limit`` (K,), the magnitude above which a component is beyond the
    permutation null at 5 %, corrected; of other lines with ``_<line>`` appended; ``number_embedding`` (p, d), the final
    rows. Logs ``embedding/period_<T>/{power,z}``, of other lines ``embedding/<line>/...``.

    These nulls spread a table's whole power over the number line. A strong trend (low k) raises them, so that short
    waves that stand out among their neighbours may not come out. ``z_detrended`` and ``p_value_detrended`` hold them
    against the power above the cut-off alone; null for periods that belong to the trend.

    Args:
        periods: T's in numbers that get a row at every measurement, on the grid of the basis or off it; "10/3" too.
        cutoff: the trend is k < cutoff; null as in ``filter.cutoff``.
        basis: of the spectrum.
        draws: from each null, of the final weights' periods: those decide. While training goes on, and for each
            component, 60 at most.
        seed: of the draws.
        every_n_epochs: cadence.
    """

    at_start = True  # what training keeps of a line can't be told from what it left after an epoch
    rows_alone = True

    def __init__(
        self,
        periods: list[Period],
        cutoff: int | None = None,
        basis: BasisKind = "orthonormal",
        draws: int = 999,
        seed: int = 0,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs)
        self.periods = parse_periods(periods, "periods")
        if not self.periods:
            raise ConfigError("periods=[]", "empty", "list periods, or remove the callback")
        check_draws(draws, seed)
        self.basis: BasisKind = basis
        self.high, self.draws, self.seed = Selection("high", cutoff), draws, seed
        self._seen: dict[tuple[str, int], tuple[Tensor, list[Row]]] = {}  # by line and draws

    def check(self, task: Task, width: int) -> None:
        check_range(self.periods, task.p, "periods")
        self.high.check(fourier_basis(task.p))

    def measure(self, view: View) -> Findings:
        found = Findings()
        rows: list[Row] = []
        components: list[Row] = []
        for line, table in view.number_lines().items():
            mine = self._periods(line, table, view.p, self.draws if view.final else min(self.draws, ROUGH))
            rows += mine
            suffix, prefix = ("", "embedding") if line == "numbers" else (f"_{line}", f"embedding/{line}")
            spectrum = table_spectrum(table, fourier_basis(len(table), self.basis))
            found.arrays[f"embedding_spectrum{suffix}"] = spectrum
            found.scalars |= {
                f"{prefix}/period_{period_name(row['period'])}/{key}": row[key]
                for row in mine
                for key in ("power", "z")
            }
            found.scalars[f"{prefix}/top_10_share"] = float(top_share(spectrum.square(), 10))
            if view.final:
                of_line, limit = self._components(line, table, view.p)
                components += of_line
                if self.basis == "orthonormal":
                    found.arrays[f"embedding_spectrum_limit{suffix}"] = limit
        found.tables["embedding_periods"] = rows
        if view.final:
            found.tables["embedding_components"] = components
            found.arrays["number_embedding"] = view.number_lines()["numbers"]
        return found

    def _periods(self, line: str, table: Tensor, p: int, draws: int) -> list[Row]:
        seen = self._seen.get((line, draws))
        if seen is None or not seen[0].equal(table):  # a frozen table needs its nulls once
            probes = period_probes(self.periods, len(table))
            frequencies = [len(table) / period for period in self.periods]
            seen = (table.clone(), self._rows(table, probes, frequencies, p, draws)[0])
            self._seen[line, draws] = seen
        return [{"line": line, "period": t, **row} for t, row in zip(self.periods, seen[1], strict=True)]

    def _components(self, line: str, table: Tensor, p: int) -> tuple[list[Row], Tensor]:
        basis = fourier_basis(len(table))
        ks = list(range(1, basis.n_components + 1))
        draws = min(self.draws, ROUGH)
        rows, limit = self._rows(table, component_probes(basis), [float(k) for k in ks], p, draws)
        return [
            {"line": line, "component": k, "period": float(basis.periods[k - 1]), **row}
            for k, row in zip(ks, rows, strict=True)
        ], limit

    def _rows(
        self, table: Tensor, probes: Probes, frequencies: list[float], p: int, draws: int
    ) -> tuple[list[Row], Tensor]:
        """Table columns of each group of probes, and the magnitude that each needs to be beyond the permutation null.

        Args:
            frequencies: the k of each group, on the grid or between.
            draws: from each null.
        """
        results: dict[Null, Against] = {null: test_against(table, probes, null, draws, self.seed) for null in NULLS}
        first, total, beyond = results["permutation"], float(centred_power(table)), significant(results)
        high = self.high.at_length(len(table), p)
        trend = high.removed_rows(fourier_basis(len(table)))
        short = [i for i, k in enumerate(frequencies) if k > high.cutoff_at(len(table)) - 0.5]
        detrended = test_detrended(table, probes.some(short), trend, draws, self.seed) if short else None
        rows: list[Row] = []
        for i in range(probes.size):
            row = {"power": float(first.share[i]) * total, "share": float(first.share[i])}
            row |= {name: float(getattr(first, name)[i]) for name in ("z", "p_value", "p_single")}
            for null in NULLS[1:]:
                row |= {f"z_{null}": float(results[null].z[i]), f"p_value_{null}": float(results[null].p_value[i])}
            at = short.index(i) if i in short else None
            for name in ("z", "p_value"):
                known = detrended is not None and at is not None
                row[f"{name}_detrended"] = float(getattr(detrended, name)[at]) if known else None
            rows.append({**row, "significant": bool(beyond[i])})
        return rows, (first.limit * total).sqrt()


def check_draws(draws: int, seed: int, key: str = "draws") -> None:
    """Refuse numbers of draws that make no null, and seeds that torch has not.

    Raises:
        ConfigError: naming the key.
    """
    if draws < 20:
        raise ConfigError(f"{key}={draws}", "too few for a level of 5 %", "use 20 or more")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed={seed}", "out of range", "use 0 or a positive integer below 2^32")
