"""From numbers and templates to token ids, with an audit that every number is one token.

The paper's number axis 0..520 exists only because each of these integers is a single token of GPT-2's BPE. With
a leading space 67 of them are not, so the range and the style of the answer token are checked, never assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
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
        operand_values: (q,) the numbers of ``operands``.
    """

    token_ids: Tensor
    numbers: Tensor
    operands: Tensor
    operand_values: Tensor

    def __len__(self) -> int:
        return len(self.token_ids)

    def rows_of(self, backbone_ids: Tensor) -> Tensor:
        """Model rows of backbone token ids (any shape). All of them must be in the vocabulary."""
        lookup = torch.full((int(self.token_ids.max()) + 1,), -1)
        lookup[self.token_ids] = torch.arange(len(self.token_ids))
        rows = lookup[backbone_ids]
        assert (rows >= 0).all(), "a prompt token is missing from the vocabulary"
        return rows


def number_ids(tokenizer: Any, count: int, style: NumberStyle, size_key: str) -> Tensor:
    """Token ids of the numbers 0..count-1.

    Args:
        size_key: the setting below ``data`` that changes the count.

    Returns:
        (count,) int64 backbone token ids.

    Raises:
        ConfigError: some of them are not single tokens; the line lists them.
    """
    if count > len(tokenizer):
        problem = f"{count} numbers, but the backbone has {len(tokenizer)} tokens"
        raise ConfigError(f"data.{size_key}", problem, f"lower data.{size_key}")
    texts = [f" {n}" if style == "space" else str(n) for n in range(count)]
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    offenders = [repr(text) for text, ids in zip(texts, encoded, strict=True) if len(ids) != 1]
    if offenders:
        shown = ", ".join(offenders[:100]) + (f", ... ({len(offenders)} in all)" if len(offenders) > 100 else "")
        raise ConfigError(
            f"data.number_style={style}",
            f"{len(offenders)} of the answers 0..{count - 1} are not single tokens of this backbone: {shown}",
            f"lower data.{size_key} or change data.number_style",
        )
    return torch.tensor([ids[0] for ids in encoded])


def encode_template(
    tokenizer: Any, template: str, operands: Sequence[int], size_key: str, letters: str = "ab"
) -> tuple[Tensor, Tensor]:
    """Tokenize a template with every operand in all slots, checking that the operand is one token in context.

    The tokenizer sees whole texts, as it would at inference; BPE never merges across a number's edges here, so the
    prompt of any operands is made by filling each slot with their tokens (a test compares all of them).

    Args:
        template: a text with ``{a}`` and ``{b}``, or a slot for each of ``letters``.
        operands: the operands, at least two of them.
        size_key: the setting below ``data`` that changes their range.
        letters: the slots' names.

    Returns:
        prompts: (operands, L) int64 backbone ids, row n with operand n in every slot.
        slots: (k,) columns of a, of b, and so on, wherever they stand in the text.

    Raises:
        ConfigError: an operand is more than one token there; the line lists the offenders.
    """
    names = [name for _, name, _, _ in Formatter().parse(template) if name]  # as they come in the text
    wanted = " and ".join(f"{{{letter}}}" for letter in letters)
    assert sorted(names) == [*letters], f"{template!r} needs {wanted}, each once"
    texts = [template.format(**dict.fromkeys(letters, n)) for n in operands]
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    length = min(map(len, encoded))
    offenders = [str(n) for n, ids in zip(operands, encoded, strict=True) if len(ids) != length]
    if offenders:
        raise ConfigError(
            f"data.{size_key}",
            f"these operands are not single tokens in {template!r}: {', '.join(offenders[:100])}",
            f"lower data.{size_key} or choose another of data.templates",
        )
    prompts = torch.tensor(encoded)
    if tokenizer.unk_token_id is not None and (prompts == tokenizer.unk_token_id).any():
        raise ConfigError("data.templates", f"this backbone has no tokens for {template!r}", "choose others")
    columns = (prompts != prompts[0]).any(dim=0).nonzero().flatten()
    assert len(columns) == len(letters), f"{template!r}: {len(columns)} tokens change with its operands"
    shown = prompts[:, columns]
    assert (shown == shown[:, :1]).all(), f"{template!r}: its slots want different tokens"
    return prompts, columns[[names.index(letter) for letter in letters]]


def build_vocabulary(
    tokenizer: Any, numbers: Tensor, prompts: list[tuple[Tensor, Tensor]], operands: Sequence[int], compact: bool
) -> Vocabulary:
    """The model's vocabulary.

    Args:
        numbers: (p,) backbone ids of the numbers.
        prompts: what ``encode_template`` gave for each template.
        operands: those that it was given.
        compact: keep only tokens that the task uses, the numbers first (row n is number n), or keep all.
    """
    known = set(numbers.tolist())
    used = {token for ids, _ in prompts for token in ids.flatten().tolist()}
    in_slots = [pair for ids, slots in prompts for pair in zip(ids[:, slots[0]].tolist(), operands, strict=True)]
    others = {token: value for token, value in in_slots if token not in known}
    if compact:
        rest = torch.tensor(sorted(used - known), dtype=torch.long)
        token_ids, rows = torch.cat([numbers, rest]), torch.arange(len(numbers))
    else:
        token_ids, rows = torch.arange(len(tokenizer)), numbers
    row_of = {token: row for row, token in enumerate(token_ids.tolist())}
    operand_rows, values = ([row_of[token] for token in others], list(others.values()))
    return Vocabulary(token_ids, rows, torch.tensor(operand_rows).long(), torch.tensor(values).long())
