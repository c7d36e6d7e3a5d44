"""The split of a task's rows into training, validation and test: random (paper section 1), or by what is held out."""

from typing import Literal

import torch
from torch import Tensor

from fourier_lightning.data.carries import carries
from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError

SplitKind = Literal["random", "operands", "sums", "residues", "carries"]
VAL_SHARE, TEST_SHARE = 0.1, 0.1  # 80/10/10, paper section 1
RARE, COMMON = 0.05, 0.5  # of the rows: a pattern of carries with less is no test, without one with more little is left


def split_rows(
    task: Task, operands: Tensor, kind: SplitKind, train_fraction: float, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Split a task's rows.

    - ``random``: rows are drawn without a look at them. A row's answer, and each of its operands, occur in training.
    - ``operands``: some numbers occur in no training row as an operand (as an answer they may). Test rows have one or
      more of the test numbers, validation rows one or more of the validation numbers and none of test's.
    - ``sums``: some answers are those of no training row. Validation and test have answers of their own each.
    - ``residues``: two of the ten last digits are the answer's in no training row: one is validation's, one is test's.
    - ``carries``: one pattern of carries (which columns of the addition on paper hand on how much, see
      ``Task.addends``) occurs in no training row. Its rows are dealt out to validation and test, half and half; it is
      drawn among the patterns that hold 5 % to 50 % of the rows.

    Where numbers, answers or digits are held out, test's are drawn first: as many as make a tenth of the rows or just
    more (of residues one); then validation's, likewise. What is left is training's pool.

    Args:
        task: whose rows they are.
        operands: (rows, k).
        kind: what is held out.
        train_fraction: training rows as a share of all rows; where the pool holds fewer, all of it.
        seed: of the draw.

    Returns:
        (train, validation, test) int64 row indices. Validation and test depend on the seed alone; a smaller
        ``train_fraction`` has the first rows of every larger one.

    Raises:
        ConfigError: a part would be empty, or the task has no such thing to hold out.
    """
    if kind == "random":
        sizes = split_sizes(len(operands), train_fraction)
        _check_sizes(task, f"data.train_fraction={train_fraction}", sizes, len(operands))
        return split_indices(len(operands), train_fraction, seed)
    rng = torch.Generator().manual_seed(seed)
    if kind == "carries":
        held_out = _pattern(task, operands, rng).nonzero().flatten()
        held_out = held_out[torch.randperm(len(held_out), generator=rng)]
        val, test = held_out[: len(held_out) // 2], held_out[len(held_out) // 2 :]
    else:
        val, test = _classes(task, operands, kind, rng)
    rest = torch.ones(len(operands), dtype=torch.bool)
    rest[torch.cat([val, test])] = False
    pool = rest.nonzero().flatten()
    pool = pool[torch.randperm(len(pool), generator=rng)]
    train = pool[: int(len(operands) * train_fraction + 1e-9)]
    _check_sizes(task, f"data.split={kind}", (len(train), len(val), len(test)), len(operands))
    return train, val, test


def _classes(task: Task, operands: Tensor, kind: SplitKind, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Validation and test rows where numbers, answers or last digits are held out."""
    place = torch.randperm(10 if kind == "residues" else task.p, generator=rng).argsort()  # of each class, in the draw
    if kind == "operands":  # a row goes with the first of its numbers to be drawn
        rank = place[operands].min(dim=1).values
    else:
        answers = task.answers(operands)
        rank = place[answers % 10 if kind == "residues" else answers]
    sizes = rank.bincount(minlength=len(place))
    wanted = (1.0, 1.0) if kind == "residues" else (TEST_SHARE * len(rank), VAL_SHARE * len(rank))
    end_of_test = _enough(sizes, 0, wanted[0])
    end_of_val = _enough(sizes, end_of_test, wanted[1])
    val = (rank >= end_of_test) & (rank < end_of_val)
    return val.nonzero().flatten(), (rank < end_of_test).nonzero().flatten()


def _enough(sizes: Tensor, start: int, wanted: float) -> int:
    """Where the classes end, from ``start`` on, that together have as many rows as wanted."""
    return start + 1 + int((sizes[start:].cumsum(dim=0) < wanted).sum())


def _pattern(task: Task, operands: Tensor, rng: torch.Generator) -> Tensor:
    """Which rows (rows,) have the pattern of carries that is held out.

    Raises:
        ConfigError: the task has no carries, or no pattern that can be held out.
    """
    addends = task.addends(operands)
    if addends is None:
        kinds = "random, operands, sums or residues"
        raise ConfigError("data.split=carries", f"{task.name} is no column addition: it has none", f"choose {kinds}")
    _, of_row, counts = carries(addends).unique(dim=0, return_inverse=True, return_counts=True)
    shares = counts / len(operands)
    fair = ((shares >= RARE) & (shares <= COMMON)).nonzero().flatten()
    if not len(fair):
        told = f"none of {len(counts)} patterns of carries holds {RARE:.0%} to {COMMON:.0%} of the rows"
        raise ConfigError("data.split=carries", told, f"raise data.{task.size_key}, or choose another data.split")
    return of_row == fair[torch.randint(len(fair), (), generator=rng)]


def _check_sizes(task: Task, key: str, sizes: tuple[int, int, int], rows: int) -> None:
    """Refuse a split with an empty part."""
    if min(sizes) < 1:
        what = "pairs" if len(task.letters) == 2 else "rows"
        told = f"{rows} {what} split into {sizes[0]} training, {sizes[1]} validation and {sizes[2]} test rows"
        other = "" if key.startswith("data.train_fraction") else ", or choose another data.split"
        raise ConfigError(key, told, f"raise data.train_fraction or data.{task.size_key}{other}")


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
