"""How much of what modules really add to the number logits a filter changes, and random filters that change as much.

Of contributions x (d,), scaled as the final norm scales them, with the second moment C = sum x x^T, a filter that
takes A B x away (``Filter.into`` and ``read``) changes the share tr(W A B C B^T A^T W^T) / tr(W C W^T) of the power of
the number logits W x, W's rows centred: the ``energy`` of the filter. It is a sum over pairs of filtered directions:
the filter of the first n of some rows has the sum over the first n of each, and one table holds all of these.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.fourier.filters import Filter, FilterMaker, Method

ALIKE = 0.01  # share of the power: a control of equal rank that holds as much, to this, is the one of equal energy
FAR = 0.1  # one that misses the energy by more is no control: a projection of enough rows would leave nothing


class Energy:
    """Energies of filters of one unembedding, for some contributions.

    Args:
        maker: of the filters.
        moment: (d, d) second moment of the contributions, see the module's text; any device and precision.
    """

    def __init__(self, maker: FilterMaker, moment: Float[Tensor, "d d"]) -> None:
        self.maker, self.moment = maker, moment.double().cpu()
        self._gram = maker.centred.T @ maker.centred
        self.whole = float((self._gram * self.moment).sum())
        self._curves: dict[tuple[Method, int], Tensor] = {}

    def of(self, chosen: Filter) -> float:
        """Share of the power that a filter changes: 0 of a filter of nothing, and where there is no power."""
        if not chosen.removed or self.whole <= 0:
            return 0.0
        return float(self._pairs(chosen.into, chosen.read).sum()) / self.whole

    def control(self, chosen: Filter, method: Method, draw: int) -> Filter | None:
        """A filter of random rows that changes as much of the power; None where there is none.

        As many leading rows of a random rotation of the number line are removed as come nearest to the filter's
        energy. They are the control of equal rank itself where that holds as much.
        """
        if (method, draw) not in self._curves:
            self._curves[method, draw] = self._curve(method, draw)
        wanted, curve = self.of(chosen), self._curves[method, draw]  # curve[n - 1]: of n rows
        missed = (curve - wanted).abs()
        equal = chosen.control_rows - 1
        if 0 <= equal < len(curve) and missed[equal] <= ALIKE:
            return self.maker.control(chosen.control_rows, method, draw)
        if len(curve) == 0 or missed.min() > FAR:
            return None
        return self.maker.control(int(missed.argmin()) + 1, method, draw)

    def _curve(self, method: Method, draw: int) -> Tensor:
        """Energies of the filters of 1, 2, ... random rows, as many as leave something."""
        rows = random_rows(self.maker.basis.p, self.maker.basis.p - 1, self.maker.seed + draw)
        into, read, counts = self.maker.factors(rows, method)
        total = self._pairs(into, read).cumsum(dim=0).cumsum(dim=1).diagonal() / max(self.whole, 1e-300)
        if method == "projection":
            counts = [count for count in counts if count < self.maker.rank]
        return total[torch.tensor(counts[1:], dtype=torch.long) - 1]

    def _pairs(self, into: Tensor, read: Tensor) -> Tensor:
        """(m, m) what each pair of filtered directions adds to the changed power."""
        return (into.T @ self._gram @ into) * (read @ self.moment @ read.T)
