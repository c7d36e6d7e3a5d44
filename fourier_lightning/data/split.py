"""The split of a task's rows into training, validation and test (paper section 1)."""

import torch
from torch import Tensor

VAL_SHARE, TEST_SHARE = 0.1, 0.1  # 80/10/10, paper section 1


def split_sizes(n_pairs: int, train_fraction: float) -> tuple[int, int, int]:
    """Rows of train, validation and test. 34,191 pairs at fraction 0.8 give 27,352 / 3,419 / 3,420."""
    n_pool = int(n_pairs * (1 - VAL_SHARE - TEST_SHARE) + 1e-9)
    n_val = int(n_pairs * VAL_SHARE + 1e-9)
    n_train = min(int(n_pairs * train_fraction + 1e-9), n_pool)
    return n_train, n_val, n_pairs - n_pool - n_val


def split_indices(n_pairs: int, train_fraction: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Shuffle the pairs and split them.

    Validation and test rows depend on ``seed`` alone, and the training rows of a smaller ``train_fraction`` (a
    share of all pairs) are the first rows of every larger one, so runs along that axis can be compared.

    Returns:
        (train, validation, test) int64 row indices.
    """
    order = torch.randperm(n_pairs, generator=torch.Generator().manual_seed(seed))
    n_train, n_val, n_test = split_sizes(n_pairs, train_fraction)
    val, test, pool = order[:n_val], order[n_val : n_val + n_test], order[n_val + n_test :]
    return pool[:n_train], val, test
