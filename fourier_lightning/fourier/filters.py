"""Filters of the residual stream by what they do to the number line (paper section 3, Table 1), and their controls.

A module's output x (d,) reaches the logits of the numbers as W x, W (p, d) being the unembedding restricted to the
number tokens. A filter removes a set of waves, the orthonormal rows U (r, p), from W x, and leaves the rest alone:

``projection``  the paper's: the nearest state whose number logits hold none of the waves,
    argmin |x - y|^2 with U W y = 0: orthogonal projection on the null space of U W. Where U W has full column
    rank (r >= d) that space is empty: only y = 0 is left, and the filter is refused.
``readout``     ours: the state whose number logits come closest to the filtered ones, argmin |W y - (1 - U^T U) W x|^2,
    and of several such states the one nearest to x: y = x - W^+ U^T U W x. Defined for every d; what little of
    the waves a narrow W can't get rid of stays.

The control of a filter removes equally many directions of the number line that mean nothing: the rows of U are
replaced by random orthonormal rows, orthogonal to the constant too (a random rotation of the number axis). For
``projection`` that is a random subspace of the same rank, of the space that W reads: a random subspace of all of
R^d would mostly miss what is read and be too weak a control.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, BasisKind, fourier_basis
from fourier_lightning.fourier.selection import Keep, Period, Selection, ordered_basis

Method = Literal["projection", "readout"]
Modules = Literal["attn", "mlp", "attn_mlp"]
METHODS: tuple[Method, ...] = ("readout", "projection")
# Tables are stored in float32: what is smaller than its rounding is not a direction.
RANK_TOLERANCE = 2e-5


@dataclass(frozen=True)
class FilterSettings:
    """Settings of a filter, and of how all filter instruments work (``filter.*`` on the command line).

    Attributes:
        keep, cutoff, upper, components, periods: what to keep, see ``Selection``.
        modules: filter the outputs of ``attn``, of ``mlp`` or of both (``attn_mlp``), in every layer.
        method: ``readout`` (the default, because it is defined for every width) or ``projection`` (the paper's).
        basis: ``orthonormal`` (the default: its projections are exact) or ``paper``.
        positions: ``last`` (the default: the filter's definition speaks of the logits there, and earlier positions
            are never read as numbers) or ``all``.
        fold_ln: read W through the linear part of the final LayerNorm (its gain and its centring). The default,
            because W x is then, up to the LayerNorm's scale, what x adds to the logits. The paper does not mention
            the LayerNorm: false takes the bare unembedding.
        draws: random controls for each filter.
        seed: of the controls.
    """

    keep: Keep = "low"
    cutoff: int | None = None
    upper: int | None = None
    components: list[int] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)
    modules: Modules = "attn_mlp"
    method: Method = "readout"
    basis: BasisKind = "orthonormal"
    positions: Literal["last", "all"] = "last"
    fold_ln: bool = True
    draws: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 0:
            raise ConfigError(f"filter.draws={self.draws}", "negative", "use 3 or more, or 0 for no control")
        if self.seed < 0:
            raise ConfigError(f"filter.seed={self.seed}", "negative", "use 0 or more")
        _ = self.selection

    @property
    def selection(self) -> Selection:
        """What to keep."""
        return Selection(self.keep, self.cutoff, self.upper, self.components, self.periods)

    def check(self, p: int, width: int) -> None:
        """Refuse what can't work for a model of this width, before there is a model.

        Raises:
            ConfigError: components that don't exist, or a projection whose null space is empty.
        """
        basis = fourier_basis(p, self.basis)
        self.selection.check(basis)
        removed = len(self.selection.removed_rows(basis))
        if self.method == "projection" and removed >= width - self.fold_ln:
            raise empty_null_space(removed, width - self.fold_ln, width)


def empty_null_space(removed: int, rank: int, width: int) -> ConfigError:
    """The error for a projection that would leave nothing."""
    problem = f"the null space is empty: {removed} rows are removed, and the unembedding has rank {rank} (d={width})"
    return ConfigError("filter.method=projection", problem, "use filter.method=readout, or remove less")


@dataclass(frozen=True)
class Filter:
    """A linear map of the residual stream.

    Attributes:
        matrix: (d, d) float64; x becomes ``matrix @ x``.
        removed: rows of the number line that were asked to go.
        rank: dimensions of the residual stream that are gone: the rank of ``1 - matrix``.
        method: how it was made.
    """

    matrix: Float[Tensor, "d d"]
    removed: int
    rank: int
    method: Method

    @property
    def control_rows(self) -> int:
        """How many random rows of the number line a control removes.

        For ``projection`` as many as this filter has rank: with an unembedding of low rank (a band-limited table)
        as many random rows as were asked to go would remove more directions.
        """
        return self.rank if self.method == "projection" else self.removed


class FilterMaker:
    """Makes filters for one unembedding.

    Args:
        unembedding: (p, d) rows of the number tokens, any device and precision; computed with in float64.
        basis: waves over its p numbers.
        seed: of the controls.
    """

    def __init__(self, unembedding: Float[Tensor, "p d"], basis: Basis, seed: int = 0) -> None:
        self.unembedding, self.basis, self.seed = unembedding.double().cpu(), basis, seed
        centred = self.unembedding - self.unembedding.mean(dim=0)
        u, sizes, vh = torch.linalg.svd(self.unembedding, full_matrices=False)
        # relative to what varies between numbers: a large mean row says nothing about the precision of the rest
        kept = sizes > RANK_TOLERANCE * torch.linalg.matrix_norm(centred, 2)
        self.rank = int(kept.sum())
        self._pinv = (vh[kept].T / sizes[kept]) @ u[:, kept].T  # (d, p)
        self._nested: dict[tuple[str, int], tuple[Tensor, list[int]]] = {}
        self._random: dict[int, Tensor] = {}  # by draw
        self._controls: dict[tuple[int, Method, int], Filter] = {}

    def make(self, selection: Selection, method: Method) -> Filter:
        """The filter that keeps a selection of waves.

        Raises:
            ConfigError: ``projection`` where the null space is empty, with the ranks.
        """
        rows = selection.removed_rows(self.basis)
        if method == "readout" or selection.keep not in ("low", "high"):
            return self._filter(rows, method, None)
        family = (selection.keep, 0)
        if family not in self._nested:  # the removal of everything has every cut-off's rows first
            cutoff = 1 if selection.keep == "low" else self.basis.n_components + 1
            everything = replace(selection, cutoff=cutoff).removed_rows(self.basis)
            self._nested[family] = ordered_basis(everything @ self.unembedding, RANK_TOLERANCE)
        return self._filter(rows, method, family)

    def control(self, count: int, method: Method, draw: int) -> Filter:
        """A filter that removes this many random rows of the number line instead; the same object each time."""
        key, family = (count, method, draw), ("random", draw)
        if key not in self._controls:
            if draw not in self._random:
                self._random[draw] = random_rows(self.basis.p, self.seed + draw)
            rows = self._random[draw]
            if method == "projection" and family not in self._nested:
                self._nested[family] = ordered_basis(rows @ self.unembedding, RANK_TOLERANCE)
            self._controls[key] = self._filter(rows[:count], method, family)
        return self._controls[key]

    def _filter(self, rows: Tensor, method: Method, family: tuple[str, int] | None) -> Filter:
        identity = torch.eye(self.unembedding.shape[1], dtype=torch.float64)
        if method == "readout":
            gone = (self._pinv @ rows.T) @ (rows @ self.unembedding)
            return Filter(identity - gone, len(rows), min(len(rows), self.rank), method)
        if family is None:  # not nested
            directions, _ = ordered_basis(rows @ self.unembedding, RANK_TOLERANCE)
        else:  # one ordered QR serves every cut-off
            directions, counts = self._nested[family]
            directions = directions[: counts[len(rows)]]
        if len(directions) >= self.rank:
            raise empty_null_space(len(rows), self.rank, len(identity))
        return Filter(identity - directions.T @ directions, len(rows), len(directions), method)


def random_rows(p: int, seed: int) -> Float[Tensor, "p-1 p"]:
    """A random rotation of the number line that keeps the constant: orthonormal rows, orthogonal to the constant."""
    rng = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(p, p - 1, generator=rng, dtype=torch.float64)
    q, _ = torch.linalg.qr(gaussian - gaussian.mean(dim=0))
    return q.T
