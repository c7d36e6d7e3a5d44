"""What can be done to a pretrained token table before a model gets it. Tensors in, tensors out.

The rows of the embedded backbone share one large mean vector (0.454 of a mean norm of 0.475), so a raw table
looks almost constant to the first LayerNorm; centring shows the numbers, and their leading principal directions
carry them into a narrower model.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fourier_lightning.fourier.basis import fourier_basis, period_waves
from fourier_lightning.fourier.selection import Selection


def principal_directions(rows: Float[Tensor, "p d"]) -> Float[Tensor, "d d"]:
    """Right singular vectors of ``rows``, strongest first: an orthonormal basis, also where p < d.

    No mean is subtracted here: centre the rows first to get principal components. Computed in float64; the sign of
    each direction makes its largest entry positive, so every machine gives the same table.
    """
    _, _, vh = torch.linalg.svd(rows.double(), full_matrices=True)
    signs = vh.gather(1, vh.abs().argmax(dim=1, keepdim=True)).sign()
    directions: Tensor = (vh * signs).T
    return directions


def root_mean_square(rows: Float[Tensor, "p d"]) -> float:
    """Root mean square of the entries: equals their standard deviation when they are centred."""
    return float(rows.double().square().mean().sqrt())


def shuffled_rows(rows: Float[Tensor, "p d"], seed: int) -> Float[Tensor, "p d"]:
    """The rows in a random order: same vectors, no number line (a control)."""
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]


def keep_waves(rows: Float[Tensor, "p d"], selection: Selection) -> Float[Tensor, "p d"]:
    """Number rows with all waves but the selected ones (and the mean row) taken out of every column."""
    removed = selection.removed_rows(fourier_basis(len(rows))).to(rows.dtype)
    return rows - removed.T @ (removed @ rows)


def random_same_spectrum(rows: Float[Tensor, "p d"], seed: int) -> Float[Tensor, "p d"]:
    """Each wave keeps its power and gets a random direction: the same spectrum, nothing else (a control)."""
    basis = fourier_basis(len(rows)).rows
    coefs = basis @ rows.double()  # (p, d): a sine's or a cosine's vector in each row
    table: Tensor = basis.T @ torch.cat([coefs[:1], _random_directions(coefs[1:], seed)])
    return table.to(rows.dtype)


def phase_scrambled(rows: Float[Tensor, "p d"], seed: int) -> Float[Tensor, "p d"]:
    """Each column's wave of each k keeps its amplitude and gets a random phase of its own (a control)."""
    basis = fourier_basis(len(rows))
    coefs = basis.rows @ rows.double()
    rng = torch.Generator().manual_seed(seed)
    for k in range(1, basis.n_components + 1):
        mine = (basis.component == k).nonzero().flatten()
        angle = 2 * torch.pi * torch.rand(rows.shape[1], generator=rng, dtype=torch.float64)
        size = coefs[mine].norm(dim=0)
        # an even p's last component is a cosine alone: its phase is a sign
        turned = [angle.sin(), angle.cos()] if len(mine) == 2 else [angle.cos().sign()]
        coefs[mine] = size * torch.stack(turned)
    return (basis.rows.T @ coefs).to(rows.dtype)


def gaussian_same_norm(rows: Float[Tensor, "p d"], seed: int) -> Float[Tensor, "p d"]:
    """Every number gets a random direction with the norm of its own row (a control)."""
    return _random_directions(rows.double(), seed).to(rows.dtype)


def _random_directions(rows: Float[Tensor, "n d"], seed: int) -> Float[Tensor, "n d"]:
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows.shape, generator=rng, dtype=torch.float64)
    return drawn * (rows.norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True))


def fourier_features(numbers: Int[Tensor, " n"], periods: list[float], width: int) -> Float[Tensor, "n width"]:
    """Cosine and sine of 2 pi x / T for each period, padded with zeros: FoNE's embedding (arXiv 2502.09741)."""
    waves = period_waves(periods, int(numbers.max()) + 1)[:, numbers].T  # (n, 2 x periods)
    return torch.nn.functional.pad(waves, (0, width - waves.shape[1])).float()
