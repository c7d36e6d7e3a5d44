"""Which waves to keep: the choice that filters and filtered embedding tables share."""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, period_waves, span

Keep = Literal["all", "low", "high", "band", "components", "periods", "notch"]
Period = float | str  # "10/3" too
PAPER_CUTOFF, PAPER_P = 50, 521


@dataclass(frozen=True)
class Selection:
    """Waves over the number line to keep. The constant is always kept (paper section 3).

    Attributes:
        keep: ``all``; ``low`` (low-pass: k < cutoff); ``high`` (high-pass: k >= cutoff); ``band`` (cutoff <= k <
            upper); ``components`` (the listed k); ``periods`` (waves of exactly the listed periods T, on the grid of
            the basis or not); ``notch`` (all but the listed components and periods).
        cutoff: in k. The paper's tau = 50 can be read as rows or as k; its figure names support k, and k = 52, which
            is T = 10, is then just inside "high". Null: the paper's 50 at p = 521, the same period at any other p.
        upper: end of the band, in k, not included.
        components: k's, for ``components`` and ``notch``.
        periods: T's in numbers, at least 2, fractions allowed ("10/3"), for ``periods`` and ``notch``.
        group: of the command line, for error messages.
    """

    keep: Keep = "all"
    cutoff: int | None = None
    upper: int | None = None
    components: list[int] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)
    group: str = "filter"

    def __post_init__(self) -> None:
        if self.keep == "band" and None in (self.cutoff, self.upper):
            raise self._error("upper", "a band has two ends", f"set {self.group}.cutoff and {self.group}.upper")
        if self.keep == "band" and self.upper <= self.cutoff:  # type: ignore[operator]
            raise self._error("upper", f"not above {self.group}.cutoff={self.cutoff}", "use a larger value")
        for key in ("components", "periods"):
            if self.keep == key and not getattr(self, key):
                raise self._error(key, f"{self.group}.keep={key} needs a list", f"e.g. '{self.group}.{key}=[5,10]'")
        if self.keep == "notch" and not (self.components or self.periods):
            raise self._error("components", "a notch needs a list", f"set {self.group}.components or .periods")
        _ = self.exact

    @property
    def exact(self) -> list[float]:
        """The listed periods as numbers."""
        return parse_periods(self.periods, f"{self.group}.periods")

    def _error(self, key: str, problem: str, remedy: str) -> ConfigError:
        value = getattr(self, key)
        return ConfigError(f"{self.group}.{key}={'null' if value is None else value}", problem, remedy)

    def cutoff_at(self, p: int) -> int:
        """The cut-off in k on a number line of length p."""
        return self.cutoff if self.cutoff is not None else max(1, round(PAPER_CUTOFF * p / PAPER_P))

    def at_length(self, q: int, p: int) -> "Selection":
        """The selection with cut-offs, given for a number line of length p, at the same periods on one of length q."""
        if q == p:
            return self
        cutoff = max(1, round(self.cutoff_at(p) * q / p))
        return replace(self, cutoff=cutoff, upper=self.upper and max(cutoff + 1, round(self.upper * q / p)))

    def check(self, basis: Basis) -> None:
        """Refuse components that the basis does not have.

        Raises:
            ConfigError: naming the key and the range, whether ``keep`` uses it or an instrument does.
        """
        most = basis.n_components
        for key, values in (("cutoff", [self.cutoff]), ("upper", [self.upper]), ("components", self.components)):
            for value in values:
                if value is not None and not 1 <= value <= most + (key == "upper"):
                    raise self._error(key, f"no component k={value} with p={basis.p}", f"use 1 to {most}")
        if self.keep in ("periods", "notch"):
            check_range(self.exact, basis.p, f"{self.group}.periods")

    def keeps(self, basis: Basis) -> Bool[Tensor, " K"]:
        """Which components k = 1..K of the basis are kept; for every ``keep`` but those with exact periods."""
        k = torch.arange(1, basis.n_components + 1)
        cutoff = self.cutoff_at(basis.p)
        listed = torch.isin(k, torch.tensor(self.components, dtype=torch.long))
        upper = basis.n_components + 1 if self.upper is None else self.upper
        kept = {"all": k > 0, "low": k < cutoff, "high": k >= cutoff, "components": listed, "notch": ~listed}
        kept["band"] = (k >= cutoff) & (k < upper)
        return kept[self.keep]

    def removed_rows(self, basis: Basis) -> Float[Tensor, "r p"]:
        """Orthonormal rows over the number line that span what is removed.

        For ``low`` and ``high`` the k furthest from the kept come first, so that the rows of a smaller removal are
        the first rows of a larger one: nested cut-offs.
        """
        if self.keep == "periods":
            return complement(span(period_waves(self.exact, basis.p)))
        removed = (~self.keeps(basis)).nonzero().flatten() + 1
        order = removed.flip(0) if self.keep == "low" else removed
        rows = [basis.rows[basis.component == k] for k in order.tolist()]
        if self.keep == "notch" and self.periods:
            return span(torch.cat([*rows, period_waves(self.exact, basis.p)]))
        stacked = torch.cat(rows) if rows else basis.rows[:0]
        return stacked if basis.kind == "orthonormal" else ordered_basis(stacked)[0]


