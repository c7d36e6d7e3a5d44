"""Batches cut from integer tensors that live on the device: no workers, no padding, no surprise in their order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Batch = dict[str, Tensor]  # "prompt": (B, L) model token rows, "sum": (B,) the number to be predicted


@dataclass(frozen=True)
class Examples:
    """Prompts of one length: ``prompt`` (N, L), ``sum`` (N,), ``slots`` (N, 2) columns of the operands."""

    prompt: Tensor
    sum: Tensor
    slots: Tensor

    def __len__(self) -> int:
        return len(self.sum)

    def sample(self, n: int) -> "Examples":
        """n of them at equal distances: the templates of a prompt length stand one after the other."""
        rows = torch.arange(n, device=self.sum.device) * len(self) // n
        return Examples(self.prompt[rows], self.sum[rows], self.slots[rows])

    def to(self, device: torch.device | str) -> "Examples":
        return Examples(self.prompt.to(device), self.sum.to(device), self.slots.to(device))


class Batches:
    """Batches of equal-length prompts, cut from tensors that already live on the device.

    Prompts of different lengths never share a batch, so nothing is padded; the order of the batches is shuffled
    across lengths. Epoch e of seed s has the same batches in every run, also after a resume.

    Args:
        groups: the examples, one entry for each prompt length.
        batch_size: rows of a batch; the last of each length may be smaller.
        seed: of the shuffle; ``None`` keeps the order (evaluation).
        epoch: tells the current epoch.
        redraw_order: draw anew, at each presentation, which operand comes first.
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
        prompt, total = group.prompt, group.sum
        if rng is not None:
            order = torch.randperm(len(group), generator=rng).to(prompt.device)
            slots = group.slots[order]
            prompt, total = prompt[order], total[order]
            if self.redraw_order:
                swap = torch.rand(len(group), generator=rng).to(prompt.device) < 0.5
                prompt = swap_operands(prompt, slots, swap)
        pairs = zip(prompt.split(self.batch_size), total.split(self.batch_size), strict=True)
        return [{"prompt": p, "sum": s} for p, s in pairs]


def swap_operands(prompt: Tensor, slots: Tensor, swap: Tensor) -> Tensor:
    """Exchange the tokens of the two operand slots in the rows where ``swap`` (N,) is true. Shape: (N, L)."""
    operands = prompt.gather(1, slots)
    return prompt.scatter(1, slots, torch.where(swap[:, None], operands.flip(1), operands))
