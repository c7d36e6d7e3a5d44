import numpy as np
import torch

from fourier_lightning.models.table import permute_rows, principal_directions, root_mean_square


def test_principal_directions_against_numpy():
    rows = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    rows = rows - rows.mean(0)
    directions = principal_directions(rows).numpy()
    _, _, vh = np.linalg.svd(rows.double().numpy(), full_matrices=False)
    assert np.abs(np.abs((directions * vh.T).sum(0)) - 1).max() < 1e-10
    assert (directions[np.abs(directions).argmax(0), np.arange(12)] > 0).all()  # the sign is fixed


def test_principal_directions_of_a_planted_plane():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 2, generator=generator)).Q
    rows = torch.randn(50, 2, generator=generator) * torch.tensor([3.0, 1.0]) @ basis.T
    found = principal_directions(rows)[:, :2].float()
    torch.testing.assert_close(found @ found.T, basis @ basis.T, atol=1e-5, rtol=0)


def test_root_mean_square():
    assert root_mean_square(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == 2.5


def test_permute_rows_keeps_the_vectors_and_the_other_rows():
    table = torch.arange(20.0).view(10, 2)
    rows = torch.tensor([2, 3, 5, 7])
    shuffled = permute_rows(table, rows, seed=1)
    assert not shuffled.equal(table)
    assert sorted(shuffled[rows].tolist()) == sorted(table[rows].tolist())
    others = [i for i in range(10) if i not in rows.tolist()]
    assert shuffled[others].equal(table[others])
    assert shuffled.equal(permute_rows(table, rows, seed=1))
    assert not shuffled.equal(permute_rows(table, rows, seed=2))
