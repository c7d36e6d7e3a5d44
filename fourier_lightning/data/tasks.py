"""The addition task: pairs of operands, the texts that ask for their sum, and the split (paper section 1)."""

import torch
from torch import Tensor

# Prompts end where the answer token follows at once: the paper's p = 521 is consistent only with bare answer
# tokens. The paper gives the five sentences and "Answer:"; the single space between them is our choice.
TEMPLATES: dict[str, str] = {
    "total": "Total of {a} and {b}. Answer:",
    "add": "Add together {a} and {b}. Answer:",
    "calculate": "Calculate {a} + {b}. Answer:",
    "what": "What is the sum of {a} and {b}? Answer:",
    "put": "Put together {a} and {b}. Answer:",
    "format": "{a},{b}+",  # the format task, appendix C.3
}
VAL_SHARE, TEST_SHARE = 0.1, 0.1  # 80/10/10, paper section 1


def make_pairs(min_operand: int, max_operand: int, ordered: bool) -> Tensor:
    """All pairs of operands in ``min_operand..max_operand``.

    Unordered pairs (a <= b, with a = b) are the paper's: 34,191 for operands 0..260. With ordered pairs (a, b)
    and (b, a) are separate rows, so a random split puts most mirrored pairs on both sides: a leak.

    Returns:
        int64 tensor of shape (pairs, 2).
    """
    operands = torch.arange(min_operand, max_operand + 1)
    if ordered:
        return torch.cartesian_prod(operands, operands)
    return torch.combinations(operands, r=2, with_replacement=True)


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
