"""The difference of two numbers, the larger one first: no answer is below 0."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fourier_lightning.data.datamodule import data_of
from fourier_lightning.data.task import Task, all_pairs, check_range


@dataclass(frozen=True)
class Subtraction(Task):
    """a - b, for a >= b. The order of the operands is the question.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand; the number line is 0..max_operand.

    Raises:
        ConfigError: an empty range.
    """

    name = "subtraction"
    cyclic = False
    commutative = False
    size_key = "max_operand"
    templates: ClassVar[dict[str, str]] = {
        "minus": "Calculate {a} - {b}. Answer:",
        "subtract": "Subtract {b} from {a}. Answer:",
        "difference": "What is the difference of {a} and {b}? Answer:",
        "format": "{a},{b}-",
        "equation": "{a}-{b}=",
    }

    min_operand: int = 0
    max_operand: int = 260

    def __post_init__(self) -> None:
        check_range(self.min_operand, self.max_operand)

    @property
    def smallest(self) -> int:
        return self.min_operand

    @property
    def largest(self) -> int:
        return self.max_operand

    @property
    def p(self) -> int:
        return self.max_operand + 1

    def operands(self) -> Tensor:
        return all_pairs(self.min_operand, self.max_operand, "unordered").flip(1)

    def answers(self, operands: Tensor) -> Tensor:
        return operands[:, 0] - operands[:, 1]

    def addends(self, operands: Tensor) -> Tensor:
        """What adds up to a: a borrow of a - b is a carry of (a - b) + b."""
        return torch.stack([self.answers(operands), operands[:, 1]], dim=1)


subtraction_data = data_of(Subtraction)
