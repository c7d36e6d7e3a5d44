"""A digit of the answer as the task, for tokenizers that split numbers into digits: a number line of ten."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter, ascii_lowercase
from typing import Any, Literal

import torch
from torch import Tensor

from fourier_lightning.data.batches import Examples
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import Vocabulary, all_ids, behind, check_rows, encode
from fourier_lightning.errors import ConfigError

Axis = Literal["number", "last_digit", "first_digit"]


@dataclass(frozen=True)
class DigitOf(Task):
    """One digit of another task's answer: 0..9. The last digit of a sum lives on a circle, the first on a line.

    Args:
        whole: the task whose questions are asked.
        axis: which digit.
    """

    whole: Task
    axis: Axis

    p = 10
    smallest, largest = 0, 9

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.whole.name}_{self.axis}"

    @property
    def cyclic(self) -> bool:  # type: ignore[override]
        return self.axis == "last_digit"

    @property
    def commutative(self) -> bool:  # type: ignore[override]
        return self.whole.commutative

    @property
    def size_key(self) -> str:  # type: ignore[override]
        return self.whole.size_key

    @property
    def operand_key(self) -> str:
        return self.whole.operand_key

    @property
    def operand_range(self) -> tuple[int, int]:
        return self.whole.operand_range

    @property
    def letters(self) -> str:  # type: ignore[override]
        return self.whole.letters

    @property
    def periods(self) -> tuple[float, ...]:  # type: ignore[override]
        return self.whole.periods

    @property
    def templates(self) -> dict[str, str]:  # type: ignore[override]
        return self.whole.templates

    def operands(self) -> Tensor:
        return self.whole.operands()

    def addends(self, operands: Tensor) -> Tensor | None:
        return self.whole.addends(operands)

    def answers(self, operands: Tensor) -> Tensor:
        answers = self.whole.answers(operands)
        if self.axis == "last_digit":
            return answers % 10
        return torch.tensor([int(str(answer)[0]) for answer in answers.tolist()], dtype=torch.long)

    def allows(self, operands: list[int]) -> bool:
        return self.whole.allows(operands)


def filled(template: str, operands: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """A template with operands in it, and where the text of each begins and ends, in the operands' order."""
    names, text, places = dict(zip(ascii_lowercase, operands, strict=False)), "", {}
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is not None:
            places[name] = (len(text), len(text) + len(str(names[name])))
            text += str(names[name])
    return text, [places[name] for name in names]


class Digits:
    """Questions as token ids where a number is a token a digit.

    Args:
        tokenizer: it has to give each digit of an answer a token of its own, the same everywhere.
        task: whose questions are asked.
        gap: between question and answer: "" or " ".
        rows: of the model's table, where it is known.

    Attributes:
        numbers: (10,) token ids of the digits 0..9.

    Raises:
        ConfigError: a tokenizer that does not split numbers so.
    """

    def __init__(self, tokenizer: Any, task: Task, gap: str, rows: int | None = None) -> None:
        self.tokenizer, self.task, self.gap, self.rows = tokenizer, task, gap, rows
        ids = behind(tokenizer, ":", [str(digit) for digit in range(10)])
        self.numbers = torch.tensor([one[-1] if one else -1 for one in ids])
        if len(self.numbers.unique()) < 10 or not tokenizer.is_fast:
            raise ConfigError("data.axis", "this tokenizer has no token for each digit", "use data.axis=number")

    def vocabulary(self) -> Vocabulary:
        """All of the tokenizer's tokens, the numbers 0..9 among them."""
        none = torch.empty(0, dtype=torch.long)
        return Vocabulary(all_ids(self.tokenizer, self.rows), self.numbers, none, none)

    def questions(self, template: str, operands: Tensor, axis: Axis) -> list[Examples]:
        """Prompts of operands (n, operands), grouped by their length in tokens.

        Args:
            template: a text with ``{a}``, ``{b}``, ..., demonstrations before it.
            axis: ``last_digit``: the prompt holds all other digits of the right answer, and asks for the last;
                ``first_digit``: the prompt is the question, and its answer the first digit; ``number``: the prompt
                is the question, and its answer the whole number.

        Returns:
            one entry a length; ``slots`` are the columns of each operand's last (first) digit.

        Raises:
            ConfigError: an answer whose digits are not tokens of their own there.
        """
        answers = self.task.answers(operands).tolist()
        asked = [filled(template, row) for row in operands.tolist()]
        texts = [f"{text}{self.gap}{n}" for (text, _), n in zip(asked, answers, strict=True)]
        encoded = encode(self.tokenizer, texts, return_offsets_mapping=True)
        check_rows(self.tokenizer, (token for ids in encoded["input_ids"] for token in ids), self.rows)
        groups: dict[int, list[tuple[list[int], int, list[int], list[int]]]] = {}
        for (_, places), row, n, ids, spans in zip(
            asked, operands.tolist(), answers, encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            digits = [int(digit) for digit in str(n)]
            at = [end - 1 if axis == "last_digit" else begin for begin, end in places]
            slots = [j for place in at for j, (left, right) in enumerate(spans) if left <= place < right]
            if ids[-len(digits) :] != self.numbers[digits].tolist() or len(slots) != len(at):
                problem = f"this tokenizer does not split {n} into digits after {self.gap or template[-1:]!r}"
                remedy = "use data.axis=number, or another data.number_style or data.templates"
                raise ConfigError(f"data.axis={axis}", problem, remedy)
            prompt = ids[:-1] if axis == "last_digit" else ids[: -len(digits)]
            answer = {"last_digit": digits[-1], "first_digit": digits[0], "number": n}[axis]
            groups.setdefault(len(prompt), []).append((prompt, answer, row, slots))
        return [
            Examples(*(torch.tensor(column) for column in zip(*groups[length], strict=True)))
            for length in sorted(groups)
        ]
