"""Number tables like a pretrained one: strong long waves, lines at the paper's periods, a background."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.fourier.basis import period_waves
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.readings.paper import SHORT

LINES = {"plain": 0.0, "lines": 1.0, "strong": 2.5}  # of the short periods, beside a pretrained table's
BACKGROUND = 0.35  # of a row's squared norm: what belongs to no wave; its mean has 1, the longest wave 0.36


def long_periods(p: int) -> list[float]:
    """The waves below the paper's cut-off: T = p / k."""
    return [p / k for k in range(1, Selection().cutoff_at(p))]


def waves_of(periods: list[float], p: int) -> Float[Tensor, "p m"]:
    """Cosine and sine of each period at 0..p-1; of T = 2 the cosine alone."""
    waves = period_waves(periods, p).T
    return waves[:, waves.norm(dim=0) > 1e-6]


@dataclass(frozen=True)
class Table:
    """A table of p numbers, a comma and a plus, in a stream of d directions, all of them turned at random.

    Attributes:
        rows: (p + 2, d) float64: the numbers, "+", ",", in the order of a compact vocabulary.
        carriers: (c, d) orthonormal directions for what the unembedding should not read. Where d > p they lie in its
            complement; else there is none, and they lie in its background.
        mark: (d,) the row of "+", orthogonal to the carriers and to what is written.
        written: (m, d) orthonormal directions that modules may write.
    """

    rows: Float[Tensor, "v d"]
    carriers: Float[Tensor, "c d"]
    mark: Float[Tensor, " d"]
    written: Float[Tensor, "m d"]

    @property
    def numbers(self) -> Float[Tensor, "p d"]:
        """The number rows, which are the unembedding too."""
        return self.rows[:-2]


def make_table(p: int, width: int, lines: float, carriers: int, rng: torch.Generator) -> Table:
    """Draw a table.

    Args:
        width: d of the stream.
        carriers: c, how many directions carry operands to the MLPs.
        lines: amplitude of the short periods, see ``LINES``.
        rng: of directions, amplitudes and background.
    """
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)  # noqa: E731
    long = long_periods(p)
    waves = waves_of([*SHORT, *long], p)
    turned = torch.linalg.qr(draw(width, width)).Q.T
    mean, signal, rest = turned[:1], turned[1 : 1 + waves.shape[1]], turned[1 + waves.shape[1] :]
    mark, carried, free = rest[0], rest[1 : 1 + carriers], rest[1 + carriers :]
    background = free if width > p else rest
    noise = draw(p, len(background)) * math.sqrt(BACKGROUND / len(background))
    level = math.sqrt(2 * BACKGROUND / p)  # the amplitude of a wave that is as strong as the background's
    short = level * (1 + 2 * lines * torch.empty(len(SHORT)).uniform_(0.8, 1.25, generator=rng))
    sizes = torch.cat([short, 0.6 / torch.arange(1, len(long) + 1).sqrt()]).double()
    amplitudes = sizes.repeat_interleave(2)[1:]  # T = 2, the first, has one column
    numbers = mean + (waves * amplitudes) @ signal + noise @ background
    comma = draw(1, len(free)) @ free / math.sqrt(len(free))
    return Table(torch.cat([numbers, mark[None], comma]), carried, mark, torch.cat([mean, signal, free]))
