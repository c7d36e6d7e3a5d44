"""Batches cut from integer tensors that live on the device: no workers, no padding, no surprise in their order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TypedDict

import torch
from torch import Tensor


class Batch(TypedDict):
    """Prompts of one length: a plain dictionary, which Lightning moves between devices."""

    prompt: Tensor  # (B, L) model token rows
    answer: Tensor  # (B,) the number to be predicted
    operands: Tensor  # (B, k) the numbers in the prompt, a and b (and c)


@dataclass(frozen=True)
class Examples:
    """Prompts of one length, as in a batch, and where their operands stand.

    Attributes:
        prompt: (N, L).
        answer: (N,).
        operands: (N, k), as the prompt has them.
        slots: (N, k) their columns in the prompt.
    """

    prompt: Tensor
    answer: Tensor
    operands: Tensor
    slots: Tensor

    def __len__(self) -> int:
        return len(self.answer)

    def __getitem__(self, rows: Tensor) -> "Examples":
        """Those in rows (n,), in that order."""
        return Examples(*(getattr(self, field.name)[rows] for field in fields(self)))

    def sample(self, n: int) -> "Examples":
        """n of them at equal distances: the templates of a prompt length stand one after the other."""
        return self[torch.arange(n, device=self.answer.device) * len(self) // n]

    def to(self, device: torch.device | str) -> "Examples":
        return Examples(*(getattr(self, field.name).to(device) for field in fields(self)))

    def reordered(self, order: Tensor) -> "Examples":
        """The operands in other places, in the prompt too: place i of a row gets its operand ``order[:, i]`` (N, k).

        The answers stay: only for tasks whose operands may change places.
        """
        shown = self.prompt.gather(1, self.slots).gather(1, order)
        prompt = self.prompt.scatter(1, self.slots, shown)
        return Examples(prompt, self.answer, self.operands.gather(1, order), self.slots)


def concatenate(groups: list[Examples]) -> Examples:
    """Several groups of one prompt length as one."""
    return Examples(*(torch.cat([getattr(group, field.name) for group in groups]) for field in fields(Examples)))


def drawn_orders(rows: int, count: int, rng: torch.Generator) -> Tensor:
    """A random order of ``count`` operands for each row: int64 (rows, count), for ``Examples.reordered``.

    Of two operands one number of the stream decides.
    """
    if count == 2:
        swap = (torch.rand(rows, generator=rng) < 0.5).long()
        return torch.stack([swap, 1 - swap], dim=1)
    return torch.rand(rows, count, generator=rng).argsort(dim=1)


class Batches:
    """Batches of equal-length prompts, cut from tensors that already live on the device.

    Prompts of different lengths never share a batch, so nothing is padded; the order of the batches is shuffled
    across lengths. Epoch e of seed s has the same batches in every run, also after a resume.

    Args:
        groups: the examples, one entry for each prompt length.
        batch_size: rows of a batch; the last of each length may be smaller.
        seed: of the shuffle; ``None`` keeps the order (evaluation).
        epoch: tells the current epoch.
        redraw_order: draw anew, at each presentation, which operand comes first (see ``Examples.reordered``).
    """

    def __init__(
        self,
        groups: list[Examples],
        batch_size: int,
        seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
        redraw_order: bool = False,
    ) -> None:
        self.groups, self.batch_size, self.seed, self.epoch = groups, batch_size, seed, epoch
        self.redraw_order = redraw_order

    def __len__(self) -> int:
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def __iter__(self) -> Iterator[Batch]:
        # A generator: the epoch is asked for at the first batch. Lightning calls iter() before a resume is complete.
        rng = None
        if self.seed is not None:  # a CPU stream, so that every device sees the same batches
            rng = torch.Generator()
            rng.manual_seed(self.seed * 1_000_003 + self.epoch())
        chunks: list[Batch] = []
        for group in self.groups:
            chunks += self._chunks(group, rng)
        order = range(len(chunks)) if rng is None else torch.randperm(len(chunks), generator=rng).tolist()
        yield from (chunks[i] for i in order)

    def _chunks(self, group: Examples, rng: torch.Generator | None) -> list[Batch]:
        if rng is not None:
            group = group[torch.randperm(len(group), generator=rng).to(group.prompt.device)]
            if self.redraw_order:
                order = drawn_orders(len(group), group.operands.shape[1], rng)
                group = group.reordered(order.to(group.prompt.device))
        columns = (group.prompt, group.answer, group.operands)
        parts = zip(*(column.split(self.batch_size) for column in columns), strict=True)
        return [{"prompt": prompt, "answer": answer, "operands": operands} for prompt, answer, operands in parts]
