"""The paper's task: the sum of two numbers (section 1)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import Pairs, RangeTask, all_pairs


@dataclass(frozen=True)
class Addition(RangeTask):
    """a + b.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand; the number line is 0..2 * max_operand.
        pairs: ``unordered`` (the paper's counts) or ``ordered`` ((b, a) is a row of its own, which leaks).

    Raises:
        ConfigError: an empty range.
    """

    name = "addition"
    cyclic = False
    commutative = True
    # Prompts end where the answer token follows at once: the paper's p = 521 is consistent only with bare answer
    # tokens. The paper gives the five sentences and "Answer:"; the single space between them is our choice.
    templates: ClassVar[dict[str, str]] = {
        "total": "Total of {a} and {b}. Answer:",
        "add": "Add together {a} and {b}. Answer:",
        "calculate": "Calculate {a} + {b}. Answer:",
        "what": "What is the sum of {a} and {b}? Answer:",
        "put": "Put together {a} and {b}. Answer:",
        "format": "{a},{b}+",  # the format task, appendix C.3
        "equation": "{a}+{b}=",  # ours, for prompted models: what text on the web looks like
    }

    max_operand: int = 260
    pairs: Pairs = "unordered"

    @property
    def p(self) -> int:
        return 2 * self.max_operand + 1

    @property
    def unordered(self) -> bool:
        return self.pairs == "unordered"

    def operands(self) -> Tensor:
        return all_pairs(self.min_operand, self.max_operand, self.pairs)

    def answers(self, operands: Tensor) -> Tensor:
        return operands.sum(dim=1)

    def addends(self, operands: Tensor) -> Tensor:
        return operands


addition_data = data_of(Addition)
