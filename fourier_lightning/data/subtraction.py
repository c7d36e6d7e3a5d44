"""The difference of two numbers, the larger one first: no answer is below 0."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import RangeTask, all_pairs


@dataclass(frozen=True)
class Subtraction(RangeTask):
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
    templates: ClassVar[dict[str, str]] = {
        "minus": "Calculate {a} - {b}. Answer:",
        "subtract": "Subtract {b} from {a}. Answer:",
        "difference": "What is the difference of {a} and {b}? Answer:",
        "format": "{a},{b}-",
        "equation": "{a}-{b}=",
    }

    max_operand: int = 260

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