def parse_periods(periods: list[Period], key: str) -> list[float]:
    """Periods as numbers; "10/3" is a fraction.

    Raises:
        ConfigError: not a number, or below 2, the shortest period that whole numbers can show.
    """
    values = []
    for period in periods:
        try:
            value = float(Fraction(period))
        except (ValueError, ZeroDivisionError, OverflowError, TypeError):
            value = math.nan
        if not 2 <= value < math.inf:
            raise ConfigError(f"{key}={period}", "not a period of 2 or more", "use numbers such as 2, 2.5, 10/3")
        values.append(value)
    return values


def check_range(periods: list[float], p: int, key: str) -> None:
    """Refuse periods that a number line of length p can't tell from its mean.

    Raises:
        ConfigError: naming the key.
    """
    for period in periods:
        if period > 2 * p:
            problem = f"the number line has {p} numbers"
            raise ConfigError(f"{key}={period_name(period)}", problem, f"use periods from 2 to {2 * p}")


def usual_periods(p: int) -> list[float]:
    """Periods to ask for where none are named: the paper's 2, 2.5, 5, 10 and p - 1, and 3 and 7.

    Written numbers have no reason for 3 and 7: they are negative controls. None is longer than the number line.
    """
    periods = dict.fromkeys([2.0, 2.5, 5.0, 10.0, p - 1.0, 3.0, 7.0])
    return [period for period in periods if 2 <= period <= p]


def usual_cutoffs(basis: Basis) -> list[int]:
    """Cut-offs in k where none are named: about a dozen from 2 to the last, evenly spaced in log k, and the paper's."""
    most = basis.n_components
    first, steps = min(2, most), 11
    spaced = [round(first * (most / first) ** (step / steps)) for step in range(steps + 1)]
    return sorted({*spaced, min(Selection().cutoff_at(basis.p), most)})


def period_name(period: float) -> str:
    """A period in metric names and tables: 2, 2.5, 3.33333."""
    return f"{period:g}"


def complement(kept: Float[Tensor, "r p"]) -> Float[Tensor, "s p"]:
    """Orthonormal rows that span all that is orthogonal to these orthonormal rows and to the constant."""
    full, _ = torch.linalg.qr(torch.cat([kept.new_ones(1, kept.shape[1]), kept]).T, mode="complete")
    return full.T[1 + len(kept) :]


def ordered_basis(rows: Float[Tensor, "m d"], floor: float = 1e-10) -> tuple[Float[Tensor, "r d"], list[int]]:
    """Orthonormalise rows in order, dropping dependent ones.

    A QR that reveals the rank: Gram-Schmidt, projected twice, so that the result is orthonormal to float64 precision
    also where rows are nearly dependent. Householder QR would put an arbitrary direction in the place of a dependent
    row, and every later span would contain it.

    Args:
        rows: in the order in which they are to be spanned.
        floor: what is left of a row counts as dependent if its norm is not above this.

    Returns:
        The orthonormal rows, and for n = 0..m how many of them span the first n rows: nested filters share them.
    """
    done = rows.new_zeros(min(rows.shape), rows.shape[1])
    counts = [0]
    for row in rows:
        rank = counts[-1]
        if rank < len(done):
            for _ in range(2):
                row = row - (done[:rank] @ row) @ done[:rank]
            size = row.norm()
            if size > floor:
                done[rank] = row / size
                rank += 1
        counts.append(rank)
    return done[: counts[-1]], counts
