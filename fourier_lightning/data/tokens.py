"""From numbers and templates to token ids, with an audit that every number is one token.

The paper's number axis 0..520 exists only because each of these integers is a single token of GPT-2's BPE. With
a leading space 67 of them are not, so the range and the style of the answer token are checked, never assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from fourier_lightning.errors import ConfigError

NumberStyle = Literal["bare", "space"]


@dataclass(frozen=True)
class Vocabulary:
    """Which rows of a backbone's token table a model holds, and which of them are the numbers.

    Attributes:
        token_ids: (V,) backbone token id of each row of the model's table.
        numbers: (p,) model row of the numbers 0..p-1, in the answer's style.
        operands: (q,) model rows of operands that are other tokens than these (" 15" beside "15"), in order.
    """

    token_ids: Tensor
    numbers: Tensor
    operands: Tensor

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def operand_values(self) -> Tensor:
        """(q,) the numbers of ``operands``: the last of them is the largest operand, half of the largest sum."""
        largest = (len(self.numbers) - 1) // 2
        return torch.arange(largest + 1 - len(self.operands), largest + 1)

    def rows_of(self, backbone_ids: Tensor) -> Tensor:
        """Model rows of backbone token ids (any shape). All of them must be in the vocabulary."""
        lookup = torch.full((int(self.token_ids.max()) + 1,), -1)
        lookup[self.token_ids] = torch.arange(len(self.token_ids))
        rows = lookup[backbone_ids]
        assert (rows >= 0).all(), "a prompt token is missing from the vocabulary"
        return rows


def number_ids(tokenizer: Any, count: int, style: NumberStyle) -> Tensor:
    """Token ids of the numbers 0..count-1.

    Returns:
        (count,) int64 backbone token ids.

    Raises:
        ConfigError: some of them are not single tokens; the line lists them.
    """
    texts = [f" {n}" if style == "space" else str(n) for n in range(count)]
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    offenders = [repr(text) for text, ids in zip(texts, encoded, strict=True) if len(ids) != 1]
    if offenders:
        shown = ", ".join(offenders[:100]) + (f", ... ({len(offenders)} in all)" if len(offenders) > 100 else "")
        raise ConfigError(
            f"data.number_style={style}",
            f"{len(offenders)} of the sums 0..{count - 1} are not single tokens of this backbone: {shown}",
            "lower data.max_operand or change data.number_style",
        )
    return torch.tensor([ids[0] for ids in encoded])


def encode_template(tokenizer: Any, template: str, operands: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Tokenize a template with every operand in both slots, checking that the operand is one token in context.

    The tokenizer sees whole texts, as it would at inference; BPE never merges across a number's edges here, so the
    prompt of any pair (a, b) is made by swapping the two slots' tokens (a test compares all of them).

    Args:
        template: a text with ``{a}`` and ``{b}``.
        operands: the operands, at least two of them.

    Returns:
        prompts: (operands, L) int64 backbone ids, row n with operand n in both slots.
        slots: (2,) columns of a and of b.

    Raises:
        ConfigError: an operand is more than one token there; the line lists the offenders.
    """
    encoded = tokenizer([template.format(a=n, b=n) for n in operands], add_special_tokens=False)["input_ids"]
    length = min(map(len, encoded))
    offenders = [str(n) for n, ids in zip(operands, encoded, strict=True) if len(ids) != length]
    if offenders:
        raise ConfigError(
            f"data.max_operand={operands[-1]}",
            f"these operands are not single tokens in {template!r}: {', '.join(offenders[:100])}",
            "lower data.max_operand or choose another of data.templates",
        )
    prompts = torch.tensor(encoded)
    slots = (prompts != prompts[0]).any(dim=0).nonzero().flatten()
    assert len(slots) == 2 and (prompts[:, slots[0]] == prompts[:, slots[1]]).all(), template
    return prompts, slots


def build_vocabulary(
    tokenizer: Any, numbers: Tensor, prompts: list[tuple[Tensor, Tensor]], compact: bool
) -> Vocabulary:
    """The model's vocabulary.

    Args:
        numbers: (p,) backbone ids of the numbers.
        prompts: what ``encode_template`` gave for each template.
        compact: keep only tokens that the task uses, the numbers first (row n is number n), or keep all.
    """
    used = {token for ids, _ in prompts for token in ids.flatten().tolist()}
    in_slots = [token for ids, slots in prompts for token in ids[:, slots[0]].tolist()]
    operands = [token for token in dict.fromkeys(in_slots) if token not in set(numbers.tolist())]
    if compact:
        others = torch.tensor(sorted(used - set(numbers.tolist())), dtype=torch.long)
        token_ids, number_rows = torch.cat([numbers, others]), torch.arange(len(numbers))
    else:
        token_ids, number_rows = torch.arange(len(tokenizer)), numbers
    bare = Vocabulary(token_ids, number_rows, operands=torch.empty(0, dtype=torch.long))
    return replace(bare, operands=bare.rows_of(torch.tensor(operands, dtype=torch.long)))
