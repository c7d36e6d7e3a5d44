"""Rows of docs/results name their arm in words, for readers; here is what arm the words mean."""

from itertools import product
from typing import get_args

from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.record.arm import UNKNOWN, Arm


def choices(name: str) -> tuple[str, ...]:
    """The values that a setting of the table can have."""
    return get_args(EmbeddingSettings.__annotations__[name])


FIELDS = (
    ("random", "pretrained"),
    choices("source"),
    (True, False),
    choices("keep"),
    choices("control"),
    (True, False),
)
ARMS = {arm.words: arm for arm in (Arm(*values) for values in reversed(list(product(*FIELDS))))}


def arm_in(words: str) -> Arm:
    """The arm that a row's words begin with: "scratch, 80 % of the pairs" is of "scratch"; UNKNOWN if none."""
    found = [known for known in ARMS if words == known or words.startswith(f"{known}, ")]
    return ARMS[max(found, key=len)] if found else UNKNOWN
