"""Which of two numbers is larger? A question of size alone: no residue helps."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import RangeTask, all_pairs


@dataclass(frozen=True)
class Comparison(RangeTask):
    """The larger of two different numbers. The answer is that number, not a word, so that it lies on the number line.

    It is a choice between two tokens of the prompt: a model can copy it, and needs no arithmetic to write it. One
    that copies either of them at random is right in half of the cases.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand; the number line is 0..max_operand (the smallest operand is never an answer).

    Raises:
        ConfigError: an empty range.
    """

    name = "comparison"
    cyclic = False
    commutative = True
    templates: ClassVar[dict[str, str]] = {
        "larger": "Which is larger, {a} or {b}? Answer:",
        "compare": "Compare {a} with {b}. The larger one is:",
        "greater": "Of {a} and {b}, name the greater number. Answer:",
        "format": "{a},{b}>",
    }

    max_operand: int = 100

    @property
    def p(self) -> int:
        return self.max_operand + 1

    @property
    def unordered(self) -> bool:
        return True

    def operands(self) -> Tensor:
        pairs = all_pairs(self.min_operand, self.max_operand, "unordered")
        return pairs[pairs[:, 0] != pairs[:, 1]]

    def answers(self, operands: Tensor) -> Tensor:
        return operands.max(dim=1).values

    def allows(self, operands: list[int]) -> bool:
        return super().allows(operands) and operands[0] != operands[1]


comparison_data = data_of(Comparison)
