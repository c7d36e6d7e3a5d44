"""Addition on a circle: the sum of two numbers modulo a third, the task of the grokking literature."""

from dataclasses import dataclass

from torch import Tensor

from fourier_lightning.data.node import data_of
from fourier_lightning.data.task import Pairs, Task, all_pairs
from fourier_lightning.errors import ConfigError


@dataclass(frozen=True)
class ModularAddition(Task):
    """(a + b) mod m, for operands 0..m-1. The number line 0..m-1 is a circle: 0 follows m - 1.

    Args:
        modulus: m. 113 is that of Nanda et al. (arXiv 2301.05217).
        pairs: ``unordered`` or ``ordered`` ((b, a) is a row of its own, which leaks).

    Raises:
        ConfigError: a modulus below 2.
    """

    name = "modular_addition"
    cyclic = True
    commutative = True
    size_key = "modulus"

    modulus: int = 113
    pairs: Pairs = "unordered"

    def __post_init__(self) -> None:
        if self.modulus < 2:
            raise ConfigError(f"data.modulus={self.modulus}", "too small", "use 2 or more")

    @property
    def templates(self) -> dict[str, str]:
        return {
            "modulo": f"Calculate {{a}} + {{b}} modulo {self.modulus}. Answer:",
            "remainder": f"What is the remainder of {{a}} + {{b}} divided by {self.modulus}? Answer:",
            "format": "{a},{b}+",
        }

    @property
    def smallest(self) -> int:
        return 0

    @property
    def largest(self) -> int:
        return self.modulus - 1

    @property
    def p(self) -> int:
        return self.modulus

    @property
    def unordered(self) -> bool:
        return self.pairs == "unordered"

    def operands(self) -> Tensor:
        return all_pairs(0, self.modulus - 1, self.pairs)

    def answers(self, operands: Tensor) -> Tensor:
        return operands.sum(dim=1) % self.modulus

    def addends(self, operands: Tensor) -> Tensor:
        return operands


modular_addition_data = data_of(ModularAddition)
