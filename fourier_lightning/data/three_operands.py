"""The sum of three numbers: does a model that adds two at a time do it twice, or all at once?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import RangeTask


@dataclass(frozen=True)
class ThreeOperands(RangeTask):
    """a + b + c. A row stands for all orders of its operands.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand; the number line is 0..3 * max_operand.

    Raises:
        ConfigError: an empty range.
    """

    name = "three_operands"
    cyclic = False
    commutative = True
    letters = "abc"
    # Those of the paper's sentences of two, with a third number.
    templates: ClassVar[dict[str, str]] = {
        "total": "Total of {a}, {b} and {c}. Answer:",
        "add": "Add together {a}, {b} and {c}. Answer:",
        "calculate": "Calculate {a} + {b} + {c}. Answer:",
        "what": "What is the sum of {a}, {b} and {c}? Answer:",
        "put": "Put together {a}, {b} and {c}. Answer:",
        "format": "{a},{b},{c}+",
    }

    max_operand: int = 30

    @property
    def p(self) -> int:
        return 3 * self.max_operand + 1

    @property
    def unordered(self) -> bool:
        return True

    def operands(self) -> Tensor:
        numbers = torch.arange(self.min_operand, self.max_operand + 1)
        return torch.combinations(numbers, r=3, with_replacement=True)

    def answers(self, operands: Tensor) -> Tensor:
        return operands.sum(dim=1)

    def addends(self, operands: Tensor) -> Tensor:
        return operands


three_operands_data = data_of(ThreeOperands)
