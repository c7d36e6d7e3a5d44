"""What a task is: operands, the texts that ask for an answer, and the answers on a line of numbers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fourier_lightning.errors import ConfigError

Pairs = Literal["unordered", "ordered"]


class Task(ABC):
    """Numbers in, one number out. Subclasses are frozen dataclasses whose fields are settings below ``data``.

    Attributes:
        name: in the record and on the terminal.
        cyclic: whether the number line is a circle, so that 0 and p - 1 are neighbours.
        commutative: whether the order of the operands leaves the answer alone.
        size_key: the field that makes the number line longer or shorter.
        operand_key: the field that makes the operands' range longer or shorter, the same unless a task has another.
        letters: what the operands are called, one letter each.
        periods: of waves to ask for beside the usual ones, where the paper sees more.
        templates: texts by name, with ``{a}`` and ``{b}`` (any order, each once); the answer's token follows at once.
        p: length of the number line: the answers are 0..p-1.
        smallest, largest: of the operands; each of them is in 0..p-1.
    """

    name: ClassVar[str]
    cyclic: ClassVar[bool]
    commutative: ClassVar[bool]
    size_key: ClassVar[str]
    letters: ClassVar[str] = "ab"
    periods: ClassVar[tuple[float, ...]] = ()

    @property
    @abstractmethod
    def smallest(self) -> int: ...

    @property
    @abstractmethod
    def largest(self) -> int: ...

    @property
    @abstractmethod
    def templates(self) -> dict[str, str]: ...

    @property
    @abstractmethod
    def p(self) -> int: ...

    @abstractmethod
    def operands(self) -> Tensor:
        """Every row of the task, split and shown as a whole: int64 (n, k), columns a, b (and c)."""

    @abstractmethod
    def answers(self, operands: Tensor) -> Tensor:
        """The right numbers (n,) for operands (n, k)."""

    def addends(self, operands: Tensor) -> Tensor | None:
        """What a column addition on paper would add up, (n, m): its carries are the task's. None if it is none."""
        return None

    @property
    def operand_key(self) -> str:
        """See above."""
        return self.size_key

    @property
    def operand_range(self) -> tuple[int, int]:
        """Smallest and largest operand of the questions (of a digit's task those of the whole numbers)."""
        return self.smallest, self.largest

    @property
    def unordered(self) -> bool:
        """Whether a row stands for all orders of its operands: then (a, b) and (b, a) never part at a split."""
        return False

    @property
    def cycle(self) -> int | None:
        """The number line's period: p of a cyclic task, else None."""
        return self.p if self.cyclic else None

    def allows(self, operands: list[int]) -> bool:
        """Whether the task asks about these operands, seen in the data or not."""
        in_range = all(self.smallest <= n <= self.largest for n in operands) and len(operands) == len(self.letters)
        return in_range and 0 <= int(self.answers(torch.tensor([operands]))) < self.p

    def card(self) -> dict[str, Any]:
        """Plain values that tell a record's reader what was asked."""
        return {"name": self.name, "p": self.p, "cyclic": self.cyclic, "commutative": self.commutative}


@dataclass(frozen=True)
class RangeTask(Task):
    """A task of operands ``min_operand..max_operand``, all of them alike.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand.

    Raises:
        ConfigError: an empty range, naming ``data.min_operand`` or ``data.max_operand``.
    """

    size_key = "max_operand"

    min_operand: int = 0
    max_operand: int = 100

    def __post_init__(self) -> None:
        if self.max_operand < 0:
            raise ConfigError(f"data.max_operand={self.max_operand}", "negative", "use 1 or more")
        if not 0 <= self.min_operand <= self.max_operand:
            key, remedy = f"data.min_operand={self.min_operand}", f"use a value from 0 to {self.max_operand}"
            raise ConfigError(key, "not in 0..data.max_operand", remedy)

    @property
    def smallest(self) -> int:
        return self.min_operand

    @property
    def largest(self) -> int:
        return self.max_operand


def all_pairs(smallest: int, largest: int, pairs: Pairs) -> Tensor:
    """All pairs of operands in ``smallest..largest``.

    Unordered pairs (a <= b, with a = b) are the paper's: 34,191 for operands 0..260. With ordered pairs (a, b)
    and (b, a) are separate rows, so a random split puts most mirrored pairs on both sides: a leak if the task is
    commutative.

    Returns:
        int64 tensor of shape (pairs, 2).
    """
    operands = torch.arange(smallest, largest + 1)
    if pairs == "ordered":
        return torch.cartesian_prod(operands, operands)
    return torch.combinations(operands, r=2, with_replacement=True)
