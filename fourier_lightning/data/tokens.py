"""From numbers and templates to token ids, with an audit that every number is one token.

The paper's number axis 0..520 exists only because each of these integers is a single token of GPT-2's BPE. With
a leading space 67 of them are not, so the range and the style of the answer token are checked, never assumed.

A number is looked at where it stands: tokenizers in SentencePiece's way put a space before a text, so that by itself
"108" is the token of " 108".
"""

from collections.abc import Iterable, Sequence
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


def encode(tokenizer: Any, texts: Sequence[str], **options: Any) -> Any:
    """A tokenizer's encoding of texts, without the tokens that it would add by itself.

    Raises:
        ConfigError: it fails, as one without an unknown token does.
    """
    try:
        return tokenizer(list(texts), add_special_tokens=False, verbose=False, **options)
    except Exception as error:  # tokenizers raises Exception itself
        key, reason = f"backbone.path={tokenizer.name_or_path}", " ".join(str(error).split())
        remedy = "use the tokenizer that the model was trained with"
        raise ConfigError(key, f"its tokenizer fails at texts like {texts[0]!r} ({reason})", remedy) from error


def behind(tokenizer: Any, before: str, texts: Sequence[str]) -> list[list[int]]:
    """Token ids that each text adds behind another one; none where it changes the tokens before it."""
    start, *encoded = encode(tokenizer, [before, *(before + text for text in texts)])["input_ids"]
    return [ids[len(start) :] if ids[: len(start)] == start else [] for ids in encoded]


def single_ids(tokenizer: Any, count: int, style: NumberStyle, prompts: Sequence[str] = (":",)) -> list[int | None]:
    """The token of each number 0..count-1 behind these prompts.

    None stands for a number that is several tokens, or not the same one behind all prompts, or one without its digits,
    as the unknown token.
    """
    texts = [f" {n}" if style == "space" else str(n) for n in range(count)]
    each = zip(*(behind(tokenizer, prompt, texts) for prompt in prompts), strict=True)
    same = [first if all(ids == first for ids in others) else [] for first, *others in each]
    return [ids[0] if len(ids) == 1 and says(tokenizer, ids[0], n) else None for n, ids in enumerate(same)]


def says(tokenizer: Any, token: int, number: int) -> bool:
    """Whether a token's text has a number's digits, and no others."""
    return "".join(filter(str.isdigit, tokenizer.convert_ids_to_tokens(token) or "")) == str(number)


def number_ids(
    tokenizer: Any, count: int, style: NumberStyle, size_key: str, prompts: Sequence[str] = (":",)
) -> Tensor:
    """Token ids of the numbers 0..count-1.

    Args:
        size_key: the setting below ``data`` that changes the count.
        prompts: texts that they follow.

    Returns:
        (count,) int64 backbone token ids.

    Raises:
        ConfigError: some of them are not single tokens; the line lists them.
    """
    if count > len(tokenizer):
        problem = f"{count} numbers, but the backbone has {len(tokenizer)} tokens"
        raise ConfigError(f"data.{size_key}", problem, f"lower data.{size_key}")
    ids = single_ids(tokenizer, count, style, prompts)
    offenders = [repr(f" {n}" if style == "space" else str(n)) for n, token in enumerate(ids) if token is None]
    if offenders:
        shown = ", ".join(offenders[:100]) + (f", ... ({len(offenders)} in all)" if len(offenders) > 100 else "")
        other: NumberStyle = "bare" if style == "space" else "space"
        fits = None not in single_ids(tokenizer, count, other, prompts)
        raise ConfigError(
            f"data.number_style={style}",
            f"{len(offenders)} of the answers 0..{count - 1} are not single tokens of this backbone: {shown}",
            f"use data.number_style={other}" if fits else f"lower data.{size_key} or change data.number_style",
        )
    return torch.tensor(ids)


def all_ids(tokenizer: Any, rows: int | None) -> Tensor:
    """Token ids that a model may be given and may answer (V,).

    Args:
        rows: of the model's table, where it is known. A tokenizer may have more, as a token for padding, and gaps.
    """
    count = max(tokenizer.get_vocab().values()) + 1
    return torch.arange(count if rows is None else min(count, rows))


