"""Which models are made: every planted mechanism at both widths and noises, and those that are trained to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.calibration.mechanisms import MECHANISMS, Facts
from fourier_lightning.calibration.models import CASES, Case, plant
from fourier_lightning.calibration.trained import TRAINED, Checked, Trained, check, train
from fourier_lightning.errors import ConfigError, suggestion

TUNED = 30  # the largest operand of the models that the rules were made with


@dataclass(frozen=True)
class Kind:
    """A kind of model of known mechanism; its seeds are judged together, as the seeds of an arm are.

    Attributes:
        of: how its models come to be.
        seeds: of its models.
    """

    of: Case | Trained
    seeds: range

    @property
    def name(self) -> str:
        """For tables."""
        return self.of.name

    @property
    def max_operand(self) -> int:
        """The largest operand that its models are asked."""
        return self.of.max_operand

    @property
    def facts(self) -> Facts:
        """What is true of its models."""
        return self.of.facts

    @property
    def tuned(self) -> bool:
        """Whether the rules were made with models of this kind: they say nothing of how often these err."""
        return self.max_operand == TUNED and MECHANISMS[self.of.mechanism].tuned

    def check(self, net: Any) -> Checked | None:
        """How far a model has the mechanism that it was trained to; None of one that is built of it."""
        return check(net, MECHANISMS[self.of.mechanism]) if isinstance(self.of, Trained) else None

    def make(self, seed: int) -> Any:
        """A causal language model of transformers."""
        return plant(self.of, seed) if isinstance(self.of, Case) else train(self.of, seed)


def kinds(only: Sequence[str], seeds: int, trained: int, first: int = 0) -> list[Kind]:
    """What a calibration makes.

    Args:
        only: mechanisms; none for all.
        seeds: how many of each planted case.
        trained: how many of each trained one; 0 for none of them.
        first: the first of the seeds.

    Raises:
        ConfigError: no such mechanism.
    """
    for name in only:
        if name not in MECHANISMS:
            raise ConfigError(f"--only {name}", "no such mechanism", suggestion(name, MECHANISMS))
    planted = [Kind(case, range(first, first + seeds)) for case in CASES]
    natural = [Kind(one, range(first, first + trained)) for one in TRAINED] if trained else []
    return [kind for kind in (*planted, *natural) if not only or kind.of.mechanism in only]
