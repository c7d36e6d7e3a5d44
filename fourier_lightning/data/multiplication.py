"""The product of two numbers (paper appendix C.2), as far as products are single tokens."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import Pairs, RangeTask, all_pairs
from fourier_lightning.errors import ConfigError


@dataclass(frozen=True)
class Multiplication(RangeTask):
    """a * b, for products up to a largest one. Not every number of the line 0..p-1 is a product: 507 is, 509 isn't.

    The paper's products reach 10,000, of which most are no single token of GPT-2; what is scored there, it does not
    say. Here every number of the line is one token, and the answer is the whole product.

    Args:
        min_operand: smallest operand.
        max_operand: largest operand.
        max_product: pairs with a larger product are not asked; the number line is 0..max_product, or 0..max_operand^2
            where that is shorter.
        pairs: ``unordered`` or ``ordered`` ((b, a) is a row of its own, which leaks).

    Raises:
        ConfigError: an empty range, or operands that lie beyond the number line.
    """

    name = "multiplication"
    cyclic = False
    commutative = True
    size_key = "max_product"
    periods = (10 / 3,)  # figure 16
    # The paper's sentences. The fourth starts with a space, so that both of its operands are the same kind of token.
    templates: ClassVar[dict[str, str]] = {
        "product": "What is the product of {a} and {b}? Answer:",
        "find": "Find the product of {a} multiplied by {b}. Answer:",
        "times": "Calculate {a} times {b}. Answer:",
        "equals": " {a} multiplied by {b} equals what? Answer:",
        "multiplication": "Multiplication of {a} with {b}. Answer:",
        "format": "{a},{b}*",
    }

    max_operand: int = 100
    max_product: int = 520
    pairs: Pairs = "unordered"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_product < self.max_operand:
            problem = f"operands reach {self.max_operand}, and they lie on the number line, too"
            raise ConfigError(f"data.max_product={self.max_product}", problem, "raise it, or lower data.max_operand")

    @property
    def operand_key(self) -> str:
        return "max_operand"

    @property
    def p(self) -> int:
        return min(self.max_product, self.max_operand**2) + 1

    @property
    def unordered(self) -> bool:
        return self.pairs == "unordered"

    def operands(self) -> Tensor:
        pairs = all_pairs(self.min_operand, self.max_operand, self.pairs)
        return pairs[pairs.prod(dim=1) <= self.max_product]

    def answers(self, operands: Tensor) -> Tensor:
        return operands.prod(dim=1)


multiplication_data = data_of(Multiplication)
