"""What can be done to a pretrained token table before a model gets it. Tensors in, tensors out.

The rows of the embedded backbone share one large mean vector (0.454 of a mean norm of 0.475), so a raw table
looks almost constant to the first LayerNorm; centring shows the numbers, and their leading principal directions
carry them into a narrower model.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


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


def permute_rows(table: Float[Tensor, "V d"], rows: Int[Tensor, " p"], seed: int) -> Float[Tensor, "V d"]:
    """The table with the given rows exchanged among themselves: same vectors, no number line (a control)."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    shuffled = table.clone()
    shuffled[rows] = table[rows[order]]
    return shuffled
