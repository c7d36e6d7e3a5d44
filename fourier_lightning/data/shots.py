"""Demonstrations: solved questions that stand before every prompt, the same ones before all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fourier_lightning.data.batches import Examples
from fourier_lightning.data.digits import filled
from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError

END = "\n"  # between demonstrations, and after an answer
CHUNK = 4096  # tokens that are decoded at a time


@dataclass(frozen=True)
class Asked:
    """Questions for a model that answers in its own words.

    Attributes:
        questions: prompts, one entry for each length; ``answer`` is the whole number.
        ends: rows of the model's table that end an answer: those with a line break, and the end of the text.
        read: texts of such rows (n, steps); what comes after an end is left out.
    """

    questions: list[Examples]
    ends: Tensor
    read: Callable[[Tensor], list[str]]

    @classmethod
    def of(cls, tokenizer: Any, token_ids: Tensor, questions: list[Examples]) -> "Asked":
        """Of a model whose row r is the token ``token_ids[r]``."""
        texts: list[str] = []
        for ids in token_ids.split(CHUNK):
            texts += tokenizer.batch_decode([[one] for one in ids.tolist()])
        last = -1 if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        ends = (torch.tensor([END in text for text in texts]) | (token_ids == last)).nonzero()[:, 0]

        def read(said: Tensor) -> list[str]:
            over = torch.isin(said.cpu(), ends).long().cumsum(dim=1) > 0
            kept = [token_ids[row[~stop]].tolist() for row, stop in zip(said.cpu(), over, strict=True)]
            return tokenizer.batch_decode(kept)

        return cls(questions, ends, read)


def same_questions(operands: Tensor, commutative: bool) -> Tensor:
    """A number for each row (rows,) of operands (rows, n): equal where two rows ask the same, as (a, b) and (b, a)."""
    rows = operands.sort(dim=1).values if commutative else operands
    return rows.unique(dim=0, return_inverse=True)[1]


def draw_shots(split: dict[str, Tensor], questions: Tensor, count: int, seed: int) -> Tensor:
    """Training rows (count,) to demonstrate with; whatever else is asked, they are not.

    Args:
        split: rows by split.
        questions: (rows,) what ``same_questions`` gave.
        count: how many.
        seed: of the draw.

    Raises:
        ConfigError: too few training rows whose question no other split asks.
    """
    held_out = torch.cat([split["val"], split["test"]])
    free = split["train"][~torch.isin(questions[split["train"]], questions[held_out])]
    if len(free) <= count:
        problem = f"{len(free)} training rows to draw demonstrations from"
        raise ConfigError(f"data.shots={count}", problem, "use fewer, or raise data.train_fraction")
    return free[torch.randperm(len(free), generator=torch.Generator().manual_seed(seed))[:count]]


def demonstrations(tokenizer: Any, task: Task, templates: Sequence[str], operands: Tensor, gap: str) -> str:
    """The text of solved questions, a line each, after what the tokenizer itself puts before a text (Llama's does).

    Args:
        templates: one a demonstration.
        operands: (count, n) as they are to be shown.
        gap: between question and answer: "" or " ".
    """
    begin = tokenizer.bos_token_id
    start = tokenizer.bos_token if begin is not None and tokenizer("")["input_ids"][:1] == [begin] else ""
    solved = zip(templates, operands.tolist(), task.answers(operands).tolist(), strict=True)
    return start + "".join(f"{filled(template, row)[0]}{gap}{answer}{END}" for template, row, answer in solved)
