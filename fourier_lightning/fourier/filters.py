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
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, BasisKind, fourier_basis
from fourier_lightning.fourier.controls import random_rows
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
        draws: random controls of each kind (equal rank, equal energy) for each filter.
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
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"filter.seed={self.seed}", "out of range", "use 0 or a positive integer below 2^32")
        _ = self.selection

    @property
    def selection(self) -> Selection:
        """What to keep."""
        return Selection(self.keep, self.cutoff, self.upper, self.components, self.periods)

    def check_null_space(self, selection: Selection, p: int, width: int) -> None:
        """Refuse a projection that leaves nothing in a model of this width, before there is a model.

        Raises:
            ConfigError: with the ranks.
        """
        removed = len(selection.removed_rows(fourier_basis(p, self.basis)))
        if self.method == "projection" and removed >= width - self.fold_ln:
            raise empty_null_space(removed, width - self.fold_ln, width)


def empty_null_space(removed: int, rank: int, width: int) -> ConfigError:
    """The error for a projection that would leave nothing."""
    problem = f"the null space is empty: {removed} rows are removed, and the unembedding has rank {rank} (d={width})"
    return ConfigError("filter.method=projection", problem, "use filter.method=readout, or remove less")


@dataclass(frozen=True)
class Filter:
    """A linear map of the residual stream: x becomes x - into @ (read @ x).

    Attributes:
        into, read: (d, r) and (r, d) float64: what the filter reads of a state, and what it takes from it for that.
        removed: rows of the number line that were asked to go.
        rank: directions of the residual stream that these rows read.
        control_rows: how many random rows of the number line an equal-rank control removes: as many as ``removed``,
            or as ``rank`` where W hardly holds the waves that go (a band-limited table): more random rows would
            remove more directions.
        left: share of the removed waves' power that passes, for states without a preferred direction.
        lost: share of the other waves' power that goes with them. A projection leaves nothing and may lose much; a
            readout in a narrow model does the opposite.
    """

    into: Float[Tensor, "d r"]
    read: Float[Tensor, "r d"]
    removed: int
    rank: int
    control_rows: int
    left: float
    lost: float

    @cached_property
    def matrix(self) -> Float[Tensor, "d d"]:
        """The map as a matrix, float64."""
        return torch.eye(len(self.into), dtype=torch.float64) - self.into @ self.read


class FilterMaker:
    """Makes filters for one unembedding.

    Args:
        unembedding: (p, d) rows of the number tokens, any device and precision; computed with in float64.
        basis: waves over its p numbers.
        seed: of the controls.

    Attributes:
        centred: (p, d) the unembedding without the mean of its rows: what tells numbers apart.
        rank: of the unembedding.
    """

    def __init__(self, unembedding: Float[Tensor, "p d"], basis: Basis, seed: int = 0) -> None:
        self.unembedding, self.basis, self.seed = unembedding.double().cpu(), basis, seed
        self.centred = self.unembedding - self.unembedding.mean(dim=0)
        u, sizes, vh = torch.linalg.svd(self.unembedding, full_matrices=False)
        # relative to what varies between numbers: a large mean row says nothing about the precision of the rest
        self._floor = RANK_TOLERANCE * float(torch.linalg.matrix_norm(self.centred, 2))
        kept = sizes > self._floor
        self.rank = int(kept.sum())
        # rows that don't see the constant are independent in W if all that tells numbers apart has its own direction
        self._tells_all = int((torch.linalg.svdvals(self.centred) > self._floor).sum()) == basis.p - 1
        self._pinv = (vh[kept].T / sizes[kept]) @ u[:, kept].T  # (d, p)
        self._nested: dict[str, tuple[Tensor, list[int]]] = {}
        self._controls: dict[tuple[int, Method, int], Filter] = {}

    def make(self, selection: Selection, method: Method) -> Filter:
        """The filter that keeps a selection of waves.

        Raises:
            ConfigError: ``projection`` where the null space is empty, with the ranks.
        """
        rows = selection.removed_rows(self.basis)
        if selection.keep not in ("low", "high"):
            return self._filter(rows, method, *self._directions(rows))
        if selection.keep not in self._nested:  # the removal of everything has every cut-off's rows first
            cutoff = 1 if selection.keep == "low" else self.basis.n_components + 1
            self._nested[selection.keep] = self._directions(replace(selection, cutoff=cutoff).removed_rows(self.basis))
        return self._filter(rows, method, *self._nested[selection.keep])

    def control(self, count: int, method: Method, draw: int) -> Filter:
        """A filter that removes this many random rows of the number line instead; the same object each time."""
        key = (count, method, draw)
        if key not in self._controls:
            rows = random_rows(self.basis.p, count, self.seed + draw)
            self._controls[key] = self._filter(rows, method, *self._directions(rows))
        return self._controls[key]

    def _directions(self, rows: Tensor) -> tuple[Tensor, list[int]]:
        """What rows of the number line read of the residual stream: one ordered QR serves all nested filters."""
        seen = rows @ self.unembedding
        blind = bool((rows.sum(dim=1).abs() < 1e-9).all())  # to the constant
        if self.rank == self.basis.p or (blind and self._tells_all):  # then none of their directions can be missing
            return torch.linalg.qr(seen.T).Q.T, list(range(len(rows) + 1))
        return ordered_basis(seen, self._floor)

    def factors(self, rows: Float[Tensor, "r p"], method: Method) -> tuple[Tensor, Tensor, list[int]]:
        """Filters that remove the first n of these rows, for every n: what their ``into`` and ``read`` begin with.

        Returns:
            into (d, m), read (m, d), and for n = 0..r how many of these m the filter of the first n rows takes; for
            ``projection`` the stream's whole rank among them means that it would leave nothing.
        """
        if method == "readout":
            return self._pinv @ rows.T, rows @ self.unembedding, list(range(len(rows) + 1))
        directions, counts = self._directions(rows)
        return directions.T, directions, counts

    def _filter(self, rows: Tensor, method: Method, directions: Tensor, counts: list[int]) -> Filter:
        """The filter that removes these rows; directions of the first of them, or of more."""
        seen, rank = rows @ self.unembedding, counts[len(rows)]
        if method == "readout":
            into, read = self._pinv @ rows.T, seen
        else:
            if rank >= self.rank:
                raise empty_null_space(len(rows), self.rank, seen.shape[1])
            into, read = directions[:rank].T, directions[:rank]
        passing, gone = seen - (seen @ into) @ read, self.centred @ into  # (r, d), (p, m): what goes is gone @ read
        others = gone - rows.T @ (rows @ gone)  # rows don't see the constant, so that this is centred
        power = seen.square().sum()
        rest = (self.centred.square().sum() - power).clamp_min(self._floor**2)
        return Filter(
            into=into,
            read=read,
            removed=len(rows),
            rank=rank,
            control_rows=len(rows) if rank == min(len(rows), self.rank) else rank,
            left=float(passing.square().sum() / power) if rank else 0.0,
            lost=float(((others.T @ others) * (read @ read.T)).sum() / rest) if rank else 0.0,
        )
