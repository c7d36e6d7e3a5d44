"""Which numbers are single tokens of a tokenizer, how it splits the others, and how long a number line that gives.

The paper's range is one of GPT-2's tokenizer: "0" to "520" are single tokens, "521" is not. Another tokenizer has
another range, and one that writes numbers digit by digit has none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import NumberStyle, single_ids
from fourier_lightning.errors import ConfigError

SEARCHED = 2000  # numbers from 0: tokenizers that have all of three digits have none, or few, of four
SHORTEST = 21  # numbers: two waves of T = 10
LONG = "1234567"
STYLES: tuple[NumberStyle, ...] = ("bare", "space")


@dataclass(frozen=True)
class NumberTokens:
    """Numbers of one style as tokens.

    Attributes:
        style: ``bare`` ("108") or ``space`` (" 108").
        count: 0..count-1 are single tokens, and count is not.
        single: how many of 0..1999 are.
        gaps: the first few that are not, from ``count`` on.
    """

    style: NumberStyle
    count: int
    single: int
    gaps: tuple[int, ...]


@lru_cache(maxsize=8)
def number_tokens(tokenizer: Any, style: NumberStyle) -> NumberTokens:
    """The audit of one style, over 0..1999."""
    split = [n for n, token in enumerate(single_ids(tokenizer, SEARCHED, style)) if token is None]
    return NumberTokens(style, split[0] if split else SEARCHED, SEARCHED - len(split), tuple(split[:5]))


def splitting(tokenizer: Any) -> str:
    """How the tokenizer writes a number that is no token: in words, with an example."""
    ids = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([i]).strip() for i in ids]
    shown = f"{LONG} is {' | '.join(piece or '_' for piece in pieces)}"
    sizes = [len(piece) for piece in pieces if piece]
    if set(sizes) == {1}:
        return f"digit by digit: {shown}"
    for words, wanted in (("from the left", [3, 3, 1]), ("from the right", [1, 3, 3])):
        if sizes == wanted:
            return f"in threes {words}: {shown}"
    return f"into pieces that it learned: {shown}"


@lru_cache(maxsize=64)
def last_operand(tokenizer: Any, template: str, letters: str = "ab", smallest: int = 0) -> int:
    """The largest n such that each of smallest..n is one token, the same in every slot of a template.

    ``smallest - 1`` if there is none, as where the slots of a text take different tokens (" 12" and "12").
    """
    texts = [template.format(**dict.fromkeys(letters, n)) for n in range(smallest, SEARCHED)]
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    count = next((i for i, ids in enumerate(encoded) if len(ids) != len(encoded[0])), len(encoded))
    slots = [column for column in zip(*encoded[:count], strict=True) if len(set(column)) > 1]
    return smallest + count - 1 if len(slots) == len(letters) and len(set(slots)) == 1 else smallest - 1


def largest_size(
    task_of: Callable[[int], Task], tokenizer: Any, templates: Iterable[str], style: NumberStyle
) -> tuple[int | None, Task | None]:
    """The largest size of a task whose answers, and whose operands in these templates, are all single tokens.

    Args:
        task_of: the task of a size (``data.max_operand``, ``data.modulus``).
        templates: their names.
        style: of the answers.

    Returns:
        size and task; None twice if the longest number line that there is has fewer than ``SHORTEST`` numbers.
    """
    count, found, names = number_tokens(tokenizer, style).count, None, list(templates)
    limits: dict[str, int] = {}
    for size in range(1, SEARCHED) if count >= SHORTEST else ():
        try:
            task = task_of(size)
        except ConfigError:  # too small for this task
            continue
        if task.p > count:
            break
        for name in names:
            if name not in limits:
                limits[name] = last_operand(tokenizer, task.templates[name], task.letters, task.smallest)
        if any(task.largest > limits[name] for name in names):
            break
        found = (size, task)
    return found if found is not None and found[1].p >= SHORTEST else (None, None)