def check_rows(tokenizer: Any, ids: Iterable[int], rows: int | None) -> None:
    """Refuse tokens that the model's table has no rows for.

    Raises:
        ConfigError: naming the largest.
    """
    largest = max(ids)
    if rows is not None and largest >= rows:
        token = tokenizer.convert_ids_to_tokens(largest)
        problem = f"its tokenizer's {token!r} is token {largest}, and its table has {rows} rows (vocab_size)"
        remedy = "use the tokenizer that it was trained with, or resize_token_embeddings, and save_pretrained"
        raise ConfigError(f"backbone.path={tokenizer.name_or_path}", problem, remedy)


def slot_names(template: str, letters: str) -> list[str]:
    """The names of a template's slots, as they come in the text.

    Raises:
        ConfigError: they are not the letters, each once.
    """
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    if sorted(names) != [*letters]:
        wanted = " and ".join(f"{{{letter}}}" for letter in letters)
        raise ConfigError("data.templates", f"{template!r} needs {wanted}, each once", "correct it, or choose another")
    return names


def with_number(template: str, number: int, letters: str = "ab") -> str:
    """A template with one number in all of its slots."""
    slot_names(template, letters)
    return template.format(**dict.fromkeys(letters, number))


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
        ConfigError: an operand is more than one token there, or another one in each slot.
    """
    names = slot_names(template, letters)
    encoded = encode(tokenizer, [with_number(template, n, letters) for n in operands])["input_ids"]
    length = min(map(len, encoded))
    offenders = [n for n, ids in zip(operands, encoded, strict=True) if len(ids) != length]
    if offenders:
        raise not_single(offenders, template, size_key)
    prompts = torch.tensor(encoded)
    if tokenizer.unk_token_id is not None and (prompts == tokenizer.unk_token_id).any():
        raise ConfigError("data.templates", f"this backbone has no tokens for {template!r}", "choose others")
    columns = (prompts != prompts[0]).any(dim=0).nonzero().flatten()
    if len(columns) != len(letters):
        raise not_single(operands, template, size_key)
    shown = prompts[:, columns]
    if not (shown == shown[:, :1]).all():
        tokens = dict.fromkeys(tokenizer.convert_ids_to_tokens(shown[-1].tolist()))
        problem = f"in {template!r} the same number is {' and '.join(map(repr, tokens))}"
        raise ConfigError("data.templates", problem, "choose another, with a space before each number or before none")
    offenders = [n for n, token in zip(operands, shown[:, 0].tolist(), strict=True) if not says(tokenizer, token, n)]
    if offenders:
        raise not_single(offenders, template, size_key)
    return prompts, columns[[names.index(letter) for letter in letters]]


def not_single(operands: Sequence[int], template: str, size_key: str) -> ConfigError:
    """The line for operands that are not one token each in a template, or not one of their own."""
    shown = ", ".join(map(str, operands[:100]))
    problem = f"these operands are not single tokens in {template!r}: {shown}"
    return ConfigError(f"data.{size_key}", problem, f"lower data.{size_key} or choose another of data.templates")


def build_vocabulary(
    tokenizer: Any,
    numbers: Tensor,
    prompts: list[tuple[Tensor, Tensor]],
    operands: Sequence[int],
    compact: bool,
    rows: int | None = None,
) -> Vocabulary:
    """The model's vocabulary.

    Args:
        numbers: (p,) backbone ids of the numbers.
        prompts: what ``encode_template`` gave for each template.
        operands: those that it was given.
        compact: keep only tokens that the task uses, the numbers first (row n is number n), or keep all.
        rows: of the model's table, where it is known.

    Raises:
        ConfigError: a token of the task that the table has no row for.
    """
    known = set(numbers.tolist())
    used = {token for ids, _ in prompts for token in ids.flatten().tolist()}
    check_rows(tokenizer, known | used, rows)
    in_slots = [pair for ids, slots in prompts for pair in zip(ids[:, slots[0]].tolist(), operands, strict=True)]
    others = {token: value for token, value in in_slots if token not in known}
    if compact:
        rest = torch.tensor(sorted(used - known), dtype=torch.long)
        token_ids, lines = torch.cat([numbers, rest]), torch.arange(len(numbers))
    else:
        token_ids, lines = all_ids(tokenizer, rows), numbers
    row_of = {token: row for row, token in enumerate(token_ids.tolist())}
    operand_rows, values = ([row_of[token] for token in others], list(others.values()))
    return Vocabulary(token_ids, lines, torch.tensor(operand_rows).long(), torch.tensor(values).long())
